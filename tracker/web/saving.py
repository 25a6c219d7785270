"""Saves what a form says: checks against what is stored, in the transaction that stores it."""

from datetime import date

from sqlalchemy import Connection

from tracker.hours import MINUTES_IN_DAY, count_hours, say_hours
from tracker.records.closing import closed_for
from tracker.records.entries import entry_by_id
from tracker.records.entry_writes import (
    Added,
    Author,
    ChangedMeanwhile,
    Content,
    add_entry,
    change_entry,
    content_of,
    lock_person,
    minutes_on,
    saved_from,
    version_of,
)
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import say_day
from tracker.web.closed_words import say_closed
from tracker.web.log_form import LogForm, add_problem, new_form_key


def save_new(
    connection: Connection, books: Rulebooks, author: Author, form: LogForm, content: Content
) -> int | None:
    """Save a new session once; its id, or None with the form's problems.

    The same form sent twice gives the first one's id. A form that was saved and then changed
    (the back button) is not taken for the saved one: it asks, and would be another session.
    """
    lock_person(connection, author.person_id)
    before = saved_from(connection, author.person_id, form.form_key.data)
    if before is not None and content_of(before) != content:
        saved = f"{count_hours(before.minutes)} on {say_day(before.held_on)}"
        words = f"This form was saved already, as {saved}. Save again to add a second session"
        add_problem(form.activity, words)
        form.form_key.data = new_form_key()
        return None
    if before is None and not (
        _is_open(connection, books, author, form, content)
        and _fits_the_day(connection, author, form, content, None)
    ):
        return None
    added: Added = add_entry(connection, books, author, content, form.form_key.data)
    return added.entry.id


def save_change(
    connection: Connection,
    books: Rulebooks,
    author: Author,
    *,
    entry_id: int,
    form: LogForm,
    content: Content,
) -> bool:
    """Change an entry; False with the form's problems. The entry is known to be one's own."""
    lock_person(connection, author.person_id)
    if not _is_open(connection, books, author, form, content):
        return False
    if not _fits_the_day(connection, author, form, content, entry_id):
        return False
    version = str(form.version.data or "")
    try:
        return change_entry(connection, books, author, entry_id, content=content, version=version)
    except ChangedMeanwhile:
        stored = entry_by_id(connection, author.person_id, entry_id)
        if stored is not None:
            form.version.data = version_of(stored)
            now = f"{count_hours(stored.minutes)} on {say_day(stored.held_on)}"
            words = f"This entry was changed meanwhile: it is now {now}. Save again to replace that"
            add_problem(form.activity, words)
        return False


def _is_open(
    connection: Connection, books: Rulebooks, author: Author, form: LogForm, content: Content
) -> bool:
    """Whether an entry may be held on its day, as of what is closed for its person."""
    closed = closed_for(connection, books, author.person_id, content.held_on, author.at)
    if closed is not None:
        add_problem(form.day, say_closed(closed))
    return closed is None


def _fits_the_day(
    connection: Connection, author: Author, form: LogForm, content: Content, entry_id: int | None
) -> bool:
    day: date = content.held_on
    others = minutes_on(connection, author.person_id, day, without=entry_id)
    if others + content.minutes <= MINUTES_IN_DAY:
        return True
    so_far = f"{count_hours(others)} on {say_day(day)}"
    whole = say_hours(MINUTES_IN_DAY)
    add_problem(
        form.hours, f"You have logged {so_far} already: the day has only {whole} hours in all"
    )
    return False
