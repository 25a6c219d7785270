"""The form for a session that a provider logs for others: what may be typed, and what is wrong."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from starlette.datastructures import FormData
from wtforms import (
    HiddenField,
    SelectChoice,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Length
from wtforms.widgets import TextArea

from tracker.hours import say_hours
from tracker.mail.headers import is_address
from tracker.records.groups.group_members import Invited, Supervisee
from tracker.records.groups.group_sessions import GroupSession, Held
from tracker.records.sign_in.sign_in import normal_email
from tracker.web.forms.form_parts import OwnForm, add_problem, clean, is_form_key, new_form_key
from tracker.web.forms.typed_date import DateWrong, read_date, say_date
from tracker.web.forms.typed_hours import HoursWrong, read_hours
from tracker.web.hours.doubts import length_key

MOST_MEMBERS = 40
_LONGEST_TITLE, _LONGEST_EMAIL = 300, 254
_USUAL_TITLES = ("Individual RSC", "Group RSC")
# Between addresses: a line break, but also what mail programs put there.
_BETWEEN = re.compile(r"[\s,;]+")


class SessionForm(OwnForm):
    """A session; ``warned``: which day, hours and other session she was asked about."""

    form_key = HiddenField(filters=[clean])
    warned = HiddenField(filters=[clean])
    day = StringField("Day", filters=[clean])
    month = StringField("Month", filters=[clean])
    year = StringField("Year", filters=[clean])
    hours = StringField("Hours", filters=[clean])
    title = StringField(
        "Title",
        filters=[clean],
        validators=[
            Length(max=_LONGEST_TITLE, message="The title can have 300 characters at most")
        ],
    )
    people = SelectMultipleField("Who took part?", coerce=str, validate_choice=False)
    others = TextAreaField("Others, by e-mail address", widget=TextArea())


def session_form(
    supervisees: Iterable[Supervisee],
    typed: FormData | None = None,
    stored: GroupSession | None = None,
) -> SessionForm:
    """The form as it was ``typed``, else as the session is ``stored``, else empty."""
    form = SessionForm(typed, data=_prefill(stored) if stored else {})
    form.people.choices = [SelectChoice(str(s.id), s.name) for s in supervisees]
    if not is_form_key(form.form_key.data):
        form.form_key.data = new_form_key()
    return form


def read_session(
    form: SessionForm,
    supervisees: Sequence[Supervisee],
    own: set[str],
    today: date,
    already: set[str] | None = None,
) -> tuple[Held, list[Invited]] | None:
    """The session, and whom the form names; None with `problems` where something is wrong.

    ``own`` are the provider's addresses, ``today`` is the last day on which it may have been held.
    ``already`` are the addresses of those who are named before: None in a new session, which
    needs somebody.
    """
    form.validate()
    held_on = _held_on(form, today)
    minutes = _minutes(form)
    invited = _invited(form, supervisees, own)
    new = [one for one in invited if one.email not in (already or set())]
    if already is None and not new and not form.others.errors and not form.people.errors:
        add_problem(form.people, "Choose who took part, or enter an address")
    if len(new) + len(already or ()) > MOST_MEMBERS:
        add_problem(form.others, f"A session can have {MOST_MEMBERS} people at most")
    if form.errors or held_on is None or minutes is None:
        return None
    usual = _USUAL_TITLES[len(new) + len(already or ()) > 1]
    return Held(held_on, minutes, form.title.data or usual), new


def _prefill(stored: GroupSession) -> dict[str, str]:
    return {
        **say_date(stored.held_on),
        "hours": say_hours(stored.minutes),
        # What it is already is not asked about again.
        "warned": length_key(stored.minutes),
        "title": "" if stored.title in _USUAL_TITLES else stored.title,
    }


def _held_on(form: SessionForm, today: date) -> date | None:
    try:
        return read_date(form.day.data, form.month.data, form.year.data, today)
    except DateWrong as wrong:
        add_problem(form[wrong.part], str(wrong))
        return None


def _minutes(form: SessionForm) -> int | None:
    try:
        return read_hours(form.hours.data, "the hours")
    except HoursWrong as wrong:
        add_problem(form.hours, str(wrong))
        return None


def _invited(
    form: SessionForm, supervisees: Sequence[Supervisee], own: set[str]
) -> Sequence[Invited]:
    """Whom the form names, each address once, those picked by name first."""
    known = {str(s.id): s for s in supervisees}
    chosen = list(form.people.data or ())
    if any(key not in known for key in chosen):
        add_problem(form.people, "Choose people from the list")
    found = {known[k].email: Invited(known[k].email, known[k].name) for k in chosen if k in known}
    for address in _addresses(form):
        if address in own:
            add_problem(form.others, f"{address} is your own address: name the others only")
        else:
            found.setdefault(address, Invited(address, None))
    return list(found.values())


def _addresses(form: SessionForm) -> Iterable[str]:
    for text in dict.fromkeys(filter(None, map(clean, _BETWEEN.split(form.others.data or "")))):
        if len(text) > _LONGEST_EMAIL or not is_address(text.lower()):
            shown = text if len(text) <= _LONGEST_TITLE // 5 else f"{text[: _LONGEST_TITLE // 5]}…"
            words = f"“{shown}” is no e-mail address: write one a line, like name@example.org"
            add_problem(form.others, words)
        else:
            yield normal_email(text)
