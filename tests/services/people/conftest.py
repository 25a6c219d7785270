"""A person to erase, on both engines or in a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backups import Kept
from tests.support.erasing import open_kept


@pytest.fixture
def kept(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    yield from open_kept(database_url, tmp_path, monkeypatch)


@pytest.fixture
def file_kept(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    yield from open_kept(sqlite_url, tmp_path, monkeypatch)
