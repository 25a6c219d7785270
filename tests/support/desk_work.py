"""The desk's long work without a browser: five people, a mailing to them, and files about them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import event
from sqlmodel import Session

from tests.support.auditing import accept, acts, ask_everyone
from tests.support.cast import ATTESTING, BOOKS, CONFIG, KAI, Cast, fill
from tests.support.databases import FilledDatabase
from tests.support.submitting import SUBMITTED_AT
from tracker.branding import Look
from tracker.cli.desk_work import BATCHES
from tracker.db.desk_tasks import DeskTask
from tracker.db.engine import reading, writing
from tracker.exports import audit_file, certificate_bundles
from tracker.exports.audit_file import start_audit_file
from tracker.exports.certificate_bundles import start_certificates
from tracker.exports.certificate_files import Printable
from tracker.jobs.desk_work import DeskWorkRunner
from tracker.notifications import mailing_sending
from tracker.notifications.context import JobContext, open_context
from tracker.notifications.mailing_mail import Sender
from tracker.notifications.mailing_sending import send_mailing
from tracker.services.context import ServiceContext
from tracker.services.desk_tasks import AUDIT_FILE, CERTIFICATES, MAILING
from tracker.services.mailing_rules import MailingTemplate
from tracker.services.mailings import MailingInput
from tracker.services.people_list import list_people
from tracker.services.selections import create_selection, get_selection

PEOPLE = ("Hal Keawe", "Ivo Kane", "Lia Puna", "May Nalu", "Noa Ikaika")
DUE = date(2027, 12, 15)
WRITER = Sender("Kai Akana", KAI)
_FILLED = FilledDatabase()


class Killed(BaseException):
    """The process dies here: nothing catches it, and what is not committed is gone."""


def email_of(name: str) -> str:
    return f"{name.split(maxsplit=1)[0].lower()}@example.org"


def fill_desk(url: str) -> Cast:
    """The cast, and five people with accepted renewals, all of which are audited."""
    cast = fill(url)
    ids = _FILLED.copy_to(cast.engine)
    if ids is None:
        with writing(cast.engine) as session:
            for name in PEOPLE:
                accept(session, cast, email_of(name), name, SUBMITTED_AT)
            ask_everyone(session, cast, SUBMITTED_AT, DUE)
        _FILLED.keep(cast.engine, (cast.people, cast.endorsements, cast.entries))
    else:
        cast.people, cast.endorsements, cast.entries = ids
    return cast


def print_quickly(printable: Printable, _base_url: str, _look: Look | None) -> bytes:
    """What stands for a PDF in tests: typesetting one takes a process and half a second."""
    return printable.verified.name.encode()


def use_small_batches(patch: Callable[[object, str, object], None] = setattr) -> None:
    """Of the five people, work on two in each batch, and print nothing."""
    for module in (mailing_sending, audit_file, certificate_bundles):
        patch(module, "BATCH", 2)
    patch(certificate_bundles, "certificate_pdf", print_quickly)


@dataclass
class LongWork:
    """The desk of the five people's association, and a process that works for it."""

    cast: Cast
    now: datetime = SUBMITTED_AT + timedelta(days=1)
    context: JobContext = field(init=False)

    def __post_init__(self) -> None:
        settings = self.cast.settings.model_copy(update={"config_dir": CONFIG})
        self.context = open_context(settings, BOOKS, self.cast.engine)

    @property
    def runner(self) -> DeskWorkRunner:
        return DeskWorkRunner(self.context, BATCHES, lambda: self.now)

    @property
    def people(self) -> list[int]:
        return [self.cast.people[email_of(name)] for name in PEOPLE]

    def acting(self, session: Session) -> ServiceContext:
        """The context of the association's coordinator."""
        return acts(session, self.cast, KAI, self.now)

    def start(self, kind: str) -> int:
        """Begin work of a kind about all five; the id of the task."""
        with writing(self.cast.engine) as session:
            begin = {MAILING: self._send, AUDIT_FILE: self._pack, CERTIFICATES: self._print}
            begin[kind](self.acting(session))
        return int(self.cast.rows("desk_task")[-1]["id"])

    def _send(self, context: ServiceContext) -> None:
        words = ("A word", "Hello {name}", "All five")
        key = f"{len(self.cast.rows('mailing')):032}"
        people = tuple(self.people)
        typed = MailingInput(ATTESTING, MailingTemplate.FREE, *words, people, key)
        send_mailing(self.context, context, typed, WRITER)

    def _pack(self, context: ServiceContext) -> None:
        start_audit_file(context, 1)

    def _print(self, context: ServiceContext) -> None:
        session = context.session
        listed = list_people(session, ATTESTING, self.now, self.now.date())
        rows = [row for row in listed.rows if row.person_id in self.people]
        selection_id = create_selection(context, ATTESTING, rows)
        selected = get_selection(session, context.actor, selection_id, self.now)
        start_certificates(context, selected)

    def task(self, task_id: int) -> DeskTask:
        with reading(self.cast.engine) as session:
            task = session.get_one(DeskTask, task_id)
            session.expunge(task)
            return task

    def mailed(self) -> list[int]:
        """Whom messages of mailings are to, in the order in which they were written."""
        return [row["person_id"] for row in self.cast.rows("outbox", kind="mailing")]

    def made(self) -> dict[str, list[tuple[int, bytes]]]:
        """The pieces of files by name: the step of each, and its content."""
        pieces: dict[str, list[tuple[int, bytes]]] = {}
        for row in self.cast.rows("desk_task_piece"):
            pieces.setdefault(row["name"], []).append((row["number"], row["content"]))
        return pieces

    @contextmanager
    def dying_after(self, statements: int) -> Iterator[None]:
        """Let the process die at a statement, or at the commit, after so many of them."""
        left = statements

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        engine = self.cast.engine
        for name in ("before_cursor_execute", "commit"):
            event.listen(engine, name, count)
        try:
            yield
        finally:
            for name in ("before_cursor_execute", "commit"):
                event.remove(engine, name, count)

    def lives_for(self, task_id: int, statements: int) -> bool:
        """Work on a task for so many statements; whether the process was not killed."""
        try:
            with self.dying_after(statements):
                self.runner.run(task_id)
        except Killed:
            return False
        return True
