"""For whom a provider's sessions count on a day: said of her alone, whoever was there.

It depends on her and on the day, not on whom she names. So it tells her nothing of anybody: not
who is known here, nor which association somebody belongs to.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlmodel import Session
from starlette.datastructures import FormData
from wtforms import HiddenField, SelectChoice, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import Length
from wtforms.widgets import TextArea

from tracker.addresses import is_address
from tracker.formatting import format_hours, format_list
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import (
    Provider,
    explain_unqualified,
    find_qualification,
    qualified_spans,
)
from tracker.rules.reasons import because, format_reason
from tracker.services.group_sessions import (
    GroupSession,
    Held,
    Invited,
    Supervisee,
    own_addresses,
    supervisees_of,
)
from tracker.services.rsc_providers import load_providers
from tracker.services.sign_in import normalize_email
from tracker.web.dependencies import Person, Site
from tracker.web.forms.body import OwnForm, add_problem, clean, is_form_key, new_form_key
from tracker.web.forms.fields import DateWrong, HoursWrong, date_fields_of, read_date, read_hours
from tracker.web.pages.entry_submission import ask_length, length_key, unusual
from tracker.web.time_zones import own_today


@dataclass(frozen=True, slots=True)
class CountsFor:
    """Whether her sessions of a day count for some categories of an association, and why.

    ``once``: there are other days on which they do.
    """

    association: str
    categories: str
    counts: bool
    once: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Qualified:
    """What a day's sessions count for, and what not, in the order of the rulebooks."""

    day: date
    counts: Sequence[CountsFor]
    does_not: Sequence[CountsFor]

    @property
    def warning(self) -> Sequence[CountsFor]:
        """What to say before a session of that day is saved; empty where all is as usual."""
        lost = [one for one in self.does_not if one.once]
        return lost if self.counts else (lost or self.does_not)


def qualified_on(rulebooks: Rulebooks, provider: Provider, day: date) -> Qualified:
    """For whom a provider's sessions of a day count, by every association's rules."""
    found = [_judge(rulebooks, name, provider, day) for name in rulebooks.provider_rules]
    judged = [one for one in found if one.categories]
    return Qualified(day, [j for j in judged if j.counts], [j for j in judged if not j.counts])


def _judge(rulebooks: Rulebooks, rule_name: str, provider: Provider, day: date) -> CountsFor:
    association, rule = rulebooks.provider_rules[rule_name]
    qualification = find_qualification(association, rule, provider, day)
    if qualification:
        reason = because("qualified", status=qualification.credential.status)
    else:
        reason = explain_unqualified(association, rule, provider, day)
    return CountsFor(
        association=association,
        categories=_categories(rulebooks, rule_name),
        counts=qualification is not None,
        once=bool(qualified_spans(association, rule, provider)),
        reason=format_reason(reason),
    )


def _categories(rulebooks: Rulebooks, rule_name: str) -> str:
    """The categories whose RSC follows a rule, for a renewal or an application."""
    association, _, name = rule_name.partition("/")
    requirements = rulebooks.associations[association].requirements
    asking = [r for r in requirements if r.providers == name]
    return format_list(list(dict.fromkeys(c for r in asking for c in r.categories)))


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
        **date_fields_of(stored.held_on),
        "hours": format_hours(stored.minutes),
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
            yield normalize_email(text)


@dataclass(slots=True)
class SessionPage:
    """The form with its setting. ``today`` is the last day on which a session may have been held.

    ``qualified`` is for whom hers count today, ``warning`` what to know of the day typed before it
    is saved, ``twin`` what looks like the same session, ``doubt`` what to ask about the hours.
    ``is_today``: the button that fills in the day was pressed.
    """

    rulebooks: Rulebooks
    provider: Provider
    form: SessionForm
    supervisees: Sequence[Supervisee]
    own: set[str]
    today: date
    is_today: bool
    editing: GroupSession | None
    qualified: Qualified
    warning: Sequence[CountsFor] = ()
    twin: GroupSession | None = None
    doubt: str = ""

    @property
    def asks(self) -> bool:
        """Whether there is something to read or to answer before it is saved."""
        return bool(self.warning or self.twin or self.doubt)

    def warn(self, held: Held, twin: GroupSession | None = None) -> bool:
        """Whether to say first that she did not qualify on the day, or to ask what looks odd.

        ``twin`` looks like the same session.
        """
        seen, day = str(self.form.warned.data or ""), held.held_on.isoformat()
        found = qualified_on(self.rulebooks, self.provider, held.held_on)
        if found.warning and day not in seen.split():
            self.qualified, self.warning = found, found.warning
            self._remember(day)
        if twin is not None and str(twin.id) not in seen.split():
            self.twin = twin
            self._remember(str(twin.id))
        if minutes := unusual(held.minutes, seen):
            self.doubt = ask_length(minutes)
            self._remember(length_key(minutes))
        return self.asks

    def _remember(self, key: str) -> None:
        self.form.warned.data = f"{self.form.warned.data or ''} {key}".strip()


def read_page(
    session: Session,
    site: Site,
    who: Person,
    at: datetime,
    typed: FormData | None = None,
    *,
    editing: GroupSession | None = None,
) -> SessionPage:
    """The form as it was ``typed``, else as the session is stored, with what it offers."""
    today = own_today(session, site, who.id, at)
    is_today = typed is not None and "today" in typed
    named = {m.email for m in editing.members} if editing else set()
    supervisees = [s for s in supervisees_of(session, who.id) if s.email not in named]
    provider = load_providers(session, {who.id})[who.id]
    shown = _with_today(typed, today) if typed is not None and is_today else typed
    return SessionPage(
        rulebooks=site.rulebooks,
        provider=provider,
        form=session_form(supervisees, shown, editing),
        supervisees=supervisees,
        own=own_addresses(session, who.id),
        today=today,
        is_today=is_today,
        editing=editing,
        qualified=qualified_on(site.rulebooks, provider, today),
    )


def _with_today(typed: FormData, today: date) -> FormData:
    parts = date_fields_of(today)
    kept = [(k, v) for k, v in typed.multi_items() if k not in parts and k != "today"]
    return FormData([*kept, *parts.items()])
