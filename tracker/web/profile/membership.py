"""A person's memberships: the terms by organization, and recording one's own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection
from starlette.datastructures import FormData

from tracker.records.applying.applicants import undecided_of
from tracker.records.entries.entry_writes import Author
from tracker.records.judging.endorsees import endorsements_of
from tracker.records.profile.memberships import (
    Recorded,
    Term,
    TermOverlaps,
    change_term,
    own_term,
    record_term,
    remove_term,
    terms_of,
)
from tracker.records.store.engine import reading
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import say_day
from tracker.rules.standing import Outcome, Standing
from tracker.web.forms.form_parts import add_problem
from tracker.web.forms.typed import RowId, Typed
from tracker.web.frame.own_time import own_today
from tracker.web.frame.said_once import TheSaid, go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import Person, ThePerson
from tracker.web.profile.membership_closing import closed_words
from tracker.web.profile.membership_form import (
    Organization,
    TermForm,
    read_term,
    say_overlap,
    term_form,
)
from tracker.web.year.year_reading import read_standings

router = APIRouter()
_DONE = {
    "recorded": "The term is recorded.",
    "changed": "The term is changed.",
    "removed": "The term is removed.",
}


@router.get("/membership")
def show(site: TheSite, at: Instant, who: ThePerson, said: TheSaid) -> HTMLResponse:
    """The terms by organization, and what they do to each renewal that asks for membership."""
    with reading(site.engine) as connection:
        terms = terms_of(connection, who.id)
        endorsed = endorsements_of(connection, who.id)
        standings = read_standings(connection, site.books, endorsed, at)
        accepted = accepted_organizations(connection, site.books, who.id)
        today = own_today(connection, site, who.id, at)
    page = site.pages.show(
        "membership.html",
        viewer=who.viewer,
        here="profile",
        groups=[*_by_organization(site.books, terms)],
        effects=[*say_memberships(standings)],
        may_record=bool(accepted),
        today=today,
        notice=_DONE.get(said.word, ""),
    )
    return said.once(page)


@router.get("/membership/new")
def open_form(site: TheSite, who: ThePerson) -> HTMLResponse:
    """The empty form."""
    with reading(site.engine) as connection:
        accepted = accepted_organizations(connection, site.books, who.id)
    return _show_form(site, who, term_form(accepted), None)


@router.post("/membership/new")
def save_new(site: TheSite, at: Instant, who: ThePerson, typed: Typed) -> Response:
    """Record a term once and say what it did; or show what is wrong."""

    def store(connection: Connection, author: Author, term: Term) -> bool:
        return bool(record_term(connection, site.books, author, term))

    return _save(site, at, who, typed, None, store)


@router.get("/membership/{term_id}")
def open_term(site: TheSite, who: ThePerson, term_id: RowId) -> HTMLResponse:
    """The form as one's own term is stored."""
    with reading(site.engine) as connection:
        stored = _own(own_term(connection, who.id, term_id))
        accepted = _with(site.books, accepted_organizations(connection, site.books, who.id), stored)
    return _show_form(site, who, term_form(accepted, stored=stored.term), stored)


@router.post("/membership/{term_id}")
def save_term(site: TheSite, at: Instant, who: ThePerson, term_id: RowId, typed: Typed) -> Response:
    """Change one's own term."""

    def store(connection: Connection, author: Author, term: Term) -> bool:
        return change_term(connection, site.books, author, term_id, term)

    return _save(site, at, who, typed, term_id, store)


@router.get("/membership/{term_id}/remove")
def ask_to_remove(site: TheSite, at: Instant, who: ThePerson, term_id: RowId) -> HTMLResponse:
    """Asks whether to remove; only the button does. A term of a closed cycle stays."""
    with reading(site.engine) as connection:
        stored = _own(own_term(connection, who.id, term_id))
        closed = closed_words(connection, site.books, who.id, at, stored.term)
    return site.pages.show(
        "membership_remove.html", viewer=who.viewer, stored=stored, closed=closed
    )


@router.post("/membership/{term_id}/remove")
def remove(site: TheSite, at: Instant, who: ThePerson, term_id: RowId) -> Response:
    """Remove one's own term, and say what that did."""
    author = Author(who.id, who.viewer.email, at)

    def job(connection: Connection) -> bool:
        """Whether it was removed: not where a closed cycle rests on it."""
        stored = _own(own_term(connection, who.id, term_id))
        if closed_words(connection, site.books, who.id, at, stored.term):
            return False
        return remove_term(connection, site.books, author, term_id)

    if not site.writer.run(job):
        return RedirectResponse(f"/membership/{term_id}/remove", 303)
    return go_and_say(site, "/membership", "removed")


def accepted_organizations(
    connection: Connection, books: Rulebooks, person_id: int
) -> list[Organization]:
    """What some rulebook of a person's associations accepts, the associations' own first."""
    held = [one.association for one in endorsements_of(connection, person_id)]
    held += [one.association for one in undecided_of(connection, person_id)]
    accepted = {one for name in held for one in books.accepted_by(name)}
    ordered = sorted(accepted, key=lambda one: (one not in held, one))
    return [Organization(one, books.organizations[one].name) for one in ordered]


def say_memberships(standings: Iterable[Standing]) -> Iterator[tuple[str, bool]]:
    """``Membership: done to 31 December 2027`` for each endorsement that asks it; and if it is.

    By the latest cycle of each: what an earlier one lacked no term can mend.
    """
    latest = {s.facts.subject_id: s for s in sorted(standings, key=lambda s: s.due_on or date.min)}
    asking = [
        (standing, result)
        for standing in latest.values()
        for result in standing.results
        if result.ask.counts == "membership"
    ]
    for standing, result in asking:
        plan = standing.plan
        whose = f" ({plan.association} {plan.category})" if len(asking) > 1 else ""
        if standing.covered_until is not None:
            yield f"Membership{whose}: done to {say_day(standing.covered_until)}", True
        elif result.outcome is Outcome.SHORT:
            yield f"Membership{whose}: none in force", False
        else:
            yield f"Membership{whose}: {result.outcome}", True


def _save(
    site: Site,
    at: Instant,
    who: Person,
    typed: FormData,
    term_id: int | None,
    store: Callable[[Connection, Author, Term], bool],
) -> Response:
    """Have ``store`` write what the form says; 404 where it finds nothing of one's own."""

    def job(connection: Connection) -> tuple[TermForm | None, bool]:
        """The form (None where there is none to show), and whether it was saved."""
        accepted = accepted_organizations(connection, site.books, who.id)
        stored = own_term(connection, who.id, term_id) if term_id else None
        if term_id and stored is None:
            return None, False
        today = own_today(connection, site, who.id, at)
        form = term_form(_with(site.books, accepted, stored), typed, today=today)
        if form.is_today:
            return form, False
        term = read_term(form, today)
        touched = (term, stored and stored.term)
        if term and (closed := closed_words(connection, site.books, who.id, at, *touched)):
            add_problem(form.ends_day, closed)
            return form, False
        try:
            return form, bool(term and store(connection, author, term))
        except TermOverlaps as refused:
            say_overlap(form, refused)
            return form, False

    author = Author(who.id, who.viewer.email, at)
    form, saved = site.writer.run(job)
    if form is None:
        raise HTTPException(404)
    if saved:
        return go_and_say(site, "/membership", "changed" if term_id else "recorded")
    return _show_form(site, who, form, None, term_id=term_id)


def _show_form(
    site: Site, who: Person, form: TermForm, stored: Recorded | None, *, term_id: int | None = None
) -> HTMLResponse:
    problems = form.problems()
    return site.pages.show(
        "membership_form.html",
        status=422 if problems else 200,
        viewer=who.viewer,
        here="profile",
        form=form,
        problems=problems,
        term_id=stored.id if stored else term_id,
    )


def _own(stored: Recorded | None) -> Recorded:
    if stored is None:
        raise HTTPException(404)
    return stored


def _with(
    books: Rulebooks, accepted: list[Organization], stored: Recorded | None
) -> list[Organization]:
    """The organizations to choose from; that of a stored term stays, whatever is accepted now."""
    if stored is None or any(one.id == stored.term.organization for one in accepted):
        return accepted
    known = books.organizations.get(stored.term.organization)
    name = known.name if known else stored.term.organization
    return [*accepted, Organization(stored.term.organization, name)]


def _by_organization(
    books: Rulebooks, terms: Sequence[Recorded]
) -> Iterator[tuple[str, list[Recorded]]]:
    for organization, group in groupby(terms, key=lambda each: each.term.organization):
        known = books.organizations.get(organization)
        yield (f"{known.name} ({organization})" if known else organization), list(group)
