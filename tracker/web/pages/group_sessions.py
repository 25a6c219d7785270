"""An RSC provider's pages: the sessions they have logged for others, and the form to log one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import ClassVar

from fastapi import APIRouter, BackgroundTasks
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import HiddenField, SelectChoice, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import Length
from wtforms.widgets import TextArea

from tracker.addresses import is_address
from tracker.clock import local_day
from tracker.db.log import GroupSession
from tracker.db.people import Person
from tracker.formatting import format_hours
from tracker.notifications.group_session_mail import notify_members
from tracker.plain_text import starts_words
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.entry_rules import length_key, usual_title
from tracker.services.group_choices import LastGroup, find_last_group, list_supervisees
from tracker.services.group_sessions import (
    GroupSessionInput,
    GroupSessionNeedsConfirmation,
    GroupSessionWarnings,
    Invitation,
    create_group_session,
    find_group_session,
    list_group_sessions,
    lock_group_session,
    remove_member,
    update_group_session,
    validate_members,
    withdraw_group_session,
)
from tracker.services.qualification import DayQualification, qualify_day
from tracker.services.rsc_providers import load_providers
from tracker.services.sign_in import normalize_email
from tracker.web.forms.body import RowId, Typed, add_problem, clean, keep_form_key, number_of
from tracker.web.forms.days import SessionForm
from tracker.web.forms.fields import format_date_fields, list_day_choices, list_hour_choices
from tracker.web.page_request import PageRequest, ProviderPage, require

router = APIRouter()
_TITLE_LIMIT, _EMAIL_LIMIT, _SHOWN = 300, 254, 60
# More people than these are searched for instead of listed, and so many of the found ones shown.
_MOST_LISTED, _MOST_FOUND = 12, 10
_USUAL_TITLES = {usual_title("rsc", "individual"), usual_title("rsc", "group")}
# Between addresses: a line break, or what mail programs put there.
_SEPARATORS = re.compile(r"[\s,;]+")


class GroupSessionForm(SessionForm):
    """A group session; ``warned`` holds the keys of the warnings shown so far."""

    refusal_fields: ClassVar = {"form_key": "when"}
    form_key = HiddenField(filters=[clean])
    warned = HiddenField(filters=[clean])
    title = StringField(
        "Title",
        filters=[clean],
        validators=[Length(max=_TITLE_LIMIT, message="The title can have at most 300 characters")],
    )
    people = SelectMultipleField("Who took part?", coerce=str, validate_choice=False)
    # A part of a name, and the one that was searched for last.
    find = StringField("Search for a name", filters=[clean])
    searched = HiddenField(filters=[clean])
    others = TextAreaField("Others, by email address", widget=TextArea())

    def parse(self, invitations: Sequence[Invitation], today: date) -> GroupSessionInput | None:
        """The session, held ``today`` at the latest; None, with problems, if it can't be read."""
        held_on, minutes = self.parse_day(today), self.parse_minutes()
        if self.errors or held_on is None or minutes is None:
            return None
        return GroupSessionInput(held_on, minutes, self.title.data, invitations)

    def parse_invitations(self, supervisees: Sequence[Person]) -> list[Invitation]:
        """The people chosen, then those entered by address, each once; adds problems."""
        by_id = {str(person.id): person for person in supervisees}
        invitations = {}
        chosen = list(dict.fromkeys(self.people.data or ()))
        self.people.data = [key for key in chosen if key in by_id]
        for key in self.people.data:
            person = by_id[key]
            invitations[person.email] = Invitation(person.email, person.name)
        if len(self.people.data) < len(chosen):
            add_problem(self.people, _format_gone(len(chosen) - len(self.people.data)))
        for email in self._parse_others():
            invitations.setdefault(email, Invitation(email))
        return list(invitations.values())

    def add_refusals(self, refusals: Sequence[Refusal]) -> None:
        """Show at their fields why the session was refused."""
        super().add_refusals(refusals)
        if any(refusal.field == "form_key" for refusal in refusals):
            # Saving once more logs a second session.
            self.form_key.data = keep_form_key()

    def fill_in(self, group: LastGroup) -> None:
        """Choose the members of an earlier session besides those who are chosen already."""
        keys = [*(self.people.data or ()), *(str(person.id) for person in group.people)]
        self.people.data = list(dict.fromkeys(keys))
        typed = self.others.data or ""
        known = set(_SEPARATORS.split(typed.lower()))
        lines = [email for email in group.emails if email not in known]
        self.others.data = "\n".join([*typed.strip().splitlines(), *lines])

    @property
    def has_new_search(self) -> bool:
        """Whether a name was typed that has not been searched for."""
        return self.find.data not in {None, "", self.searched.data}

    def _parse_others(self) -> list[str]:
        emails = []
        for part in dict.fromkeys(_SEPARATORS.split(self.others.data or "")):
            text = clean(part)
            if not text:
                continue
            if len(text) > _EMAIL_LIMIT or not is_address(text.lower()):
                shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
                message = (
                    f"“{shown}” is not an email address. Enter one per line, like name@example.org."
                )
                add_problem(self.others, message)
            else:
                emails.append(normalize_email(text))
        return emails


def _format_gone(count: int) -> str:
    """What happened to people who were chosen and are no longer in the list."""
    who = "One of the people you chose is" if count == 1 else f"{count} of those you chose are"
    return (
        f"{who} no longer in your list, because no session with you is on record for them. "
        "Everyone else is still chosen. To invite anyone else, enter their email address."
    )


@dataclass(slots=True)
class GroupSessionPage:
    """The form with what it offers.

    ``today`` is the last day on which a session may have been held. ``warnings`` are what the
    provider is asked before the session is saved, ``qualification`` is what sessions of today, or
    of the day in question, count for. ``invited`` are the addresses of the members of the session
    that is edited, None for a new one. ``last_group`` is offered for a new one; ``is_filled_in``:
    its members were just chosen; ``is_new_search``: a name was just searched for.
    """

    provider_id: int
    form: GroupSessionForm
    supervisees: Sequence[Person]
    today: date
    editing: GroupSession | None
    invited: set[str] | None
    qualification: DayQualification
    last_group: LastGroup | None
    is_filled_in: bool = False
    is_new_search: bool = False
    warnings: GroupSessionWarnings | None = None

    @property
    def confirmed(self) -> list[str]:
        """The keys of the warnings that the provider has seen."""
        return str(self.form.warned.data or "").split()

    @property
    def is_searched(self) -> bool:
        """Whether people are searched for, because there are too many to list."""
        return len(self.supervisees) > _MOST_LISTED

    @property
    def chosen(self) -> list[Person]:
        """The people who are chosen, in the order of names."""
        keys = set(self.form.people.data or ())
        return [person for person in self.supervisees if str(person.id) in keys]

    @property
    def found(self) -> list[Person]:
        """Everyone else whom the search finds."""
        typed, chosen = self.form.searched.data or "", self.chosen
        found = (person for person in self.supervisees if starts_words(typed, person.name))
        return [person for person in found if person not in chosen]

    def list_shown(self) -> list[Person]:
        """The people with a box each: all, or those who are chosen and those who were found."""
        if not self.is_searched:
            return list(self.supervisees)
        return [*self.chosen, *self.found[:_MOST_FOUND]]

    def parse(self, session: Session) -> GroupSessionInput | None:
        """The session as entered; None, with problems in the form, if it can't be saved so."""
        self.form.validate()
        invitations = self.form.parse_invitations(self.supervisees)
        refusals = validate_members(session, self.provider_id, invitations, self.invited)
        if invitations or not (self.form.others.errors or self.form.people.errors):
            self.form.add_refusals(refusals)
        return self.form.parse(invitations, self.today)

    def ask(self, warnings: GroupSessionWarnings) -> None:
        """Ask about these before the session is saved."""
        self.warnings = warnings
        self.qualification = warnings.qualification or self.qualification
        self.form.warned.data = " ".join([*self.confirmed, *warnings.keys])


def _read_page(
    session: Session,
    page: PageRequest,
    typed: FormData | None = None,
    *,
    editing: GroupSession | None = None,
) -> GroupSessionPage:
    """The form as typed, else as the session is stored, else empty."""
    provider_id, today = page.person_id, page.today(session)
    supervisees = list_supervisees(session, provider_id)
    form, invited = GroupSessionForm(typed), None
    if editing is not None:
        invited = {member.email for member in editing.members}
        supervisees = [person for person in supervisees if person.email not in invited]
        stored = {
            **format_date_fields(editing.held_on),
            "hours": format_hours(editing.minutes),
            # An unusual length that is stored already is not asked about again.
            "warned": length_key(editing.minutes),
            "title": "" if editing.title in _USUAL_TITLES else editing.title,
        }
        form = GroupSessionForm(typed, data=stored)
    form.form_key.data = keep_form_key(form.form_key.data)
    provider = load_providers(session, {provider_id})[provider_id]
    qualification = qualify_day(page.rulebooks, provider, today)
    last_group = None
    if editing is None:
        last_group = find_last_group(session, provider_id, supervisees)
    return GroupSessionPage(
        provider_id, form, supervisees, today, editing, invited, qualification, last_group
    )


@router.get("/sessions")
def show_sessions(page: ProviderPage) -> HTMLResponse:
    """All sessions that the provider has logged, and each member's answer, but no standings."""
    with page.reading() as session:
        group_sessions = list_group_sessions(session, page.person_id)
        zone = page.zone(session)
    return page.render(
        "sessions.html",
        here="sessions",
        sessions=group_sessions,
        day_of=partial(local_day, time_zone=zone),
    )


@router.get("/sessions/new")
def show_new_form(page: ProviderPage) -> HTMLResponse:
    """The empty form."""
    with page.reading() as session:
        form_page = _read_page(session, page)
    return _render_form(page, form_page)


@router.post("/sessions/new")
def create_session(page: ProviderPage, tasks: BackgroundTasks, typed: Typed) -> Response:
    """Save the session once, and ask its members; or show what is wrong."""
    form_page, session_id, members = page.write(lambda context: _save(context, page, typed, None))
    if session_id is None:
        return _render_form(page, form_page)
    tasks.add_task(_notify, page, members)
    return page.redirect(f"/sessions/{session_id}", "asked")


@router.get("/sessions/{session_id}")
def show_session(page: ProviderPage, session_id: RowId) -> HTMLResponse:
    """One session, its members, and their answers."""
    with page.reading() as session:
        group_session = require(find_group_session(session, page.person_id, session_id))
        zone = page.zone(session)
    return page.render(
        "session.html",
        here="sessions",
        session=group_session,
        day_of=partial(local_day, time_zone=zone),
    )


@router.get("/sessions/{session_id}/edit")
def show_edit_form(page: ProviderPage, session_id: RowId) -> HTMLResponse:
    """The form as the session is stored."""
    with page.reading() as session:
        group_session = require(find_group_session(session, page.person_id, session_id))
        require(group_session.withdrawn_at is None)
        form_page = _read_page(session, page, editing=group_session)
    return _render_form(page, form_page)


@router.post("/sessions/{session_id}/edit")
def update_session(
    page: ProviderPage, session_id: RowId, tasks: BackgroundTasks, typed: Typed
) -> Response:
    """Save the changes, and ask again those who have not confirmed; or show what is wrong."""
    form_page, saved_id, members = page.write(
        lambda context: _save(context, page, typed, session_id)
    )
    if saved_id is None:
        return _render_form(page, form_page)
    tasks.add_task(_notify, page, members)
    return page.redirect(f"/sessions/{saved_id}", "corrected")


@router.post("/sessions/{session_id}/take-out")
def remove_session_member(page: ProviderPage, session_id: RowId, typed: Typed) -> Response:
    """Remove a member who has not confirmed."""
    member_id = number_of(typed, "member")
    page.write(lambda context: remove_member(context, session_id, member_id))
    return page.redirect(f"/sessions/{session_id}", "out")


@router.post("/sessions/{session_id}/withdraw")
def withdraw_session(page: ProviderPage, session_id: RowId) -> Response:
    """Withdraw the session; confirmed entries stay in the supervisees' logs."""
    page.write(lambda context: withdraw_group_session(context, session_id))
    return page.redirect(f"/sessions/{session_id}", "withdrawn")


def _notify(page: PageRequest, members: list[int]) -> None:
    """Ask these members by mail, after the answer: its time must not tell who of them is known.

    Whom a crash leaves out, the next day's mail tells (jobs/references.py).
    """

    def send() -> None:
        page.site.writer.run(lambda session: notify_members(page.site, session, members, page.now))

    page.site.background.run(send)


def _save(
    context: ServiceContext, page: PageRequest, typed: FormData, session_id: int | None
) -> tuple[GroupSessionPage, int | None, list[int]]:
    """The form, and the id of the session once it is saved, with the members to notify.

    ``session_id`` is the session that the form edits.
    """
    editing = None
    if session_id is not None:
        editing = lock_group_session(context, session_id)
        if editing.withdrawn_at is not None:
            raise NotFound
    form_page = _read_page(context.session, page, typed, editing=editing)
    if _change_form(form_page, typed):
        return form_page, None, []
    entered = form_page.parse(context.session)
    if entered is None:
        return form_page, None, []
    form, confirmed = form_page.form, form_page.confirmed
    try:
        if session_id is None:
            form_key = str(form.form_key.data)
            created, members = create_group_session(context, entered, form_key, confirmed)
            session_id = created.id
        else:
            members = update_group_session(context, session_id, entered, confirmed)
    except Refused as refused:
        form.add_refusals(refused.refusals)
        return form_page, None, []
    except GroupSessionNeedsConfirmation as needed:
        form_page.ask(needed.warnings)
        return form_page, None, []
    return form_page, session_id, members


def _change_form(form_page: GroupSessionPage, typed: FormData) -> bool:
    """Choose the last group or search for a name, so that the form comes back; False to save it.

    Enter in the field for a name searches, though it presses the button that saves.
    """
    form = form_page.form
    if "same" in typed and form_page.last_group is not None:
        form.fill_in(form_page.last_group)
        form_page.is_filled_in = True
        return True
    if "search" in typed or form.has_new_search:
        form.searched.data = form.find.data
        form_page.is_new_search = True
        return True
    return False


def _render_form(page: PageRequest, form_page: GroupSessionPage) -> HTMLResponse:
    hour_choices = list_hour_choices(page.site.settings.web.common_hours)
    form_page.form.fill_choices(form_page.today, [value for value, *_ in hour_choices])
    shown = form_page.list_shown()
    choices = [SelectChoice(str(person.id), person.name) for person in shown]
    form_page.form.people.choices = choices
    return page.render(
        "session_form.html",
        here="sessions",
        page=form_page,
        most_found=_MOST_FOUND,
        day_choices=list_day_choices(form_page.today),
        hour_choices=hour_choices,
        form=form_page.form,
        is_unsaved=form_page.warnings is not None,
    )
