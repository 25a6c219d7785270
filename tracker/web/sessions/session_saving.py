"""Saves what the form for a provider's session says, in the transaction that checks it."""

from sqlalchemy import Connection

from tracker.hours import count_hours
from tracker.records.entries.entry_writes import Author, lock_person
from tracker.records.groups.group_members import Invited
from tracker.records.groups.group_sessions import Held, Logged, log_session, session_from, twin_of
from tracker.rules.providers import say_day
from tracker.web.forms.form_parts import add_problem, new_form_key
from tracker.web.sessions.session_form import read_session
from tracker.web.sessions.session_page import SessionPage


def log_new(connection: Connection, page: SessionPage, author: Author) -> Logged | None:
    """Save a new session once; None with the form's problems, or with a warning to read first.

    The same form sent twice gives the first one's session. A form that was saved and then changed
    (the back button) asks, and would be another session.
    """
    form = page.form
    content = read_session(form, page.supervisees, page.own, page.today)
    if content is None:
        return None
    held, invited = content
    lock_person(connection, author.person_id)
    key = str(form.form_key.data)
    before = session_from(connection, author.person_id, key)
    if before is None:
        if page.warn(held, twin_of(connection, author.person_id, held, invited)):
            return None
        return log_session(connection, author, held, invited, key)
    if before.held == held and {m.email for m in before.members} == {i.email for i in invited}:
        return Logged(before.id, ())
    saved = f"{count_hours(before.minutes)} on {say_day(before.held_on)}"
    words = f"This form was saved already, as {saved}. Save again to log a second session"
    add_problem(form.day, words)
    form.form_key.data = new_form_key()
    return None


def read_change(page: SessionPage) -> tuple[Held, list[Invited]] | None:
    """What a stored session is to be; None with the form's problems, or with a warning."""
    if page.editing is None:
        return None
    already = {m.email for m in page.editing.members}
    content = read_session(page.form, page.supervisees, page.own, page.today, already)
    if content is None or page.warn(content[0]):
        return None
    return content
