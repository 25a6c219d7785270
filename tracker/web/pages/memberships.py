"""Terms of closed cycles: like hours, they stay what they were when the cycle was settled."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import RadioField, SelectChoice, SelectField, StringField
from wtforms.validators import InputRequired

from tracker.db.engine import reading
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.standing import Outcome, Standing
from tracker.services.applications import undecided_of
from tracker.services.context import Author
from tracker.services.cycle_locks import cycle_lock_for
from tracker.services.endorsements import endorsements_of
from tracker.services.memberships import (
    Recorded,
    Term,
    TermOverlaps,
    change_term,
    own_term,
    record_term,
    remove_term,
    terms_of,
)
from tracker.web.dependencies import NowDep, Person, PersonDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import OwnForm, RowId, Typed, add_problem, clean
from tracker.web.forms.fields import DayAsked, format_day_fields, read_day, with_today
from tracker.web.pages.year_data import read_standings
from tracker.web.text import format_closed
from tracker.web.time_zones import own_today


def closed_words(
    session: Session,
    rulebooks: Rulebooks,
    person_id: int,
    at: datetime,
    *terms: Term | None,
) -> str:
    """Why one of these terms may no longer be written; empty where all may.

    A term belongs to the cycles that hold its last day: one that reaches into a cycle that is
    still open serves that one, however early it began.
    """
    for term in terms:
        if term and (closed := cycle_lock_for(session, rulebooks, person_id, term.ends_on, at)):
            return format_closed(closed)
    return ""


_YEAR, _UNTIL = "year", "until"
_MOST_YEARS = 5


class Organization(NamedTuple):
    """An organization whose membership is accepted."""

    id: str
    name: str


class TermForm(OwnForm):
    """One term: an organization, its first day, and how long it runs."""

    # Whether it is shown again because "Today" was pressed.
    is_today = False
    organization = SelectField("Which organization?", default="")
    starts_day = StringField("Day", filters=[clean])
    starts_month = StringField("Month", filters=[clean])
    starts_year = StringField("Year", filters=[clean])
    length = RadioField(
        "How long does it run?",
        choices=[
            SelectChoice(_YEAR, "One year from its first day"),
            SelectChoice(_UNTIL, "To another last day"),
        ],
        validators=[InputRequired("Choose how long it runs")],
    )
    ends_day = StringField("Day", filters=[clean])
    ends_month = StringField("Month", filters=[clean])
    ends_year = StringField("Year", filters=[clean])


def term_form(
    organizations: Sequence[Organization],
    typed: FormData | None = None,
    *,
    stored: Term | None = None,
    today: date | None = None,
) -> TermForm:
    """The form as it was ``typed``, else as a term is ``stored``, else empty.

    Where the button "Today" was pressed, ``today`` is its first day.
    """
    prefill = {"length": _YEAR}
    if len(organizations) == 1:
        prefill["organization"] = organizations[0].id
    if stored is not None:
        prefill = {
            "organization": stored.organization,
            "length": _YEAR if stored.ends_on == one_year_from(stored.starts_on) else _UNTIL,
            **format_day_fields("starts", stored.starts_on),
            **format_day_fields("ends", stored.ends_on),
        }
    is_today = False
    if typed is not None and today is not None and "today" in typed:
        typed, is_today = with_today(typed, "starts", today), True
    form = TermForm(typed, data=prefill)
    form.is_today = is_today
    known = [SelectChoice(one.id, f"{one.name} ({one.id})") for one in organizations]
    form.organization.choices = [SelectChoice("", "Choose"), *known]
    return form


def one_year_from(first: date) -> date:
    """The last day, included, of a year that begins on ``first``."""
    after = first + relativedelta(years=1)
    # The year of a February 29 has its last day on the 28th, not on the 27th.
    return after if after.day != first.day else after - timedelta(days=1)


def read_term(form: TermForm, today: date) -> Term | None:
    """The term that the form describes; None with `problems` where something is wrong."""
    form.validate()
    organization = _organization(form)
    starts_on = read_day(form, DayAsked("starts", "first day", today))
    ends_on = None
    if form.length.data == _UNTIL:
        ends_on = read_day(form, DayAsked("ends", "last day", today))
    elif starts_on is not None:
        ends_on = one_year_from(starts_on)
    if starts_on and ends_on and not _fits(form, starts_on, ends_on):
        return None
    if form.errors or starts_on is None or ends_on is None:
        return None
    return Term(organization, starts_on, ends_on)


def format_overlap(form: TermForm, refused: TermOverlaps) -> None:
    """Say which recorded term covers some of the same days."""
    other = refused.other
    days = f"{format_date(other.starts_on)} to {format_date(other.ends_on)}"
    words = f"You have {other.organization} from {days} already: a new term must lie beside it"
    add_problem(form.starts_day, words)


def _organization(form: TermForm) -> str:
    if not form.organization.data or form.organization.errors:
        form.organization.errors = ["Choose an organization from the list"]
    return str(form.organization.data or "")


def _fits(form: TermForm, starts_on: date, ends_on: date) -> bool:
    if ends_on < starts_on:
        add_problem(form.ends_day, f"The last day must be {format_date(starts_on)} or later")
        return False
    if ends_on >= starts_on + relativedelta(years=_MOST_YEARS):
        add_problem(form.ends_year, f"A term can be {_MOST_YEARS} years long at most")
        return False
    return True


router = APIRouter()
_DONE = {
    "recorded": "The term is recorded.",
    "changed": "The term is changed.",
    "removed": "The term is removed.",
}


@router.get("/membership")
def show(site: SiteDep, at: NowDep, who: PersonDep, flash: FlashDep) -> HTMLResponse:
    """The terms by organization, and what they do to each renewal that asks for membership."""
    with reading(site.engine) as session:
        terms = terms_of(session, who.id)
        endorsed = endorsements_of(session, who.id)
        standings = read_standings(session, site.rulebooks, endorsed, at)
        accepted = accepted_organizations(session, site.rulebooks, who.id)
        today = own_today(session, site, who.id, at)
    page = site.pages.render(
        "membership.html",
        viewer=who.viewer,
        here="profile",
        groups=[*_by_organization(site.rulebooks, terms)],
        effects=[*format_memberships(standings)],
        may_record=bool(accepted),
        today=today,
        notice=_DONE.get(flash.code, ""),
    )
    return flash.clear(page)


@router.get("/membership/new")
def open_form(site: SiteDep, who: PersonDep) -> HTMLResponse:
    """The empty form."""
    with reading(site.engine) as session:
        accepted = accepted_organizations(session, site.rulebooks, who.id)
    return _show_form(site, who, term_form(accepted), None)


@router.post("/membership/new")
def save_new(site: SiteDep, at: NowDep, who: PersonDep, typed: Typed) -> Response:
    """Record a term once and say what it did; or show what is wrong."""

    def store(session: Session, author: Author, term: Term) -> bool:
        return bool(record_term(session, site.rulebooks, author, term))

    return _save(site, at, who, typed, None, store)


@router.get("/membership/{term_id}")
def open_term(site: SiteDep, who: PersonDep, term_id: RowId) -> HTMLResponse:
    """The form as one's own term is stored."""
    with reading(site.engine) as session:
        stored = _own(own_term(session, who.id, term_id))
        accepted = _with(
            site.rulebooks, accepted_organizations(session, site.rulebooks, who.id), stored
        )
    return _show_form(site, who, term_form(accepted, stored=stored.term), stored)


@router.post("/membership/{term_id}")
def save_term(site: SiteDep, at: NowDep, who: PersonDep, term_id: RowId, typed: Typed) -> Response:
    """Change one's own term."""

    def store(session: Session, author: Author, term: Term) -> bool:
        return change_term(session, site.rulebooks, author, term_id, term)

    return _save(site, at, who, typed, term_id, store)


@router.get("/membership/{term_id}/remove")
def ask_to_remove(site: SiteDep, at: NowDep, who: PersonDep, term_id: RowId) -> HTMLResponse:
    """Asks whether to remove; only the button does. A term of a closed cycle stays."""
    with reading(site.engine) as session:
        stored = _own(own_term(session, who.id, term_id))
        closed = closed_words(session, site.rulebooks, who.id, at, stored.term)
    return site.pages.render(
        "membership_remove.html", viewer=who.viewer, stored=stored, closed=closed
    )


@router.post("/membership/{term_id}/remove")
def remove(site: SiteDep, at: NowDep, who: PersonDep, term_id: RowId) -> Response:
    """Remove one's own term, and say what that did."""
    author = Author(who.id, who.viewer.email, at)

    def job(session: Session) -> bool:
        """Whether it was removed: not where a closed cycle rests on it."""
        stored = _own(own_term(session, who.id, term_id))
        if closed_words(session, site.rulebooks, who.id, at, stored.term):
            return False
        return remove_term(session, site.rulebooks, author, term_id)

    if not site.writer.run(job):
        return RedirectResponse(f"/membership/{term_id}/remove", 303)
    return redirect_with_flash(site, "/membership", "removed")


def accepted_organizations(
    session: Session, rulebooks: Rulebooks, person_id: int
) -> list[Organization]:
    """What some rulebook of a person's associations accepts, the associations' own first."""
    held = [one.association for one in endorsements_of(session, person_id)]
    held += [one.association for one in undecided_of(session, person_id)]
    accepted = {one for name in held for one in rulebooks.accepted_by(name)}
    ordered = sorted(accepted, key=lambda one: (one not in held, one))
    return [Organization(one, rulebooks.organizations[one].name) for one in ordered]


def format_memberships(standings: Iterable[Standing]) -> Iterator[tuple[str, bool]]:
    """``Membership: done to December 31, 2027`` for each endorsement that asks it; and if it is.

    By the latest cycle of each: what an earlier one lacked no term can mend.
    """
    latest = {s.facts.subject_id: s for s in sorted(standings, key=lambda s: s.due_on or date.min)}
    asking = [
        (standing, result)
        for standing in latest.values()
        for result in standing.results
        if result.requirement.counts == "membership"
    ]
    for standing, result in asking:
        plan = standing.plan
        whose = f" ({plan.association} {plan.category})" if len(asking) > 1 else ""
        if standing.covered_until is not None:
            yield f"Membership{whose}: done to {format_date(standing.covered_until)}", True
        elif result.outcome is Outcome.SHORT:
            yield f"Membership{whose}: none in force", False
        else:
            yield f"Membership{whose}: {result.outcome}", True


def _save(
    site: Site,
    at: NowDep,
    who: Person,
    typed: FormData,
    term_id: int | None,
    store: Callable[[Session, Author, Term], bool],
) -> Response:
    """Have ``store`` write what the form says; 404 where it finds nothing of one's own."""

    def job(session: Session) -> tuple[TermForm | None, bool]:
        """The form (None where there is none to show), and whether it was saved."""
        accepted = accepted_organizations(session, site.rulebooks, who.id)
        stored = own_term(session, who.id, term_id) if term_id else None
        if term_id and stored is None:
            return None, False
        today = own_today(session, site, who.id, at)
        form = term_form(_with(site.rulebooks, accepted, stored), typed, today=today)
        if form.is_today:
            return form, False
        term = read_term(form, today)
        touched = (term, stored and stored.term)
        if term and (closed := closed_words(session, site.rulebooks, who.id, at, *touched)):
            add_problem(form.ends_day, closed)
            return form, False
        try:
            return form, bool(term and store(session, author, term))
        except TermOverlaps as refused:
            format_overlap(form, refused)
            return form, False

    author = Author(who.id, who.viewer.email, at)
    form, saved = site.writer.run(job)
    if form is None:
        raise HTTPException(404)
    if saved:
        return redirect_with_flash(site, "/membership", "changed" if term_id else "recorded")
    return _show_form(site, who, form, None, term_id=term_id)


def _show_form(
    site: Site, who: Person, form: TermForm, stored: Recorded | None, *, term_id: int | None = None
) -> HTMLResponse:
    problems = form.problems()
    return site.pages.render(
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
    rulebooks: Rulebooks, accepted: list[Organization], stored: Recorded | None
) -> list[Organization]:
    """The organizations to choose from; that of a stored term stays, whatever is accepted now."""
    if stored is None or any(one.id == stored.term.organization for one in accepted):
        return accepted
    known = rulebooks.organizations.get(stored.term.organization)
    name = known.name if known else stored.term.organization
    return [*accepted, Organization(stored.term.organization, name)]


def _by_organization(
    rulebooks: Rulebooks, terms: Sequence[Recorded]
) -> Iterator[tuple[str, list[Recorded]]]:
    for organization, group in groupby(terms, key=lambda each: each.term.organization):
        known = rulebooks.organizations.get(organization)
        yield (f"{known.name} ({organization})" if known else organization), list(group)
