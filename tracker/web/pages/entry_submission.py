"""What looks like a slip though nothing is wrong with it: asked about once, and then saved."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.db.write_lock import Busy
from tracker.formatting import (
    MINUTES_IN_DAY,
    MINUTES_IN_HOUR,
    format_date,
    format_hours,
    format_hours_with_unit,
    is_unusual,
)
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Author, lock_person
from tracker.services.cycle_locks import cycle_lock_for
from tracker.services.entries import find_entry
from tracker.services.evidence import Received, files_of, keep_files, move_drafts, remove_file
from tracker.services.old_entries import (
    ChangedMeanwhile,
    Content,
    Logged,
    add_unsaved,
    change_entry,
    content_of,
    find_duplicate,
    logged_on,
    saved_from,
    submission_check,
    version_of,
)
from tracker.web.dependencies import Person, Site, Viewer, viewer_in_session, viewer_of_request
from tracker.web.forms.body import Posted, new_form_key, text_of
from tracker.web.forms.entry import (
    FormSetting,
    Problem,
    Sent,
    form_of,
    read_content,
    read_setting,
    sent_in,
)
from tracker.web.forms.fields import date_fields_of
from tracker.web.forms.provider import name_provider, offer
from tracker.web.pages.uploads import (
    LARGEST_MB,
    MOST_FILES,
    Upload,
    fit_in,
    folder_of,
    format_size,
    sweep,
    take_files,
)
from tracker.web.text import format_closed, format_most


class Warnings(NamedTuple):
    """What is asked: about an entry that looks like the same session, and about the ``minutes``.

    ``minutes`` is 0 where they are usual. Without either there is nothing to ask.
    """

    twin: Logged | None = None
    minutes: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """What the form says of each once it was asked."""
        twin = (str(self.twin.id),) if self.twin else ()
        return (*twin, length_key(self.minutes)) if self.minutes else twin

    @property
    def about_length(self) -> str:
        """The question about the minutes."""
        return ask_length(self.minutes)

    def __bool__(self) -> bool:
        return bool(self.keys)


NO_WARNINGS = Warnings()


def find_warnings(content: Content, logged: Iterable[Logged], seen: str) -> Warnings:
    """What to ask before it is saved, beside the day's other entries; not what was ``seen``."""
    keys = seen.split()
    twin = find_duplicate(content, logged)
    if twin is not None and str(twin.id) in keys:
        twin = None
    return Warnings(twin, unusual(content.minutes, seen))


def unusual(minutes: int, seen: str) -> int:
    """The minutes, if so few or so many are to be asked about and were not ``seen``; else 0."""
    return minutes if is_unusual(minutes) and length_key(minutes) not in seen.split() else 0


def ask_length(minutes: int) -> str:
    """Asks about hours that are unusually few or many."""
    if minutes < MINUTES_IN_HOUR:
        return f"Was it only {minutes} minute{'' if minutes == 1 else 's'}?"
    return f"Was it really {format_hours_with_unit(minutes)}?"


def length_key(minutes: int) -> str:
    """What a form says that was asked about its minutes."""
    return f"{minutes}min"


_DIGITS = 9
# Pressed twice, or on an old page.
NOT_HERE = "Nothing was removed: that file is gone already, or belongs to a saved entry."


def unwanted(posted: Posted) -> list[int]:
    """The files of the entry that are to go when it is saved, as the form says."""
    chosen = map(str, posted.texts.getlist("without"))
    return [int(one) for one in chosen if _is_number(one)]


def remove_chosen(site: Site, author: Author, posted: Posted) -> str:
    """Remove the file whose button was pressed; its name, empty where there is none such.

    Files of entries stay: to leave an entry as it is leaves it its proof.
    """
    folder, number = folder_of(site), text_of(posted.texts, "remove")
    if folder is None or not _is_number(number):
        raise HTTPException(404)
    removed = site.writer.run(lambda session: remove_file(session, author, int(number), None))
    if removed is None:
        # Pressed twice: it is gone all the same.
        return ""
    folder.remove([removed.stored_as])
    return removed.name


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


@dataclass(frozen=True, slots=True)
class FormContext:
    """What the page shows beside the form: the entry it changes, warnings, a word, the focus.

    ``without`` are the ids of the entry's files that saving is to remove.
    """

    editing: LoggedEntry | None = None
    warnings: Warnings = NO_WARNINGS
    notice: str = ""
    focus: str = ""
    without: Collection[int] = ()


def show_form(
    site: Site, who: Person, sent: Sent, setting: FormSetting, besides: FormContext
) -> HTMLResponse:
    """The form; with problems its summary takes the focus, else what ``besides`` names.

    A form with problems, or with warnings, is answered with 422, so that programs see that
    nothing was saved.
    """
    form = form_of(setting, sent)
    problems = form.problems()
    editing = besides.editing
    with reading(site.engine) as session:
        offered = offer(session, setting, sent)
        files = files_of(session, who.id, sent["form_key"], editing.id if editing else None)
    return site.pages.render(
        "log.html",
        status=422 if problems or besides.warnings else 200,
        viewer=who.viewer,
        here="" if editing else "log",
        form=form,
        problems=problems,
        setting=setting,
        offer=offered,
        files=files,
        takes_files=folder_of(site) is not None,
        most_files=MOST_FILES,
        largest_mb=LARGEST_MB,
        format_size=format_size,
        besides=besides,
        without=besides.without,
        editing=editing,
        warnings=None if problems else besides.warnings,
        focus="" if problems or besides.warnings else besides.focus,
    )


class Filled(NamedTuple):
    """A form as it was sent; ``content`` is None with its problems, or where it is not done yet."""

    setting: FormSetting
    sent: Sent
    content: Content | None


def read_form(session: Session, setting: FormSetting, posted: Posted) -> Filled:
    """The form as typed, and what it says.

    "Today" and "Remove" send the form, too: what is typed so far is then not judged.
    """
    sent = sent_in(posted.texts)
    if "today" in posted.texts:
        sent.texts |= date_fields_of(setting.today)
    if "today" in posted.texts or "remove" in posted.texts:
        return Filled(setting, sent, None)
    name = partial(name_provider, session, setting)
    return Filled(setting, sent, read_content(sent, setting, name))


def do_aside(
    site: Site, author: Author, posted: Posted, editing: LoggedEntry | None = None
) -> FormContext | None:
    """What the page shows after "Today" or "Remove"; None after any other button."""
    if "today" in posted.texts:
        return FormContext(editing, focus="hours")
    if "remove" in posted.texts:
        name = remove_chosen(site, author, posted)
        return FormContext(editing, notice=f"{name} is removed." if name else NOT_HERE)
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a form: the entry that it is now, or what stands in the way.

    ``warnings`` are what to ask first. ``form_key`` and ``version`` are what
    the form has to say when it is sent again; empty where they stay.
    """

    entry_id: int | None = None
    problems: tuple[Problem, ...] = ()
    warnings: Warnings = NO_WARNINGS
    form_key: str = ""
    version: str = ""

    def tell(self, sent: Sent) -> None:
        """Write into the form what its next sending has to say, and what is wrong."""
        sent["form_key"] = self.form_key or sent["form_key"]
        sent["version"] = self.version or sent["version"]
        sent["seen"] = " ".join(filter(None, (sent["seen"], *self.warnings.keys)))
        for field, words in self.problems:
            sent.refuse(field, words)


def save_new(
    session: Session, rulebooks: Rulebooks, author: Author, filled: Filled, content: Content
) -> Outcome:
    """Save a new session once.

    The same form sent twice gives the first one's id. A form that was saved and then changed
    (the back button) is not taken for the saved one: it asks, and would be another session. What
    looks like a slip asks too, unless the form says that it was ``seen``.
    """
    sent = filled.sent
    lock_person(session, author.person_id)
    who, key = author.person_id, sent["form_key"]
    known = submission_check(session, who, key, content.held_on, author.at)
    if known.was_saved and (before := saved_from(session, who, key)):
        return _again(before, content)
    problems = (
        *_check_open(session, rulebooks, author, filled, content),
        *_check_room(content, known.logged),
        *([("hours", format_most())] if known.has_most else []),
    )
    if problems:
        return Outcome(problems=problems)
    if warnings := find_warnings(content, known.logged, sent["seen"]):
        return Outcome(warnings=warnings)
    return Outcome(add_unsaved(session, rulebooks, author, content, sent["form_key"]).id)


def save_change(
    session: Session,
    rulebooks: Rulebooks,
    author: Author,
    *,
    entry_id: int,
    filled: Filled,
    content: Content,
) -> Outcome:
    """Change one's own entry, unless it changed since the form was filled from it.

    Unusual hours ask first, unless the form says that they were ``seen``.
    """
    lock_person(session, author.person_id)
    logged = logged_on(session, author.person_id, content.held_on)
    others = [one for one in logged if one.id != entry_id]
    problems = (
        *_check_open(session, rulebooks, author, filled, content),
        *_check_room(content, others),
    )
    if problems:
        return Outcome(problems=problems)
    if minutes := unusual(content.minutes, filled.sent["seen"]):
        return Outcome(warnings=Warnings(minutes=minutes))
    version = filled.sent["version"]
    try:
        changed = change_entry(
            session, rulebooks, author, entry_id, content=content, version=version
        )
    except ChangedMeanwhile:
        return _changed_meanwhile(find_entry(session, author.person_id, entry_id))
    if not changed:
        raise HTTPException(404)
    return Outcome(entry_id)


def _again(before: LoggedEntry, content: Content) -> Outcome:
    """What becomes of a form that was saved before, as it was or changed since."""
    if content_of(before) != content:
        return Outcome(problems=(_saved_already(before),), form_key=new_form_key())
    return Outcome(before.id)


def _saved_already(before: LoggedEntry) -> Problem:
    saved = f"{format_hours_with_unit(before.minutes)} on {format_date(before.held_on)}"
    words = f"This form was saved already, as {saved}. Save again to add a second session"
    return "activity", words


def _changed_meanwhile(stored: LoggedEntry | None) -> Outcome:
    if stored is None:
        raise HTTPException(404)
    now = f"{format_hours_with_unit(stored.minutes)} on {format_date(stored.held_on)}"
    words = f"This entry was changed meanwhile: it is now {now}. Save again to replace that"
    return Outcome(problems=(("activity", words),), version=version_of(stored))


def _check_open(
    session: Session, rulebooks: Rulebooks, author: Author, filled: Filled, content: Content
) -> Iterator[Problem]:
    """Whether the day of the session is closed; asked of the database only if it may be."""
    if filled.setting.closing.closed(content.held_on) is None:
        return
    closed = cycle_lock_for(session, rulebooks, author.person_id, content.held_on, author.at)
    if closed is not None:
        yield "day", format_closed(closed)


def _check_room(content: Content, others: list[Logged]) -> Iterator[Problem]:
    """Whether the day holds the session beside the others that are logged on it."""
    minutes = sum(one.minutes for one in others)
    if minutes + content.minutes > MINUTES_IN_DAY:
        so_far = f"{format_hours_with_unit(minutes)} on {format_date(content.held_on)}"
        whole = format_hours(MINUTES_IN_DAY)
        words = f"You have logged {so_far} already: the day has only {whole} hours in all"
        yield "hours", words


@dataclass(frozen=True, slots=True)
class Job:
    """How to ``read`` the form, and how to ``save`` what it says (to the entry ``editing``).

    ``leaving`` are the ids of the entry's files that saving removes.
    """

    read: Callable[[Session], Filled]
    save: Callable[[Session, Filled, Content], Outcome]
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

    def write(self, session: Session) -> tuple[Filled, Outcome, set[str]]:
        """Save it with its files, or keep these for when it comes back; and the names kept."""
        filled = self.job.read(session)
        key = filled.sent["form_key"]
        fitting, refused = self._fit_in(session, key)
        if refused or filled.content is None:
            outcome = Outcome(problems=tuple(("files", words) for words in refused))
        else:
            outcome = self.job.save(session, filled, filled.content)
        if not fitting and not self.has_drafts:
            return filled, outcome, set()
        if outcome.form_key:
            move_drafts(session, self.author, key, outcome.form_key)
            key = outcome.form_key
        taken = keep_files(session, self.author, key, fitting, outcome.entry_id)
        return filled, outcome, taken

    def _fit_in(self, session: Session, key: str) -> tuple[Sequence[Received], Sequence[str]]:
        if not self.upload.received:
            return (), self.upload.refused
        of_form = (key, self.job.editing)
        received, leaving = self.upload.received, self.job.leaving
        fitting, full = fit_in(session, self.site, self.author, received, of_form, leaving)
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
    session: Session, site: Site, author: Author, posted: Posted, job: Job
) -> tuple[Filled, Outcome]:
    """The same for a form without files, in the transaction that is open."""
    sent = _Sent(site, author, Upload(), "kept" in posted.texts, job)
    filled, outcome, _ = sent.write(session)
    return filled, outcome


def _tidy(site: Site, author: Author, upload: Upload, taken: set[str]) -> None:
    folder = folder_of(site)
    if folder is not None and upload.received:
        folder.remove(file.stored_as for file in upload.received if file.stored_as not in taken)
        site.background.run_once(sweep, site, author.at)


# Who sent a form, and what became of it: None where they are nobody who may.
Saved = tuple[Viewer | None, tuple[Filled, Outcome] | None]


async def save_posted(request: Request, site: Site, at: datetime, posted: Posted) -> Saved:
    """Save the session that a form describes once, for whoever sent it."""
    if posted.files:
        return await run_in_threadpool(_with_files, request, site, at, posted)
    return await site.writer.run_async(partial(_texts, request, site, at, posted))


def _texts(request: Request, site: Site, at: datetime, posted: Posted, session: Session) -> Saved:
    # Whoever may not is told so outside: to raise here would hold up all that is saved together.
    found = viewer_in_session(session, request, site, at)
    if found is None or found.person_id is None:
        return found, None
    author = Author(found.person_id, found.email, at)
    return found, send_texts(session, site, author, posted, _job(site, author, posted))


def _with_files(request: Request, site: Site, at: datetime, posted: Posted) -> Saved:
    found = viewer_of_request(request, site, at)
    if found is None or found.person_id is None:
        return found, None
    author = Author(found.person_id, found.email, at)
    return found, send(site, author, posted, _job(site, author, posted))


def _job(site: Site, author: Author, posted: Posted) -> Job:
    def read(session: Session) -> Filled:
        setting = read_setting(session, site.rulebooks, author.person_id, author.at)
        return read_form(session, setting, posted)

    def save(session: Session, filled: Filled, content: Content) -> Outcome:
        return save_new(session, site.rulebooks, author, filled, content)

    return Job(read, save)
