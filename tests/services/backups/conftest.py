"""Databases to back up, on both engines and on SQLite alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backups import Kept, empty_beside
from tests.support.cast import fill


def keeping(url: str, folder: Path) -> Iterator[Kept]:
    cast = fill(url)
    with empty_beside(url, folder) as empty_url:
        kept = Kept(cast, folder, empty_url)
        kept.prove()
        yield kept
    cast.engine.dispose()


@pytest.fixture
def kept(database_url: str, tmp_path: Path) -> Iterator[Kept]:
    yield from keeping(database_url, tmp_path)


@pytest.fixture
def file_kept(sqlite_url: str, tmp_path: Path) -> Iterator[Kept]:
    yield from keeping(sqlite_url, tmp_path)
