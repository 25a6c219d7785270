"""What every job works with, wired once by the outermost function."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from tracker.mail.compose import Composer, load_composer
from tracker.notice_settings import load_notice_config
from tracker.records.store.engine import writing
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import NoticeConfig
from tracker.settings import Settings, templates_folder


@dataclass(frozen=True)
class Office:
    """Settings, rules, templates, and how a job writes.

    ``transaction`` opens a transaction that commits at its end; a dry run's are all parts of
    one that is rolled back.
    """

    settings: Settings
    books: Rulebooks
    notices: NoticeConfig
    composer: Composer
    transaction: Callable[[], AbstractContextManager[Connection]]

    def reply_to(self, association: str) -> dict[str, str]:
        """As `reply_to`, by this office's settings."""
        return reply_to(self.settings, association)


def reply_to(settings: Settings, association: str) -> dict[str, str]:
    """Answers go to the association's coordinators: the mails ask people to reply."""
    coordinators = settings.coordinators_of(association)
    return {"Reply-To": ", ".join(c.email for c in coordinators)} if coordinators else {}


def open_office(
    settings: Settings, books: Rulebooks, engine: Engine, patience: float | None = None
) -> Office:
    """An office that commits. Raises RulebooksWrong where notices.toml is.

    Its transactions wait for others, for so many seconds of ``patience`` if there is a limit.
    """
    return Office(
        settings=settings,
        books=books,
        notices=load_notice_config(settings.config_dir),
        composer=load_composer(templates_folder(), settings.mail.sender, settings.base_url),
        transaction=lambda: writing(engine, patience),
    )


@contextmanager
def rehearsal(office: Office, engine: Engine) -> Iterator[Office]:
    """The same office, all of whose writing is undone at the end."""
    with engine.connect() as opened:
        connection = opened.execution_options(writes=True)
        outer = connection.begin()

        @contextmanager
        def transaction() -> Iterator[Connection]:
            yield connection

        try:
            yield Office(
                office.settings, office.books, office.notices, office.composer, transaction
            )
        finally:
            outer.rollback()
