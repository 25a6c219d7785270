"""Importers on a fresh database each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.importer.importer import Importer
from tracker.db.engine import open_engine


@pytest.fixture
def importer(database_url: str, tmp_path: Path) -> Iterator[Importer]:
    """An importer on each engine."""
    yield from _importer(database_url, tmp_path)


@pytest.fixture
def sqlite_importer(sqlite_url: str, tmp_path: Path) -> Iterator[Importer]:
    """An importer on SQLite, for what does not touch the database's ways."""
    yield from _importer(sqlite_url, tmp_path)


def _importer(url: str, tmp_path: Path) -> Iterator[Importer]:
    engine = open_engine(url)
    folder = tmp_path / "files"
    folder.mkdir()
    yield Importer(engine, folder)
    engine.dispose()
