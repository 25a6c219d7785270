"""The words of a timeline: each change, decision, email, skipped notice, and sign-in."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tracker.clock import local_day
from tracker.formatting import (
    capitalize_first,
    format_count,
    format_date,
    format_hours_with_unit,
    format_list,
    hours_word,
)
from tracker.mail.refusals import describe_refusal
from tracker.rulebooks import Rulebooks
from tracker.rules.notices import Kind
from tracker.services.security_events import DONE, SIGN_OUT
from tracker.services.timeline import (
    ChangeBatch,
    DecidedNotice,
    SentEmail,
    SignInEvent,
    TimelineItem,
    TimelineKind,
)
from tracker.services.timeline_scope import RecordedChange, Values, values_of
from tracker.web.pages.desk_timeline_labels import (
    ACTORS,
    COLUMN_LABELS,
    IDENTITY,
    KINDS,
    NOTICE_NAMES,
    NOUNS,
    OUTCOMES,
    PERSON_COLUMNS,
    SESSION_EVENTS,
    STATES,
)
from tracker.web.pages.mail_choice import format_kinds
from tracker.web.time_zones import format_instant

_ISO_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One item as the page shows it: ``details`` are label, value before, and value after.

    ``at`` is the instant, or the day if no more is known. ``mail_id`` has a page of its own.
    ``parts`` are what a batch holds. ``is_update``: there are values both before and after.
    """

    at: str
    kind: str
    title: str
    who: str = ""
    details: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    state: str = ""
    tone: str = "plain"
    mail_id: int | None = None
    is_update: bool = False


@dataclass(frozen=True, slots=True)
class TimelineWording:
    """What the words need to know.

    Names of people are by id and by address; ``sessions`` are titles with their days, by id.
    """

    rulebooks: Rulebooks
    zone: str
    names: Mapping[int, str] = field(default_factory=dict)
    names_by_email: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[int, str] = field(default_factory=dict)

    def view(self, item: TimelineItem) -> TimelineRow:
        """One item in words."""
        content = item.content
        if isinstance(content, RecordedChange):
            return self._view_change(content, item.kind)
        if isinstance(content, ChangeBatch):
            return self._view_batch(content)
        if isinstance(content, SentEmail):
            return self.view_email(content)
        if isinstance(content, DecidedNotice):
            return self._view_skipped(content)
        return self._view_sign_in(item, content)

    def _view_change(self, change: RecordedChange, kind: TimelineKind) -> TimelineRow:
        title = _format_event(change)
        shown = _describe(self, change)
        if shown:
            title += f": {shown}"
        return TimelineRow(
            at=self.format_instant(change.at),
            kind="Decision" if kind is TimelineKind.DECISION else "Change",
            title=title,
            who=self.format_actor(change.who),
            details=tuple(self._list_details(change)),
            is_update=change.before is not None and change.after is not None,
        )

    def _view_batch(self, batch: ChangeBatch) -> TimelineRow:
        first = batch.changes[0]
        noun = NOUNS.get(first.table, "Record").lower()
        title = f"{format_count(len(batch.changes), noun)} {_format_verb(first)} together"
        return TimelineRow(
            at=self.format_instant(first.at),
            kind="Change",
            title=title,
            who=self.format_actor(first.who),
            parts=tuple(self._describe_part(change) for change in batch.changes),
        )

    def _describe_part(self, change: RecordedChange) -> str:
        return _describe(self, change) or NOUNS.get(change.table, "Record")

    def format_actor(self, label: str) -> str:
        """Who did something: a name if the label is the address of somebody known."""
        if label in self.names_by_email:
            return f"by {self.names_by_email[label]}"
        if label in ACTORS:
            return ACTORS[label]
        if label.startswith("token "):
            return f"by the program “{label.partition(': ')[2]}”"
        if "@" in label:
            return f"by {label}"
        return "by an operator" if label.startswith("tracker") else f"by {label}"

    def _list_details(self, change: RecordedChange) -> list[tuple[str, str, str]]:
        before, after = values_of(change.before), values_of(change.after)
        details = []
        for name, label in COLUMN_LABELS.items():
            was, now = before.get(name), after.get(name)
            if was != now and (change.before is None or change.after is None or name in after):
                texts = self.format_value(name, was), self.format_value(name, now)
                if texts[0] != texts[1]:
                    details.append((label, *texts))
        return details

    def format_value(self, name: str, value: Any) -> str:  # noqa: ANN401 - a value of a column
        """A value of a column, in words; empty if there is none."""
        if value in (None, "", [], {}):
            return ""
        known = _FORMATS.get(name)
        if known is not None:
            return known(self, value)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return format_list([str(each) for each in value])
        if isinstance(value, str) and _ISO_DAY.match(value):
            return format_date(date.fromisoformat(value[:10]))
        return str(value)

    def format_requirement(self, requirement_id: str) -> str:
        """The label of a requirement, by its id."""
        for rulebook in self.rulebooks.associations.values():
            for requirement in rulebook.requirements:
                if requirement.id == requirement_id:
                    return requirement.label
        return requirement_id

    def format_instant(self, instant: datetime) -> str:
        """``June 30, 2026 at 2:05 PM`` where the association is."""
        return format_instant(instant, self.zone)

    def today(self, now: datetime) -> date:
        """The day where the association is."""
        return local_day(now, self.zone)

    def view_email(self, email: SentEmail) -> TimelineRow:
        """An email and what became of it, in words."""
        state, tone = OUTCOMES[email.state]
        if email.bounced:
            state = f"Came back: {describe_refusal(email.error)}"
        subject = email.subject
        if subject is None:
            subject = "An email that is also about another association"
        notes = [self.format_notice(notice) for notice in email.notices]
        if email.state in ("failed", "dropped") and email.error:
            notes.append(f"{capitalize_first(format_reason(email.error))}.")
        if email.is_copy:
            notes.append("A copy to the second address, because the first one does not work.")
        return TimelineRow(
            at=self.format_instant(email.created_at),
            kind="Email",
            title=subject,
            who=f"to {email.recipient}",
            notes=tuple(notes),
            state=state,
            tone=tone,
            mail_id=email.id if email.subject is not None else None,
        )

    def format_notice(self, notice: DecidedNotice) -> str:
        """``Renewal reminder, 30 days before December 31, 2026``."""
        return self.format_step(notice.kind, notice.step, notice.due_on, notice.subject_key)

    def format_step(self, kind: str, step: int, due_on: date, subject_key: str = "") -> str:
        """One step of a notice, in words."""
        name = NOTICE_NAMES.get(Kind(kind), "Notice")
        if kind == Kind.CUTOFF and subject_key.isdecimal() and int(subject_key) in self.names:
            name += f" about {self.names[int(subject_key)]}"
        day = format_date(due_on)
        if step == 0:
            return f"{name} on {day}"
        return f"{name}, {format_count(abs(step), 'day')} {'before' if step < 0 else 'after'} {day}"

    def _view_skipped(self, notice: DecidedNotice) -> TimelineRow:
        reason = capitalize_first(format_reason(notice.reason or ""))
        return TimelineRow(
            at=format_date(notice.decided_on),
            kind="Reminder",
            title=self.format_notice(notice),
            who=f"{notice.association} {notice.category}",
            notes=(f"{reason}.",) if reason else (),
            state="Not sent",
        )

    def _view_sign_in(self, item: TimelineItem, event: SignInEvent) -> TimelineRow:
        title, tone = "Signed in", "plain"
        if event.what == SIGN_OUT:
            title = "Signed out"
        elif event.outcome != DONE:
            title, tone = f"Could not sign in: {event.outcome} code", "warm"
        at = self.format_instant(item.at)
        return TimelineRow(at=at, kind="Sign-in", title=title, tone=tone)


def format_reason(reason: str) -> str:
    """A stored reason, with the days in it as people write them."""
    return _ISO_DAY.sub(lambda match: format_date(date.fromisoformat(match[0])), reason)


def list_named_ids(items: Sequence[TimelineItem]) -> set[int]:
    """The ids of people whom these items name."""
    ids = set()
    for item in items:
        content = item.content
        if isinstance(content, RecordedChange | ChangeBatch):
            for change in content.changes if isinstance(content, ChangeBatch) else (content,):
                ids |= _list_change_ids(change)
        elif isinstance(content, DecidedNotice | SentEmail):
            notices = content.notices if isinstance(content, SentEmail) else (content,)
            ids |= {int(n.subject_key) for n in notices if n.subject_key.isdecimal()}
    return ids


def _list_change_ids(change: RecordedChange) -> set[int]:
    ids = set()
    for values in (values_of(change.before), values_of(change.after)):
        ids |= {v for n, v in values.items() if n in PERSON_COLUMNS and v}
    return ids


def _format_event(change: RecordedChange) -> str:
    """``Session confirmed``, ``Waiver added``."""
    values = {**values_of(change.before), **values_of(change.after)}
    verb = _format_verb(change)
    state = values.get("state") or values.get("kind") or ""
    if values.get("accepted"):
        state = "accepted"
    noun = NOUNS.get(change.table, "Record")
    return SESSION_EVENTS.get((change.table, verb, state), f"{noun} {verb}")


def _format_verb(change: RecordedChange) -> str:
    if change.table == "mail_off":
        return "changed"
    if change.table == "time_request" and change.before is None:
        return "sent"
    if change.before is None:
        return "added"
    return "removed" if change.after is None else "changed"


def _describe(wording: TimelineWording, change: RecordedChange) -> str:
    """What tells a row from others of its kind: ``Book club, 2 hours, May 2, 2026``."""
    values: Values = {**values_of(change.before), **values_of(change.after)}
    names = IDENTITY.get(change.table, ())
    parts = [wording.format_value(name, values.get(name)) for name in names]
    return ", ".join(part for part in parts if part)


_Format = Callable[[TimelineWording, Any], str]


def _format_topics(_: TimelineWording, topics: Mapping[str, int]) -> str:
    return format_list([f"{format_hours_with_unit(topics[t])} of {t}" for t in sorted(topics)])


def _format_provider(wording: TimelineWording, number: int) -> str:
    return wording.names.get(number, "a person who is no longer here")


_FORMATS: dict[str, _Format] = {
    "entry_id": lambda wording, number: wording.sessions.get(number, ""),
    "minutes": lambda _, minutes: format_hours_with_unit(minutes),
    "topics": _format_topics,
    "provider_id": _format_provider,
    "supervisor_id": _format_provider,
    "requirement": lambda wording, value: wording.format_requirement(value),
    "activity": lambda _, value: hours_word(value, "").strip() or value,
    "off": lambda _, kinds: ", ".join(format_kinds(kinds)),
    "state": lambda _, value: STATES.get(str(value), str(value)),
    "kind": lambda _, value: KINDS.get(str(value), str(value)),
}
