"""Saves what a form says: checks against what is stored, in the transaction that stores it.

Nothing here changes the form: the job that saves may be run more than once. What there is to
say about it is in the outcome.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import HTTPException
from sqlalchemy import Connection

from tracker.hours import MINUTES_IN_DAY, count_hours, say_hours
from tracker.records.entries.entries import entry_by_id
from tracker.records.entries.entry_writes import (
    Author,
    ChangedMeanwhile,
    Content,
    add_unsaved,
    change_entry,
    content_of,
    lock_person,
    saved_from,
    version_of,
)
from tracker.records.entries.known_before import known_before
from tracker.records.entries.twins import Logged, logged_on
from tracker.records.evidence.closing import closed_for
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.rules.providers import say_day
from tracker.web.forms.form_parts import new_form_key
from tracker.web.frame.closed_words import say_closed, say_most
from tracker.web.hours.doubts import NO_DOUBTS, Doubts, doubts_about, unusual
from tracker.web.hours.reading_form import Filled
from tracker.web.hours.sent import Problem, Sent


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a form: the entry that it is now, or what stands in the way.

    ``doubts`` are what to ask first. ``form_key`` and ``version`` are what
    the form has to say when it is sent again; empty where they stay.
    """

    entry_id: int | None = None
    problems: tuple[Problem, ...] = ()
    doubts: Doubts = NO_DOUBTS
    form_key: str = ""
    version: str = ""

    def tell(self, sent: Sent) -> None:
        """Write into the form what its next sending has to say, and what is wrong."""
        sent["form_key"] = self.form_key or sent["form_key"]
        sent["version"] = self.version or sent["version"]
        sent["seen"] = " ".join(filter(None, (sent["seen"], *self.doubts.keys)))
        for field, words in self.problems:
            sent.refuse(field, words)


def save_new(
    connection: Connection, books: Rulebooks, author: Author, filled: Filled, content: Content
) -> Outcome:
    """Save a new session once.

    The same form sent twice gives the first one's id. A form that was saved and then changed
    (the back button) is not taken for the saved one: it asks, and would be another session. What
    looks like a slip asks too, unless the form says that it was ``seen``.
    """
    sent = filled.sent
    lock_person(connection, author.person_id)
    who, key = author.person_id, sent["form_key"]
    known = known_before(connection, who, key, content.held_on, author.at)
    if known.was_saved and (before := saved_from(connection, who, key)):
        return _again(before, content)
    problems = (
        *_check_open(connection, books, author, filled, content),
        *_check_room(content, known.logged),
        *([("hours", say_most())] if known.has_most else []),
    )
    if problems:
        return Outcome(problems=problems)
    if doubts := doubts_about(content, known.logged, sent["seen"]):
        return Outcome(doubts=doubts)
    return Outcome(add_unsaved(connection, books, author, content, sent["form_key"]).id)


def save_change(
    connection: Connection,
    books: Rulebooks,
    author: Author,
    *,
    entry_id: int,
    filled: Filled,
    content: Content,
) -> Outcome:
    """Change one's own entry, unless it changed since the form was filled from it.

    Unusual hours ask first, unless the form says that they were ``seen``.
    """
    lock_person(connection, author.person_id)
    logged = logged_on(connection, author.person_id, content.held_on)
    others = [one for one in logged if one.id != entry_id]
    problems = (
        *_check_open(connection, books, author, filled, content),
        *_check_room(content, others),
    )
    if problems:
        return Outcome(problems=problems)
    if minutes := unusual(content.minutes, filled.sent["seen"]):
        return Outcome(doubts=Doubts(minutes=minutes))
    version = filled.sent["version"]
    try:
        changed = change_entry(
            connection, books, author, entry_id, content=content, version=version
        )
    except ChangedMeanwhile:
        return _changed_meanwhile(entry_by_id(connection, author.person_id, entry_id))
    if not changed:
        raise HTTPException(404)
    return Outcome(entry_id)


def _again(before: LoggedEntry, content: Content) -> Outcome:
    """What becomes of a form that was saved before, as it was or changed since."""
    if content_of(before) != content:
        return Outcome(problems=(_saved_already(before),), form_key=new_form_key())
    return Outcome(before.id)


def _saved_already(before: LoggedEntry) -> Problem:
    saved = f"{count_hours(before.minutes)} on {say_day(before.held_on)}"
    words = f"This form was saved already, as {saved}. Save again to add a second session"
    return "activity", words


def _changed_meanwhile(stored: LoggedEntry | None) -> Outcome:
    if stored is None:
        raise HTTPException(404)
    now = f"{count_hours(stored.minutes)} on {say_day(stored.held_on)}"
    words = f"This entry was changed meanwhile: it is now {now}. Save again to replace that"
    return Outcome(problems=(("activity", words),), version=version_of(stored))


def _check_open(
    connection: Connection, books: Rulebooks, author: Author, filled: Filled, content: Content
) -> Iterator[Problem]:
    """Whether the day of the session is closed; asked of the database only if it may be."""
    if filled.setting.closing.closed(content.held_on) is None:
        return
    closed = closed_for(connection, books, author.person_id, content.held_on, author.at)
    if closed is not None:
        yield "day", say_closed(closed)


def _check_room(content: Content, others: list[Logged]) -> Iterator[Problem]:
    """Whether the day holds the session beside the others that are logged on it."""
    minutes = sum(one.minutes for one in others)
    if minutes + content.minutes > MINUTES_IN_DAY:
        so_far = f"{count_hours(minutes)} on {say_day(content.held_on)}"
        whole = say_hours(MINUTES_IN_DAY)
        words = f"You have logged {so_far} already: the day has only {whole} hours in all"
        yield "hours", words
