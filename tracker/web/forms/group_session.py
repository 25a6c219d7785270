"""The form with which an RSC provider logs or changes a group session."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import HiddenField, SelectChoice, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import Length
from wtforms.widgets import TextArea

from tracker.addresses import is_address
from tracker.db.log import GroupSession
from tracker.db.people import Person
from tracker.formatting import format_hours
from tracker.refusal_text import format_refusal
from tracker.services.context import Refusal, Refused
from tracker.services.entry_rules import length_key, usual_title
from tracker.services.group_sessions import (
    GroupSessionInput,
    GroupSessionNeedsConfirmation,
    GroupSessionWarnings,
    Invitation,
    list_supervisees,
    validate_members,
)
from tracker.services.qualification import DayQualification, qualify_day
from tracker.services.rsc_providers import load_providers
from tracker.services.sign_in import normalize_email
from tracker.web.forms.body import OwnForm, add_problem, clean, is_form_key, new_form_key
from tracker.web.forms.fields import (
    DateError,
    HoursError,
    format_date_fields,
    parse_past_date,
    parse_session_hours,
)
from tracker.web.page_request import PageRequest

T = TypeVar("T")
_TITLE_LIMIT, _EMAIL_LIMIT, _SHOWN = 300, 254, 60
_USUAL_TITLES = {usual_title("rsc", "individual"), usual_title("rsc", "group")}
# Between addresses: a line break, or what mail programs put there.
_SEPARATORS = re.compile(r"[\s,;]+")


class GroupSessionForm(OwnForm):
    """A group session; ``warned`` holds the keys of the warnings shown so far."""

    form_key = HiddenField(filters=[clean])
    warned = HiddenField(filters=[clean])
    day = StringField("Day", filters=[clean])
    month = StringField("Month", filters=[clean])
    year = StringField("Year", filters=[clean])
    hours = StringField("Hours", filters=[clean])
    title = StringField(
        "Title",
        filters=[clean],
        validators=[Length(max=_TITLE_LIMIT, message="The title can have at most 300 characters")],
    )
    people = SelectMultipleField("Who took part?", coerce=str, validate_choice=False)
    others = TextAreaField("Others, by email address", widget=TextArea())

    def parse(self, invitations: Sequence[Invitation], today: date) -> GroupSessionInput | None:
        """The session, held ``today`` at the latest; None, with problems, if it can't be read."""
        held_on, minutes = None, None
        try:
            held_on = parse_past_date(self.day.data, self.month.data, self.year.data, today)
        except DateError as error:
            add_problem(self[error.part], str(error))
        try:
            minutes = parse_session_hours(self.hours.data, "the hours")
        except HoursError as error:
            add_problem(self.hours, str(error))
        if self.errors or held_on is None or minutes is None:
            return None
        return GroupSessionInput(held_on, minutes, self.title.data, invitations)

    def parse_invitations(self, supervisees: Sequence[Person]) -> list[Invitation]:
        """The people chosen, then those entered by address, each once; adds problems."""
        by_id = {str(person.id): person for person in supervisees}
        invitations = {}
        for key in self.people.data or ():
            if key not in by_id:
                add_problem(self.people, "Choose people from the list")
                break
            person = by_id[key]
            invitations[person.email] = Invitation(person.email, person.name)
        for email in self._parse_others():
            invitations.setdefault(email, Invitation(email))
        return list(invitations.values())

    def add_refusals(self, refusals: Iterable[Refusal]) -> None:
        """Show at their fields why the session was refused."""
        for refusal in refusals:
            field = self[refusal.field]
            if refusal.field == "form_key":
                # Saving once more logs a second session.
                field, self.form_key.data = self.day, new_form_key()
            add_problem(field, format_refusal(refusal.code, refusal.facts))

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


@dataclass(slots=True)
class GroupSessionPage:
    """The form with what it offers.

    ``today`` is the last day on which a session may have been held; ``is_today``: the button
    that fills it in was pressed. ``warnings`` are what the provider is asked before the session
    is saved, ``qualification`` is what sessions of today, or of the day in question, count for.
    """

    provider_id: int
    form: GroupSessionForm
    supervisees: Sequence[Person]
    today: date
    is_today: bool
    editing: GroupSession | None
    qualification: DayQualification
    warnings: GroupSessionWarnings | None = None

    @property
    def confirmed(self) -> list[str]:
        """The keys of the warnings that the provider has seen."""
        return str(self.form.warned.data or "").split()

    def save(self, session: Session, save: Callable[[GroupSessionInput], T]) -> T | None:
        """What ``save`` returns for the session as entered; None with problems or warnings."""
        if self.is_today:
            return None
        self.form.validate()
        invitations = self.form.parse_invitations(self.supervisees)
        invited = {member.email for member in self.editing.members} if self.editing else None
        refusals = validate_members(session, self.provider_id, invitations, invited)
        if invitations or not (self.form.others.errors or self.form.people.errors):
            self.form.add_refusals(refusals)
        entered = self.form.parse(invitations, self.today)
        if entered is None:
            return None
        try:
            return save(entered)
        except Refused as refused:
            self.form.add_refusals(refused.refusals)
        except GroupSessionNeedsConfirmation as needed:
            self._show_warnings(needed.warnings)
        return None

    def _show_warnings(self, warnings: GroupSessionWarnings) -> None:
        """Ask about these before the session is saved."""
        self.warnings = warnings
        self.qualification = warnings.qualification or self.qualification
        self.form.warned.data = " ".join([*self.confirmed, *warnings.keys])


def read_page(
    session: Session,
    page: PageRequest,
    typed: FormData | None = None,
    *,
    editing: GroupSession | None = None,
) -> GroupSessionPage:
    """The form as typed, else as the session is stored, else empty."""
    provider_id, today = page.person_id, page.today(session)
    is_today = typed is not None and "today" in typed
    supervisees = list_supervisees(session, provider_id)
    form = GroupSessionForm(typed)
    if editing is not None:
        named = {member.email for member in editing.members}
        supervisees = [person for person in supervisees if person.email not in named]
        form = GroupSessionForm(typed, data=_prefill(editing))
    if is_today:
        for name, text in format_date_fields(today).items():
            form[name].data = text
    form.people.choices = [SelectChoice(str(person.id), person.name) for person in supervisees]
    if not is_form_key(form.form_key.data):
        form.form_key.data = new_form_key()
    provider = load_providers(session, {provider_id})[provider_id]
    qualification = qualify_day(page.site.rulebooks, provider, today)
    return GroupSessionPage(provider_id, form, supervisees, today, is_today, editing, qualification)


def _prefill(stored: GroupSession) -> dict[str, str]:
    return {
        **format_date_fields(stored.held_on),
        "hours": format_hours(stored.minutes),
        # An unusual length that is stored already is not asked about again.
        "warned": length_key(stored.minutes),
        "title": "" if stored.title in _USUAL_TITLES else stored.title,
    }
