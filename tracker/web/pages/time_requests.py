"""Which leave comes too late to change anything, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import HiddenField, RadioField, SelectChoice, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from tracker.db.engine import reading
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.standing import Status
from tracker.services.context import Author
from tracker.services.cycle_locks import read_cycle_locks_of
from tracker.services.endorsements import endorsements_of
from tracker.services.time_requests import (
    ASKED,
    DECLINED,
    EXTENSION,
    GRANTED,
    LEAVE,
    AskedAlready,
    Grant,
    Request,
    Wish,
    ask,
    requests_of,
    withdraw,
)
from tracker.web.dependencies import NowDep, Person, PersonDep, Site, SiteDep
from tracker.web.flash import FlashDep, redirect_with_flash
from tracker.web.forms.body import (
    OwnForm,
    RowId,
    Typed,
    add_problem,
    clean,
    is_form_key,
    new_form_key,
)
from tracker.web.forms.fields import DayAsked, format_day_fields, is_blank, read_day, with_today
from tracker.web.pages.year_data import read_standings
from tracker.web.text import format_cycle
from tracker.web.time_zones import format_instant, own_today, zone_of


def why_too_late(
    session: Session, rulebooks: Rulebooks, person_id: int, wish: Wish, at: datetime
) -> str:
    """Why no renewal can be excused any more by the leave asked for; empty where one can."""
    last = wish.ends_on
    if wish.kind != LEAVE or last is None:
        return ""
    closing = read_cycle_locks_of(session, rulebooks, person_id, at)
    one = next(each for each in closing.endorsements if each.id == wish.endorsement_id)
    if last < one.starts_on:
        return f"The endorsement began on {format_date(one.starts_on)}, after this leave's last day"
    cycle = closing.cycle_of(one, last)
    if cycle is None or cycle.last_day >= closing.day_of(one.association):
        return ""
    return (
        f"{format_cycle(cycle.cycle)} is closed since {format_date(cycle.last_day)}: leave that ends in "
        "it changes nothing any more. Ask your coordinator"
    )


_STATES = {ASKED: "Waiting", GRANTED: "Granted", DECLINED: "Declined"}
_TONES = {ASKED: "plain", GRANTED: "good", DECLINED: "warm"}


class Said(NamedTuple):
    """``title`` is "Leave" or "Later due date", ``days`` which days, ``tone`` as states have it."""

    title: str
    days: str
    state: str
    tone: str


def format_request(request: Request) -> Said:
    """What is asked for, and where it stands."""
    ends_on = format_date(request.ends_on) if request.ends_on else ""
    if request.kind == LEAVE:
        title = "Leave"
        days = f"{format_date(request.starts_on)} to {ends_on or 'a day to be told'}"
    else:
        title, days = "Later due date", f"due {ends_on}"
    state = _STATES.get(request.state, "Withdrawn")
    return Said(title, days, state, _TONES.get(request.state, "plain"))


_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Subject:
    """What time may be asked for: an endorsement; for an extension, in the cycle from ``since``.

    ``due_on`` is then the due date in force, the whole day included.
    """

    endorsement_id: int
    label: str
    since: date | None = None
    due_on: date | None = None

    @property
    def value(self) -> str:
        """How a form names it."""
        return f"{self.endorsement_id}:{self.since}" if self.since else str(self.endorsement_id)


class RequestForm(OwnForm):
    """A request: for what, which days, and why. An extension has no first day."""

    # Whether it is shown again because "Today" was pressed.
    is_today = False
    form_key = HiddenField(filters=[clean])
    subject = RadioField("For which endorsement?", validate_choice=False)
    starts_day = StringField("Day", filters=[clean])
    starts_month = StringField("Month", filters=[clean])
    starts_year = StringField("Year", filters=[clean])
    ends_day = StringField("Day", filters=[clean])
    ends_month = StringField("Month", filters=[clean])
    ends_year = StringField("Year", filters=[clean])
    reason = TextAreaField(
        "Why?",
        filters=[clean],
        validators=[
            InputRequired("Say in a few words why"),
            Length(max=_LONGEST, message="The reason can have 500 characters at most"),
        ],
    )


class DecisionForm(OwnForm):
    """The days to grant, as they were asked for or changed, and a word."""

    starts_day = StringField("Day", filters=[clean])
    starts_month = StringField("Month", filters=[clean])
    starts_year = StringField("Year", filters=[clean])
    ends_day = StringField("Day", filters=[clean])
    ends_month = StringField("Month", filters=[clean])
    ends_year = StringField("Year", filters=[clean])
    answer = TextAreaField(
        "A word to them",
        filters=[clean],
        validators=[Length(max=_LONGEST, message="The answer can have 500 characters at most")],
    )


def request_form(
    subjects: Sequence[Subject], typed: FormData | None = None, *, today: date | None = None
) -> RequestForm:
    """The form as it was ``typed``, else empty.

    Where the button "Today" was pressed, ``today`` is its first day.
    """
    prefill = {"subject": subjects[0].value} if len(subjects) == 1 else {}
    is_today = False
    if typed is not None and today is not None and "today" in typed:
        typed, is_today = with_today(typed, "starts", today), True
    form = RequestForm(typed, data=prefill)
    form.is_today = is_today
    form.subject.choices = [SelectChoice(one.value, one.label) for one in subjects]
    if not is_form_key(form.form_key.data):
        form.form_key.data = new_form_key()
    return form


def read_wish(
    form: RequestForm, kind: str, subjects: Sequence[Subject], today: date
) -> Wish | None:
    """What the form asks for; None with `problems` where something is wrong."""
    form.validate()
    chosen = next((one for one in subjects if one.value == form.subject.data), None)
    if chosen is None:
        add_problem(form.subject, "Choose for which endorsement")
    read = _read_leave(form, today) if kind == LEAVE else _read_due(form, chosen, today)
    if form.errors or chosen is None or read is None:
        return None
    return Wish(chosen.endorsement_id, kind, *read, str(form.reason.data))


def decision_form(request: Request, typed: FormData | None = None) -> DecisionForm:
    """The form as it was ``typed``, else with the days that were asked for."""
    days: Mapping[str, str] = {
        **format_day_fields("starts", request.starts_on),
        **format_day_fields("ends", request.ends_on),
    }
    return DecisionForm(typed, data=days)


def read_grant(
    form: DecisionForm, request: Request, due_on: date | None, today: date
) -> Grant | None:
    """The days to grant; None with `problems`. ``due_on`` is the due date that is in force."""
    form.validate()
    if request.kind == LEAVE:
        read = _read_leave(form, today)
    else:
        read = _read_due(form, Subject(0, "", request.starts_on, due_on), today)
    return None if form.errors or read is None else Grant(*read)


def read_refusal(form: DecisionForm) -> str | None:
    """The word that goes with a no; None with `problems`."""
    form.validate()
    if not form.answer.data:
        add_problem(form.answer, "Say in a few words why not: they get it by mail")
    return None if form.errors else str(form.answer.data)


def _read_leave(form: OwnForm, today: date) -> tuple[date, date | None] | None:
    starts_on = read_day(form, DayAsked("starts", "first day", today))
    ends_on = None
    if not is_blank(form, "ends"):
        ends_on = read_day(form, DayAsked("ends", "last day", today))
    if starts_on is None:
        return None
    if ends_on is not None and ends_on < starts_on:
        add_problem(form["ends_day"], f"The last day must be {format_date(starts_on)} or later")
    return starts_on, ends_on


def _read_due(
    form: OwnForm, chosen: Subject | None, today: date
) -> tuple[date, date | None] | None:
    due_on = read_day(form, DayAsked("ends", "new due date", today))
    if due_on is None or chosen is None or chosen.since is None:
        return None
    if chosen.due_on is not None and due_on <= chosen.due_on:
        words = (
            f"The new due date must be later than {format_date(chosen.due_on)}, the one in force"
        )
        add_problem(form["ends_day"], words)
    return chosen.since, due_on


KINDS = (LEAVE, EXTENSION)


router = APIRouter()
_DONE = {
    "asked": "Your coordinator has your request. You get a mail once it is decided.",
    "withdrawn": "The request is withdrawn.",
}
_EXTENDABLE = {Status.OPEN, Status.OVERDUE, Status.LAPSED}


@router.get("/requests")
def show(site: SiteDep, who: PersonDep, flash: FlashDep) -> HTMLResponse:
    """What was asked for, and what became of it."""
    with reading(site.engine) as session:
        found = requests_of(session, who.id)
        zone = zone_of(session, site.rulebooks, who.id)
        endorsed = bool(endorsements_of(session, who.id))
    page = site.pages.render(
        "requests.html",
        viewer=who.viewer,
        here="profile",
        requests=[(one, format_request(one)) for one in found],
        format_instant=lambda instant: format_instant(instant, zone),
        endorsed=endorsed,
        notice=_DONE.get(flash.code, ""),
    )
    return flash.clear(page)


@router.get("/requests/leave")
def open_leave(site: SiteDep, at: NowDep, who: PersonDep) -> HTMLResponse:
    """The form for leave."""
    return _open(site, at, who, LEAVE)


@router.post("/requests/leave")
def ask_for_leave(site: SiteDep, at: NowDep, who: PersonDep, typed: Typed) -> Response:
    """Ask for leave once; or show what is wrong."""
    return _ask(site, at, who, LEAVE, typed)


@router.get("/requests/extension")
def open_extension(site: SiteDep, at: NowDep, who: PersonDep) -> HTMLResponse:
    """The form for a later due date."""
    return _open(site, at, who, EXTENSION)


@router.post("/requests/extension")
def ask_for_extension(site: SiteDep, at: NowDep, who: PersonDep, typed: Typed) -> Response:
    """Ask for a later due date once; or show what is wrong."""
    return _ask(site, at, who, EXTENSION, typed)


@router.post("/requests/{request_id}/withdraw")
def take_back(site: SiteDep, at: NowDep, who: PersonDep, request_id: RowId) -> Response:
    """Withdraw a request of one's own that nobody has decided."""
    author = Author(who.id, who.viewer.email, at)
    if not site.writer.run(lambda c: withdraw(c, author, request_id)):
        raise HTTPException(404)
    return redirect_with_flash(site, "/requests", "withdrawn")


def _open(site: Site, at: NowDep, who: Person, kind: str) -> HTMLResponse:
    with reading(site.engine) as session:
        subjects = _subjects(session, site, who.id, at, kind)
    return _show_form(site, who, kind, request_form(subjects), subjects)


def _ask(site: Site, at: NowDep, who: Person, kind: str, typed: FormData) -> Response:
    def job(session: Session) -> tuple[bool, RequestForm, Sequence[Subject]]:
        subjects = _subjects(session, site, who.id, at, kind)
        today = own_today(session, site, who.id, at)
        form = request_form(subjects, typed, today=today)
        if form.is_today:
            return False, form, subjects
        wish = read_wish(form, kind, subjects, today)
        if wish is None:
            return False, form, subjects
        if words := why_too_late(session, site.rulebooks, who.id, wish, at):
            add_problem(form.ends_day, words)
            return False, form, subjects
        try:
            ask(session, Author(who.id, who.viewer.email, at), wish, form.form_key.data)
        except AskedAlready:
            words = "A request of this kind is open already. Withdraw it first to ask anew"
            add_problem(form.subject, words)
            return False, form, subjects
        return True, form, subjects

    saved, form, subjects = site.writer.run(job)
    if saved:
        return redirect_with_flash(site, "/requests", "asked")
    return _show_form(site, who, kind, form, subjects)


def _show_form(
    site: Site, who: Person, kind: str, form: RequestForm, subjects: Sequence[Subject]
) -> HTMLResponse:
    problems = form.problems()
    return site.pages.render(
        "request_form.html",
        status=422 if problems else 200,
        viewer=who.viewer,
        here="profile",
        kind=kind,
        form=form,
        subjects=subjects,
        problems=problems,
    )


def _subjects(session: Session, site: Site, person_id: int, at: NowDep, kind: str) -> list[Subject]:
    """The endorsements that are not over; for an extension the renewals that are not done."""
    held = {
        one.id: one
        for one in endorsements_of(session, person_id)
        if one.association in site.rulebooks.associations
        and (one.ends_on or date.max) >= site.today(one.association, at)
    }
    names = {number: f"{one.association} {one.category}" for number, one in held.items()}
    if kind == LEAVE:
        return [Subject(number, name) for number, name in names.items()]
    found = []
    for standing in read_standings(session, site.rulebooks, held.values(), at):
        cycle, due_on = standing.plan.cycle, standing.due_on
        if cycle is None or due_on is None or standing.status not in _EXTENDABLE:
            continue
        number = standing.facts.subject_id
        label = f"{names[number]}, {format_cycle(cycle)}: due {format_date(due_on)}"
        found.append(Subject(number, label, cycle.starts_on, due_on))
    return found
