"""Takes a form for a session as it was sent: its files first, then what it says, in one go.

Whatever becomes of the form, files that came with it are kept: with the entry if it is saved,
else as drafts under the form's key, which the page that comes back shows. The bytes are on the
disk before the transaction that knows of them; if that fails, or its end is not known, they stay
there without a row rather than a row without them.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from fastapi import HTTPException
from sqlalchemy import Connection

from tracker.records.entries.entry_writes import Author, Content
from tracker.records.evidence.evidence import Received, keep_files, move_drafts
from tracker.records.store.queue import Busy
from tracker.web.forms.typed import Posted
from tracker.web.frame.site import Site
from tracker.web.hours.reading_form import Filled
from tracker.web.hours.saving import Outcome
from tracker.web.hours.uploads import Upload, fit_in, folder_of, sweep, take_files


@dataclass(frozen=True, slots=True)
class Job:
    """How to ``read`` the form, and how to ``save`` what it says (to the entry ``editing``).

    ``leaving`` are the ids of the entry's files that saving removes.
    """

    read: Callable[[Connection], Filled]
    save: Callable[[Connection, Filled, Content], Outcome]
    editing: int | None = None
    leaving: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class _Sent:
    """A form on its way into the database, with the files that came."""

    site: Site
    author: Author
    upload: Upload
    has_drafts: bool
    job: Job

    def write(self, connection: Connection) -> tuple[Filled, Outcome, set[str]]:
        """Save it with its files, or keep these for when it comes back; and the names kept."""
        filled = self.job.read(connection)
        key = filled.sent["form_key"]
        fitting, refused = self._fit_in(connection, key)
        if refused or filled.content is None:
            outcome = Outcome(problems=tuple(("files", words) for words in refused))
        else:
            outcome = self.job.save(connection, filled, filled.content)
        if not fitting and not self.has_drafts:
            return filled, outcome, set()
        if outcome.form_key:
            move_drafts(connection, self.author, key, outcome.form_key)
            key = outcome.form_key
        taken = keep_files(connection, self.author, key, fitting, outcome.entry_id)
        return filled, outcome, taken

    def _fit_in(self, connection: Connection, key: str) -> tuple[Sequence[Received], Sequence[str]]:
        if not self.upload.received:
            return (), self.upload.refused
        of_form = (key, self.job.editing)
        received, leaving = self.upload.received, self.job.leaving
        fitting, full = fit_in(connection, self.site, self.author, received, of_form, leaving)
        return fitting, (*self.upload.refused, *full)


def send(site: Site, author: Author, posted: Posted, job: Job) -> tuple[Filled, Outcome]:
    """The form as it was read, and what became of it and of its files."""
    upload = take_files(site, posted.files) if posted.files else Upload()
    sent = _Sent(site, author, upload, "kept" in posted.texts, job)
    try:
        filled, outcome, taken = site.writer.run(sent.write)
    except (HTTPException, Busy):
        # It was refused, so that nothing of it can be stored.
        _tidy(site, author, upload, set())
        raise
    _tidy(site, author, upload, taken)
    return filled, outcome


def send_texts(
    connection: Connection, site: Site, author: Author, posted: Posted, job: Job
) -> tuple[Filled, Outcome]:
    """The same for a form without files, in the transaction that is open."""
    sent = _Sent(site, author, Upload(), "kept" in posted.texts, job)
    filled, outcome, _ = sent.write(connection)
    return filled, outcome


def _tidy(site: Site, author: Author, upload: Upload, taken: set[str]) -> None:
    folder = folder_of(site)
    if folder is not None and upload.received:
        folder.remove(file.stored_as for file in upload.received if file.stored_as not in taken)
        site.later.run_once(sweep, site, author.at)
