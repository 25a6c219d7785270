"""Saves a posted form for a session, for as many people at once as the database can take.

Without files no thread is kept waiting, and who posts is looked up in the transaction that saves.
"""

from datetime import datetime
from functools import partial

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from tracker.records.entries.entry_writes import Author, Content
from tracker.web.forms.typed import Posted
from tracker.web.frame.site import Site
from tracker.web.frame.viewer import Viewer, viewer_within, who_looks
from tracker.web.hours.form_setting import read_setting
from tracker.web.hours.reading_form import Filled, read_form
from tracker.web.hours.saving import Outcome, save_new
from tracker.web.hours.sending import Job, send, send_texts

# Who sent a form, and what became of it: None where they are nobody who may.
Saved = tuple[Viewer | None, tuple[Filled, Outcome] | None]


async def save_posted(request: Request, site: Site, at: datetime, posted: Posted) -> Saved:
    """Save the session that a form describes once, for whoever sent it."""
    if posted.files:
        return await run_in_threadpool(_with_files, request, site, at, posted)
    return await site.writer.answer(partial(_texts, request, site, at, posted))


def _texts(
    request: Request, site: Site, at: datetime, posted: Posted, connection: Connection
) -> Saved:
    # Whoever may not is told so outside: to raise here would hold up all that is saved together.
    found = viewer_within(connection, request, site, at)
    if found is None or found.person_id is None:
        return found, None
    author = Author(found.person_id, found.email, at)
    return found, send_texts(connection, site, author, posted, _job(site, author, posted))


def _with_files(request: Request, site: Site, at: datetime, posted: Posted) -> Saved:
    found = who_looks(request, site, at)
    if found is None or found.person_id is None:
        return found, None
    author = Author(found.person_id, found.email, at)
    return found, send(site, author, posted, _job(site, author, posted))


def _job(site: Site, author: Author, posted: Posted) -> Job:
    def read(connection: Connection) -> Filled:
        setting = read_setting(connection, site.books, author.person_id, author.at)
        return read_form(connection, setting, posted)

    def save(connection: Connection, filled: Filled, content: Content) -> Outcome:
        return save_new(connection, site.books, author, filled, content)

    return Job(read, save)
