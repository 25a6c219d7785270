"""Databases to back up, with a file of evidence, and empty ones to restore into."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Table, select
from sqlmodel import Session

from tests.support.cast import ALICE, NOW, Cast, acting
from tests.support.databases import postgres_database, sqlalchemy_url
from tests.support.files import PDF
from tracker.db.engine import open_engine, writing
from tracker.db.tables import METADATA
from tracker.services.backup import Backup, make_backup
from tracker.services.evidence import ReceivedFile, keep_files
from tracker.services.evidence_storage import EvidenceFolder, digest_of
from tracker.services.restore import Restored, restore_backup


@dataclass
class Kept:
    """A filled database, its folder of evidence, and an empty database beside."""

    cast: Cast
    folder: Path
    empty_url: str
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence"

    @property
    def restored(self) -> Path:
        return self.folder / "restored"

    def prove(self, content: bytes = PDF) -> str:
        """Keep a file of Alice's; its stored name."""
        name = EvidenceFolder(self.evidence).write(content)
        file = ReceivedFile("x.pdf", "application/pdf", len(content), digest_of(content), name)
        with writing(self.cast.engine) as session:
            keep_files(
                acting(session, self.cast, ALICE), name[:32], [file], self.cast.entries["rsc"]
            )
        self.files[name] = content
        return name

    def back_up(self, seconds: int = 0) -> Backup:
        at = NOW + timedelta(seconds=seconds)
        return make_backup(self.cast.url, self.evidence, self.folder / "backups", at)

    def restore(self, made: Backup, *, revoke_access: bool = True) -> Restored:
        return restore_backup(
            made.path, self.empty_url, self.restored, NOW, revoke_access=revoke_access
        )

    def found(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.restored.iterdir()}


def rows_of(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, in any order."""
    engine = open_engine(url)
    with Session(engine) as connection:
        found = {name: _rows(connection, table) for name, table in METADATA.tables.items()}
    engine.dispose()
    return found


def _rows(session: Session, table: Table) -> list[tuple[object, ...]]:
    return sorted((tuple(row) for row in session.connection().execute(select(table))), key=repr)


@contextmanager
def empty_beside(url: str, folder: Path, number: int = 0) -> Iterator[str]:
    """The URL of an empty database of the same kind as the one at ``url``."""
    if url.startswith("sqlite"):
        yield f"sqlite:///{folder / f'restored-{number}' / 'tracker.db'}"
        return
    with postgres_database(url) as name:
        yield sqlalchemy_url(url, name)
