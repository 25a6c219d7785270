"""The cast of the tests of pages: who holds what, and what is logged, on one Sunday."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select
from sqlmodel import Session

from tests.support.databases import FilledDatabase
from tracker.db.engine import open_engine, reading, writing
from tracker.db.signing_keys import body_cipher
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.settings import Coordinator, Settings

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
BASE_URL = "http://testserver"
CONFIG = Path(__file__).parents[2] / "config"
REAL_BOOKS: Rulebooks = load_rulebooks(CONFIG)
ATTESTING, PAYING, REMOVING = "ATTESTING", "PAYING", "REMOVING"
_IMAGINED = load_rulebooks(Path(__file__).parents[1] / "rulebooks")
_TAKEN = (ATTESTING, PAYING, REMOVING)
# The real rulebooks, and imagined ones whose renewals are submitted, paid for, or removed.
BOOKS = replace(
    REAL_BOOKS,
    associations={**REAL_BOOKS.associations, **{n: _IMAGINED.associations[n] for n in _TAKEN}},
    organizations={**REAL_BOOKS.organizations, **{n: _IMAGINED.organizations[n] for n in _TAKEN}},
)

ALICE, BOB, ERIN = "alice@example.org", "bob@example.org", "erin@example.org"
DANA, EVE = "dana@example.org", "eve@example.org"
CAROL, DAN, KAI = "carol@example.org", "dan@example.org", "kai@example.org"
LEE, REX = "lee@example.org", "rex@example.org"
COORDINATORS = (
    Coordinator(email=CAROL, name="Carol Reyes", association="NCIMHA"),
    Coordinator(email=DAN, name="Dan Whitfield", association="CT-AIMH"),
    Coordinator(email=KAI, name="Kai Akana", association=ATTESTING),
    Coordinator(email=LEE, name="Lee Novak", association=PAYING),
    Coordinator(email=REX, name="Rex Amato", association=REMOVING),
)
_FILLED = FilledDatabase()


@dataclass
class Cast:
    """The database with everybody in it; ids by email address."""

    url: str
    engine: Engine
    people: dict[str, int] = field(default_factory=dict)
    endorsements: dict[str, int] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    applications: dict[str, int] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """Settings that name the coordinators."""
        return Settings(
            database_url=self.url,
            base_url=BASE_URL,
            config_dir=CONFIG,
            coordinators=COORDINATORS,
        )

    def rows(self, table: str, **where: object) -> list[dict[str, Any]]:
        """The rows of a table whose columns are as given, in the order of their keys."""
        found = METADATA.tables[table]
        query = select(found).filter_by(**where).order_by(*found.primary_key)
        with self.engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        if table == "outbox":
            with reading(self.engine) as session:
                for row in rows:
                    cipher = body_cipher(session)
                    row["body"] = cipher.decrypt(row["message_id"], row["body"])
        return rows


def acting(session: Session, cast: Cast, email: str, now: datetime = NOW) -> ServiceContext:
    """A service context in which one of the cast acts."""
    return ServiceContext(session, BOOKS, Actor(email, cast.people[email]), now)


def _add(session: Session, table: str, **values: object) -> int:
    found = METADATA.tables[table]
    statement = insert(found).values(**values).returning(found.c.id)
    return int(session.connection().execute(statement).scalar_one())


def fill(url: str) -> Cast:
    """Alice is short of 3.5 RSC hours and one of DEIA; Bob has logged nothing; Erin is elsewhere.

    Dana is vetted and provides RSC. Eve is known, and holds nothing. The database at ``url`` has
    no rows yet.
    """
    cast = Cast(url, open_engine(url))
    ids = _FILLED.copy_to(cast.engine)
    if ids is None:
        _fill(cast)
        _FILLED.keep(cast.engine, (cast.people, cast.endorsements, cast.entries))
    else:
        cast.people, cast.endorsements, cast.entries = ids
    return cast


def _fill(cast: Cast) -> None:
    with writing(cast.engine) as session:
        for email, name in (
            (ALICE, "Alice Moreno"),
            (BOB, "Bob Osei"),
            (ERIN, "Erin Vance"),
            (DANA, "Dana Ruiz"),
            (EVE, "Eve Chen"),
        ):
            second = "alice@home.example" if email == ALICE else None
            cast.people[email] = _add(
                session,
                "person",
                email=email,
                name=name,
                second_email=second,
                highest_degree="master",
                provides_rsc=email == DANA,
            )
        _endorse(session, cast)
        _log(session, cast)
        evaluate_people(session, BOOKS, cast.people.values(), NOW)


def _endorse(session: Session, cast: Cast) -> None:
    for email, association in ((ALICE, "NCIMHA"), (BOB, "NCIMHA"), (ERIN, "CT-AIMH")):
        cast.endorsements[email] = _add(
            session,
            "endorsement",
            person_id=cast.people[email],
            association=association,
            category="IFS",
            starts_on=date(2026 if email == ERIN else 2024, 3, 1),
        )
    _add(
        session,
        "vetting",
        person_id=cast.people[DANA],
        association="NCIMHA",
        starts_on=date(2020, 1, 1),
    )
    for year in (2025, 2026):
        _add(
            session,
            "membership",
            person_id=cast.people[ALICE],
            organization="NCIMHA",
            starts_on=date(year, 1, 1),
            ends_on=date(year, 12, 31),
        )


def _log(session: Session, cast: Cast) -> None:
    def log(key: str, email: str, activity: str, day: date, minutes: int, **more: object) -> None:
        cast.entries[key] = _add(
            session,
            "entry",
            person_id=cast.people[email],
            activity=activity,
            held_on=day,
            minutes=minutes,
            **more,
        )

    dana = cast.people[DANA]
    for month in (1, 3, 4, 6, 8):
        log(
            f"rsc-{month}",
            ALICE,
            "rsc",
            date(2026, month, 12),
            90,
            title="Group RSC",
            provider_id=dana,
            format="group",
        )
    log("rsc", ALICE, "rsc", date(2026, 11, 14), 60, title="RSC", provider_id=dana)
    log("unknown", ALICE, "rsc", date(2026, 10, 19), 60, title="RSC", provider_name="Jo Hart")
    log("training", ALICE, "training", date(2026, 5, 2), 990, title="Infant mental health week")
    log("old", ALICE, "training", date(2025, 5, 2), 930, title="Last year's conference")
    log("old-rsc", ALICE, "rsc", date(2025, 6, 2), 720, title="RSC", provider_id=dana)
    session.connection().execute(
        insert(METADATA.tables["entry_topic"]).values(
            entry_id=cast.entries["old"],
            topic="DEIA",
            person_id=cast.people[ALICE],
            held_on=date(2025, 5, 2),
            minutes=60,
        )
    )
    log("erin", ERIN, "training", date(2026, 5, 2), 60, title="Erin's own secret training")
