"""What the form for a provider's session is filled from, and shown with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection
from starlette.datastructures import FormData

from tracker.records.groups.group_members import Supervisee, own_addresses, supervisees_of
from tracker.records.groups.group_sessions import GroupSession, Held
from tracker.records.judging.providers import load_providers
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import Provider
from tracker.web.forms.typed_date import say_date
from tracker.web.frame.own_time import own_today
from tracker.web.frame.site import Site
from tracker.web.frame.viewer import Person
from tracker.web.hours.doubts import ask_length, length_key, unusual
from tracker.web.sessions.session_form import SessionForm, session_form
from tracker.web.sessions.session_words import CountsFor, Qualified, qualified_on


@dataclass(slots=True)
class SessionPage:
    """The form with its setting. ``today`` is the last day on which a session may have been held.

    ``qualified`` is for whom hers count today, ``warning`` what to know of the day typed before it
    is saved, ``twin`` what looks like the same session, ``doubt`` what to ask about the hours.
    ``is_today``: the button that fills in the day was pressed.
    """

    books: Rulebooks
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
        found = qualified_on(self.books, self.provider, held.held_on)
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
    connection: Connection,
    site: Site,
    who: Person,
    at: datetime,
    typed: FormData | None = None,
    *,
    editing: GroupSession | None = None,
) -> SessionPage:
    """The form as it was ``typed``, else as the session is stored, with what it offers."""
    today = own_today(connection, site, who.id, at)
    is_today = typed is not None and "today" in typed
    named = {m.email for m in editing.members} if editing else set()
    supervisees = [s for s in supervisees_of(connection, who.id) if s.email not in named]
    provider = load_providers(connection, {who.id})[who.id]
    shown = _with_today(typed, today) if typed is not None and is_today else typed
    return SessionPage(
        books=site.books,
        provider=provider,
        form=session_form(supervisees, shown, editing),
        supervisees=supervisees,
        own=own_addresses(connection, who.id),
        today=today,
        is_today=is_today,
        editing=editing,
        qualified=qualified_on(site.books, provider, today),
    )


def _with_today(typed: FormData, today: date) -> FormData:
    parts = say_date(today)
    kept = [(k, v) for k, v in typed.multi_items() if k not in parts and k != "today"]
    return FormData([*kept, *parts.items()])
