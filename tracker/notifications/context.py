"""What every job works with, wired once by the outermost function."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import writing
from tracker.mail.compose import Composer, load_composer
from tracker.rulebooks import Rulebooks, load_notice_config
from tracker.rules.notice_config import NoticeConfig
from tracker.settings import Settings, templates_folder


@dataclass(frozen=True)
class JobContext:
    """Settings, rules, templates, and how a job writes.

    ``transaction`` opens a transaction that commits at its end; a dry run's are all parts of
    one that is rolled back.
    """

    settings: Settings
    rulebooks: Rulebooks
    notices: NoticeConfig
    composer: Composer
    transaction: Callable[[], AbstractContextManager[Session]]

    def reply_to(self, association: str) -> dict[str, str]:
        """As `reply_to`, by this context's settings."""
        return reply_to(self.settings, association)


def reply_to(settings: Settings, association: str) -> dict[str, str]:
    """Answers go to the association's coordinators: the mails ask people to reply."""
    coordinators = settings.coordinators_of(association)
    return {"Reply-To": ", ".join(c.email for c in coordinators)} if coordinators else {}


def open_context(
    settings: Settings, rulebooks: Rulebooks, engine: Engine, patience: float | None = None
) -> JobContext:
    """An context that commits. Raises RulebookError where notices.toml is.

    Its transactions wait for others, for so many seconds of ``patience`` if there is a limit.
    """
    return JobContext(
        settings=settings,
        rulebooks=rulebooks,
        notices=load_notice_config(settings.config_dir),
        composer=load_composer(templates_folder(), settings.mail.sender, settings.base_url),
        transaction=lambda: writing(engine, patience),
    )


@contextmanager
def dry_run_context(context: JobContext, engine: Engine) -> Iterator[JobContext]:
    """The same context, all of whose writing is undone at the end."""
    with engine.connect() as opened:
        outer = opened.execution_options(writes=True).begin()

        @contextmanager
        def transaction() -> Iterator[Session]:
            with Session(opened, expire_on_commit=False) as session:
                yield session
                session.flush()

        try:
            yield JobContext(
                context.settings, context.rulebooks, context.notices, context.composer, transaction
            )
        finally:
            outer.rollback()
