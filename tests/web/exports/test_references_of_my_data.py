"""All my data where sessions have the same reference, as its hint invites: a folder, a certificate.

Where it comes from an import of it changes nothing, and another place gets every session.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from sqlmodel import Session

from tests.support.cast import ALICE
from tests.web.client import TRAINING, WebClient
from tests.web.exports.test_my_data import archive_of, import_all
from tracker.db.engine import open_engine, reading, writing
from tracker.db.migrate import migrate
from tracker.db.tables import METADATA

ENTRY, IMPORTED = METADATA.tables["entry"], METADATA.tables["imported_row"]
TOLD = ("activity", "held_on", "minutes", "title", "format", "reference")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    migrate(url)
    engine = open_engine(url)
    yield engine
    engine.dispose()


def sessions(engine: Engine) -> list[str]:
    """What Alice's sessions say."""
    person = METADATA.tables["person"]
    query = select(*(ENTRY.c[name] for name in TOLD)).join_from(
        ENTRY, person, person.c.id == ENTRY.c.person_id
    )
    with reading(engine) as session:
        return sorted(map(str, session.connection().execute(query.where(person.c.email == ALICE))))


def remember(web: WebClient, entry: str, reference: str) -> None:
    """As if a file with a provider's address had brought the entry with a reference."""
    cast = web.cast
    row = {"person_id": cast.people[ALICE], "key": f"ref:{reference}", "digest": "0" * 64}
    with writing(cast.engine) as session:
        session.connection().execute(insert(IMPORTED).values(**row, entry_id=cast.entries[entry]))


def refer(session: Session, web: WebClient, entry: str, reference: str | None) -> None:
    its = ENTRY.c.id == web.cast.entries[entry]
    session.connection().execute(update(ENTRY).where(its).values(reference=reference))


def is_taken_in_whole(web: WebClient, folder: Path, elsewhere: Engine) -> None:
    before = web.cast.rows("entry")
    archive_of(web, ALICE).extractall(folder)
    for _ in range(2):
        counts = import_all(web.cast.engine, folder).counts["entries"]
        assert (counts.added, counts.changed) == (0, 0)
    assert web.cast.rows("entry") == before
    for again in (False, True):
        counts = import_all(elsewhere, folder).counts["entries"]
        assert bool(counts.added) is not again
        assert counts.changed == 0
    assert sessions(elsewhere) == sessions(web.cast.engine)


def test_sessions_with_one_reference_are_all_exported(
    sqlite_web: WebClient, tmp_path: Path, elsewhere: Engine
) -> None:
    alice = sqlite_web.visit(ALICE)
    forms = ({"title": "Book club"}, {"title": "Film", "day": "19"}, {"title": "Map", "day": "18"})
    for form in forms:
        assert alice.log(TRAINING | form | {"reference": "REF-1"}).status_code == 303
    with writing(sqlite_web.cast.engine) as session:
        # Two that nothing tells apart.
        film = ENTRY.c.title.in_(("Film", "Map"))
        same = {
            "title": "Film",
            "held_on": select(ENTRY.c.held_on).where(film).limit(1).scalar_subquery(),
        }
        session.connection().execute(delete(METADATA.tables["entry_topic"]))
        session.connection().execute(update(ENTRY).where(film).values(same))
    is_taken_in_whole(sqlite_web, tmp_path, elsewhere)
    assert len([each for each in sessions(elsewhere) if "REF-1" in each]) == len(forms)


def given_to_another(session: Session, web: WebClient) -> None:
    refer(session, web, "training", "B-2")
    refer(session, web, "rsc", "A-1")


def left_by_one_that_was_deleted(session: Session, web: WebClient) -> None:
    session.connection().execute(delete(ENTRY).where(ENTRY.c.id == web.cast.entries["training"]))
    refer(session, web, "rsc", "A-1")


def typed_again(session: Session, web: WebClient) -> None:
    refer(session, web, "training", "A-1")
    refer(session, web, "rsc", "A-1")


@pytest.mark.parametrize("happened", [given_to_another, left_by_one_that_was_deleted, typed_again])
def test_an_imported_reference_is_not_used_again(
    sqlite_web: WebClient,
    tmp_path: Path,
    elsewhere: Engine,
    happened: Callable[[Session, WebClient], None],
) -> None:
    remember(sqlite_web, "training", "A-1")
    with writing(sqlite_web.cast.engine) as session:
        happened(session, sqlite_web)
    is_taken_in_whole(sqlite_web, tmp_path, elsewhere)


def test_an_own_reference_finds_its_session(
    sqlite_web: WebClient, tmp_path: Path, elsewhere: Engine
) -> None:
    for minutes in (60, 120):
        with writing(sqlite_web.cast.engine) as session:
            refer(session, sqlite_web, "training", "A-1")
            its = ENTRY.c.id == sqlite_web.cast.entries["training"]
            session.connection().execute(update(ENTRY).where(its).values(minutes=minutes))
        archive_of(sqlite_web, ALICE).extractall(tmp_path)
        counts = import_all(elsewhere, tmp_path).counts["entries"]
        assert (counts.changed == 1) is (minutes > 60)
    assert sessions(elsewhere) == sessions(sqlite_web.cast.engine)
