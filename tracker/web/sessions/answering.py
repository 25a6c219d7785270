"""Carries out what a supervisee answers, with all that can stand in the way said in words."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection
from starlette.datastructures import FormData

from tracker.clock import local_day
from tracker.hours import MINUTES_IN_DAY, count_hours, say_hours
from tracker.records.entries.daily_most import has_logged_most
from tracker.records.entries.entry_writes import Author, minutes_on
from tracker.records.evidence.closing import closed_for
from tracker.records.groups.group_answers import (
    added_entry,
    confirm,
    dispute,
    hold_asked,
    same_sessions,
)
from tracker.records.groups.group_asks import Asked
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import say_day
from tracker.web.forms.form_parts import clean
from tracker.web.forms.typed import number_of, text_of
from tracker.web.frame.closed_words import say_closed, say_most
from tracker.web.frame.own_time import zone_of

_LONGEST_NOTE = 500


@dataclass(slots=True)
class Outcome:
    """What became of an answer: the entry, or ``problem`` (field, words), or a page to look at.

    ``page`` is "" where nothing is there; else "saved", "disputed", "same" or "look".
    """

    page: str
    entry_id: int = 0
    problem: tuple[str, str] | None = None


def answer(
    connection: Connection, books: Rulebooks, author: Author, member_id: int, typed: FormData
) -> Outcome:
    """Confirm or dispute what the person is asked; nothing is half done."""
    asked = hold_asked(connection, author.person_id, member_id)
    if asked is None:
        return Outcome("")
    if text_of(typed, "answer") == "dispute":
        return _dispute(connection, books, author, asked, clean(text_of(typed, "note")))
    if asked.entry_id is not None:
        return Outcome("saved", asked.entry_id)
    if asked.withdrawn_at is not None:
        return Outcome("look")
    return _confirm(connection, books, author, asked, typed)


def _confirm(
    connection: Connection, books: Rulebooks, author: Author, asked: Asked, typed: FormData
) -> Outcome:
    same = [entry.id for entry in same_sessions(connection, author.person_id, asked)]
    own = number_of(typed, "own")
    if own:
        if own not in same:
            return Outcome("look")
        return Outcome("saved", confirm(connection, books, author, asked, own_entry=own))
    said = text_of(typed, "answer")
    if said not in {"confirm", "another"}:
        return Outcome("look")
    if same and said == "confirm":
        return Outcome("same")
    if words := why_not(connection, books, author.person_id, asked, author.at):
        return Outcome("look", problem=("confirm", words))
    return Outcome("saved", confirm(connection, books, author, asked))


def _dispute(
    connection: Connection, books: Rulebooks, author: Author, asked: Asked, note: str
) -> Outcome:
    if len(note) > _LONGEST_NOTE:
        words = f"What is wrong can have {_LONGEST_NOTE} characters at most"
        return Outcome("look", problem=("note", words))
    if asked.withdrawn_at is not None and asked.state != "confirmed":
        return Outcome("look")
    entry = added_entry(connection, author.person_id, asked)
    closed = entry and closed_for(connection, books, author.person_id, entry.held_on, author.at)
    if closed:
        return Outcome("look", problem=("note", say_closed(closed)))
    dispute(connection, books, author, asked, note or None)
    return Outcome("disputed")


def why_not(
    connection: Connection, books: Rulebooks, person_id: int, asked: Asked, at: datetime
) -> str:
    """Why the session cannot go into the person's log as it is; empty where it can."""
    day: date = asked.held_on
    if day > local_day(at, zone_of(connection, books, person_id)):
        return f"{say_day(day)} has not come yet: confirm it once the session was held"
    closed = closed_for(connection, books, person_id, day, at)
    if closed is not None:
        return say_closed(closed)
    if has_logged_most(connection, person_id, at):
        return say_most()
    others = minutes_on(connection, person_id, day)
    if others + asked.minutes > MINUTES_IN_DAY:
        whole = say_hours(MINUTES_IN_DAY)
        return (
            f"You have logged {count_hours(others)} on {say_day(day)} already: "
            f"the day has only {whole} hours in all"
        )
    return ""
