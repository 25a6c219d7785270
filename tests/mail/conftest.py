"""An outbox to deliver from, on both engines."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from tracker.db.engine import open_engine, reading, writing
from tracker.mail import outbox
from tracker.mail.delivery import DeliveryReport, deliver_once
from tracker.mail.outbox import ListedMessage, Message
from tracker.mail.smtp_connection import parse_server
from tracker.settings import Mail

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@dataclass
class Post:
    """An outbox, a clock that stands still until it is set, and a way to deliver."""

    engine: Engine
    now: datetime = NOON
    mail: Mail = field(
        default_factory=lambda: Mail(
            sender="Renewals <renewals@example.org>", connections=1, timeout_seconds=10
        )
    )

    def put(self, *recipients: str, sender: str = "renewals@example.org") -> None:
        with writing(self.engine) as session:
            outbox.enqueue(session, [letter(name, sender) for name in recipients], self.now)

    def deliver(self, url: str, stop: asyncio.Event | None = None) -> DeliveryReport:
        server = parse_server(url)
        return asyncio.run(deliver_once(self.engine, server, self.mail, lambda: self.now, stop))

    def listed(self) -> list[ListedMessage]:
        with reading(self.engine) as session:
            return list(outbox.list_messages(session))

    def states(self) -> list[str]:
        return [row.state for row in self.listed()]

    def wait_for_answers(self, seconds: float) -> None:
        self.mail = self.mail.model_copy(update={"timeout_seconds": seconds})

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


def letter(recipient: str, sender: str = "renewals@example.org") -> Message:
    name = recipient.partition("@")[0]
    content = (
        f"From: {sender}\r\nTo: {name}@example.org\r\nSubject: Hello\r\n"
        f"Message-ID: <{name}@example.org>\r\n\r\nHello {name}\r\n.\r\n..two dots\r\nBye\r\n"
    )
    return Message(
        dedupe_key=f"day:{name}",
        message_id=f"<{name}@example.org>",
        kind="notices",
        association="NCIMHA",
        person_id=None,
        recipient=recipient,
        subject="Hello",
        body=content.encode(),
    )


@pytest.fixture
def post(database_url: str) -> Iterator[Post]:
    engine = open_engine(database_url)
    yield Post(engine)
    engine.dispose()


@pytest.fixture
def sqlite_post(sqlite_url: str) -> Iterator[Post]:
    """The same on SQLite, for tests that do not depend on the engine."""
    engine = open_engine(sqlite_url)
    yield Post(engine)
    engine.dispose()
