"""Runs jobs on one database with the real rules and a few people."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import SecretStr
from sqlalchemy import Engine, event, select, text, update

from tests.rules.case_data import REAL, TESTS, CasePeople
from tracker.db.engine import open_engine, reading, writing
from tracker.db.signing_keys import body_cipher
from tracker.db.tables import METADATA
from tracker.jobs.runner import JobRun, run_due
from tracker.notifications.context import open_context
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import NoticeConfig, NoticeConfigs
from tracker.services.evaluation import evaluate_people
from tracker.services.notices import list_decisions
from tracker.settings import AssociationSettings, Coordinator, Schedule, Settings

CONFIG = TESTS.parent / "config"
BASE_URL = "https://hours.example.org"
DANA = Coordinator(email="dana@nc.example", name="Dana", association="NCIMHA")
CARLA = Coordinator(email="carla@ct.example", name="Carla", association="CT-AIMH")
NEW_YORK = "America/New_York"
# Few of the four: each association costs every run its share of time.
ONE = replace(REAL, associations={"NCIMHA": REAL.associations["NCIMHA"]})
TWO = replace(REAL, associations={name: REAL.associations[name] for name in ("NCIMHA", "CT-AIMH")})

# Alice has trained, is a member for two years, and lacks 3.5 of 12 hours with Bob.
ALICE = "NCIMHA IFS 2020-05-01"
BOB = "NCIMHA IMHM-C 2015-01-01"
TRAINED = "training 15h DEIA 1h 2024-02-01"
SUPERVISED = "rsc 8.5h 2024-03-01 with Bob"
MEMBER = "NCIMHA 2024-01-01..2026-12-31"


class Mail(NamedTuple):
    """A message of the outbox as its reader sees it."""

    dedupe_key: str
    message_id: str
    association: str
    recipient: str
    subject: str
    message: EmailMessage

    @property
    def text(self) -> str:
        """The text part."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML part."""
        return self._part("html")

    def _part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        assert part is not None
        return str(part.get_content())


class Step(NamedTuple):
    """A decision in a few words: ``renewal -90 2024-12-31``, and why it was skipped."""

    what: str
    reason: str | None


class JobHarness:
    """An context at work; ``ids`` are of people, ``endorsements`` as `CasePeople` writes them.

    ``may_be_killed`` keeps the engine's own safety, which other tests trade for speed.
    """

    def __init__(
        self,
        url: str,
        *,
        rulebooks: Rulebooks = TWO,
        coordinators: tuple[Coordinator, ...] = (DANA, CARLA),
        judge_renewals_due_from: dict[str, date] | None = None,
        schedule: Schedule | None = None,
        associations: dict[str, AssociationSettings] | None = None,
        may_be_killed: bool = False,
    ) -> None:
        self.url = url
        self.rulebooks = rulebooks
        self.engine = open_engine(url) if may_be_killed else _quick(open_engine(url))
        self.settings = Settings(
            database_url=SecretStr(url),
            base_url=BASE_URL,
            config_dir=CONFIG,
            coordinators=coordinators,
            judge_renewals_due_from=judge_renewals_due_from or {},
            schedule=schedule or Schedule(),
            associations=associations or {},
        )
        self.context = open_context(self.settings, rulebooks, self.engine)
        self.ids: dict[str, int] = {}
        self.endorsements: dict[str, int] = {}

    def configure(self, notices: NoticeConfig, **own: NoticeConfig) -> None:
        """Work with other steps; ``own`` are those of associations."""
        self.context = replace(self.context, notices=NoticeConfigs(notices, own))

    @contextmanager
    def storing(self, instant: datetime) -> Iterator[CasePeople]:
        """Store what is told, and judge everyone anew as of ``instant``, in one transaction."""
        with writing(self.engine) as session:
            yield CasePeople(session, self.ids, self.endorsements)
            evaluate_people(session, self.rulebooks, self.ids.values(), instant)

    def add_alice(self, instant: datetime) -> None:
        """Alice, who lacks 3.5 hours of RSC, and Bob, her provider."""
        with self.storing(instant) as people:
            people.add("Bob", [BOB], provides_rsc=True)
            people.add("Alice", [ALICE])
            people.join(MEMBER)
            people.log(TRAINED)
            people.log(SUPERVISED)

    def run(self, *instants: datetime) -> list[JobRun]:
        """Do what is due at each instant in turn."""
        return [ran for instant in instants for ran in run_due(self.context, instant, self._clock)]

    @staticmethod
    def _clock() -> datetime:
        """When a run takes place does not matter; when it is asked for does."""
        return datetime(2024, 1, 1, tzinfo=UTC)

    def decisions(self, **where: object) -> list[dict[str, Any]]:
        """The notice ledger, with the keys of `tracker notices --json`."""
        with reading(self.engine) as session:
            rows = [decision._asdict() for decision in list_decisions(session)]
        return [row for row in rows if where.items() <= row.items()]

    def steps(self, outcome: str | None = None, **where: object) -> list[Step]:
        """The decisions in words, in the order of taking."""
        return [
            Step(f"{row['kind']} {row['step']} {row['due_on']}", row["reason"])
            for row in self.decisions(**where)
            if outcome in (None, row["outcome"])
        ]

    def sent(self, **where: object) -> list[str]:
        """The steps that were sent, in words."""
        return [what for what, _ in self.steps("sent", **where)]

    def mails(self, kind: str = "notices") -> list[Mail]:
        """The outbox's messages of one kind, oldest first."""
        outbox = METADATA.tables["outbox"]
        names = [*Mail._fields[:-1], "body"]
        query = select(*(outbox.c[name] for name in names)).where(outbox.c.kind == kind)
        with reading(self.engine) as session:
            rows = session.connection().execute(query.order_by(outbox.c.id)).all()
            bodies = [body_cipher(session).decrypt(row.message_id, row.body) for row in rows]
        mails = []
        for row, body in zip(rows, bodies, strict=True):
            message = message_from_bytes(body or b"", policy=policy.default)
            mails.append(Mail._make([*row[:-1], message]))
        return mails

    def runs(self, job: str, association: str) -> list[date]:
        """The dates in the run ledger, in order."""
        table = METADATA.tables["run_ledger"]
        query = select(table.c.local_date).where(
            table.c.job == job, table.c.association == association
        )
        with reading(self.engine) as session:
            return list(session.scalars(query.order_by(table.c.local_date)))

    def finish(
        self, state: str, at: datetime, error: str | None = None, *, bounced: bool | None = None
    ) -> None:
        """Have every mail of the outbox sent, or failed for good."""
        self.change("outbox", state=state, finished_at=at, last_error=error, bounced=bounced)

    def change(self, table: str, **values: object) -> None:
        """Set columns in all rows of a table."""
        with writing(self.engine) as session:
            session.connection().execute(update(METADATA.tables[table]).values(values))

    def execute(self, sql: str, **parameters: object) -> None:
        """Run one statement."""
        with writing(self.engine) as session:
            session.connection().execute(text(sql), parameters)

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables."""
        with reading(self.engine) as session:
            return {
                name: [
                    tuple(row)
                    for row in session.connection().execute(
                        select(table).order_by(*table.primary_key)
                    )
                ]
                for name, table in METADATA.tables.items()
            }


def _quick(engine: Engine) -> Engine:
    """Nothing here has to survive a power cut, nor (its journal is in memory) a killed process."""
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _on_connect(connection: Any, _record: object) -> None:  # noqa: ANN401 - a driver's own
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = MEMORY")

    return engine


def at(text: str, zone: str = NEW_YORK) -> datetime:
    """``2024-12-01 08:00``, or the morning after all jobs of a day, in a zone."""
    naive = datetime.fromisoformat(text if " " in text else f"{text} 09:00")
    return naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
