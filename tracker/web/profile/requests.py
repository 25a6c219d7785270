"""A person's requests for time: what became of them, asking for leave or a later due date."""

from collections.abc import Sequence
from datetime import date

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection
from starlette.datastructures import FormData

from tracker.records.entries.entry_writes import Author
from tracker.records.judging.endorsees import endorsements_of
from tracker.records.profile.time_requests import (
    EXTENSION,
    LEAVE,
    AskedAlready,
    ask,
    requests_of,
    withdraw,
)
from tracker.records.store.engine import reading
from tracker.rules.providers import say_day
from tracker.rules.standing import Status
from tracker.web.forms.form_parts import add_problem
from tracker.web.forms.typed import RowId, Typed
from tracker.web.frame.own_time import own_today, say_instant, zone_of
from tracker.web.frame.said_once import TheSaid, go_and_say
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import Person, ThePerson
from tracker.web.frame.words import say_cycle
from tracker.web.profile.leave_closing import why_too_late
from tracker.web.profile.request_forms import RequestForm, Subject, read_wish, request_form
from tracker.web.profile.request_words import say_request
from tracker.web.year.year_reading import read_standings

router = APIRouter()
_DONE = {
    "asked": "Your coordinator has your request. You get a mail once it is decided.",
    "withdrawn": "The request is withdrawn.",
}
_EXTENDABLE = {Status.OPEN, Status.OVERDUE, Status.LAPSED}


@router.get("/requests")
def show(site: TheSite, who: ThePerson, said: TheSaid) -> HTMLResponse:
    """What was asked for, and what became of it."""
    with reading(site.engine) as connection:
        found = requests_of(connection, who.id)
        zone = zone_of(connection, site.books, who.id)
        endorsed = bool(endorsements_of(connection, who.id))
    page = site.pages.show(
        "requests.html",
        viewer=who.viewer,
        here="profile",
        requests=[(one, say_request(one)) for one in found],
        say_instant=lambda instant: say_instant(instant, zone),
        endorsed=endorsed,
        notice=_DONE.get(said.word, ""),
    )
    return said.once(page)


@router.get("/requests/leave")
def open_leave(site: TheSite, at: Instant, who: ThePerson) -> HTMLResponse:
    """The form for leave."""
    return _open(site, at, who, LEAVE)


@router.post("/requests/leave")
def ask_for_leave(site: TheSite, at: Instant, who: ThePerson, typed: Typed) -> Response:
    """Ask for leave once; or show what is wrong."""
    return _ask(site, at, who, LEAVE, typed)


@router.get("/requests/extension")
def open_extension(site: TheSite, at: Instant, who: ThePerson) -> HTMLResponse:
    """The form for a later due date."""
    return _open(site, at, who, EXTENSION)


@router.post("/requests/extension")
def ask_for_extension(site: TheSite, at: Instant, who: ThePerson, typed: Typed) -> Response:
    """Ask for a later due date once; or show what is wrong."""
    return _ask(site, at, who, EXTENSION, typed)


@router.post("/requests/{request_id}/withdraw")
def take_back(site: TheSite, at: Instant, who: ThePerson, request_id: RowId) -> Response:
    """Withdraw a request of one's own that nobody has decided."""
    author = Author(who.id, who.viewer.email, at)
    if not site.writer.run(lambda c: withdraw(c, author, request_id)):
        raise HTTPException(404)
    return go_and_say(site, "/requests", "withdrawn")


def _open(site: Site, at: Instant, who: Person, kind: str) -> HTMLResponse:
    with reading(site.engine) as connection:
        subjects = _subjects(connection, site, who.id, at, kind)
    return _show_form(site, who, kind, request_form(subjects), subjects)


def _ask(site: Site, at: Instant, who: Person, kind: str, typed: FormData) -> Response:
    def job(connection: Connection) -> tuple[bool, RequestForm, Sequence[Subject]]:
        subjects = _subjects(connection, site, who.id, at, kind)
        today = own_today(connection, site, who.id, at)
        form = request_form(subjects, typed, today=today)
        if form.is_today:
            return False, form, subjects
        wish = read_wish(form, kind, subjects, today)
        if wish is None:
            return False, form, subjects
        if words := why_too_late(connection, site.books, who.id, wish, at):
            add_problem(form.ends_day, words)
            return False, form, subjects
        try:
            ask(connection, Author(who.id, who.viewer.email, at), wish, form.form_key.data)
        except AskedAlready:
            words = "A request of this kind is open already. Withdraw it first to ask anew"
            add_problem(form.subject, words)
            return False, form, subjects
        return True, form, subjects

    saved, form, subjects = site.writer.run(job)
    if saved:
        return go_and_say(site, "/requests", "asked")
    return _show_form(site, who, kind, form, subjects)


def _show_form(
    site: Site, who: Person, kind: str, form: RequestForm, subjects: Sequence[Subject]
) -> HTMLResponse:
    problems = form.problems()
    return site.pages.show(
        "request_form.html",
        status=422 if problems else 200,
        viewer=who.viewer,
        here="profile",
        kind=kind,
        form=form,
        subjects=subjects,
        problems=problems,
    )


def _subjects(
    connection: Connection, site: Site, person_id: int, at: Instant, kind: str
) -> list[Subject]:
    """The endorsements that are not over; for an extension the renewals that are not done."""
    held = {
        one.id: one
        for one in endorsements_of(connection, person_id)
        if one.association in site.books.associations
        and (one.ends_on or date.max) >= site.today(one.association, at)
    }
    names = {number: f"{one.association} {one.category}" for number, one in held.items()}
    if kind == LEAVE:
        return [Subject(number, name) for number, name in names.items()]
    found = []
    for standing in read_standings(connection, site.books, held.values(), at):
        cycle, due_on = standing.plan.cycle, standing.due_on
        if cycle is None or due_on is None or standing.status not in _EXTENDABLE:
            continue
        number = standing.facts.subject_id
        label = f"{names[number]}, {say_cycle(cycle)}: due {say_day(due_on)}"
        found.append(Subject(number, label, cycle.starts_on, due_on))
    return found
