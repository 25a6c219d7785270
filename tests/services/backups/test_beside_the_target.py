"""What lies where a backup shall be restored, and is none of ours: named, with what to do."""

import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.support.backups import Kept
from tracker.services.backup_files import BackupError

pytestmark = pytest.mark.usefixtures("durable_sqlite", "programs")


@pytest.fixture
def target(file_kept: Kept) -> Path:
    """The database that is to come, in a folder that is there."""
    file = Path(str(make_url(file_kept.empty_url).database))
    file.parent.mkdir()
    return file


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("put", [Path.mkdir, _link_to_nothing])
@pytest.mark.parametrize("end", ["-journal", "-wal", "-shm"])
def test_what_is_no_file_is_named_with_what_to_do(
    file_kept: Kept, target: Path, put: Callable[[Path], None], end: str
) -> None:
    beside = Path(f"{target}{end}")
    put(beside)
    words = f"{beside} is not a file, but SQLite writes one of that name: move it away"
    with pytest.raises(BackupError, match=re.escape(words)):
        file_kept.restore(file_kept.back_up())
    assert [*target.parent.iterdir()] == [beside]
    assert not file_kept.restored.exists()


def _refusing(monkeypatch: pytest.MonkeyPatch, refused: Path) -> None:
    """As where the file is another user's."""
    opened = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as it opens
        if path == refused:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)


def test_a_journal_that_may_not_be_read_is_named_with_what_to_do(
    file_kept: Kept, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, journal = file_kept.back_up(), Path(f"{target}-journal")
    journal.touch()
    _refusing(monkeypatch, journal)
    words = f"{journal} cannot be read (Permission denied): let this user read it, or move it away"
    with pytest.raises(BackupError, match=re.escape(words)):
        file_kept.restore(made)
    assert not target.exists()


def test_a_backup_that_may_not_be_read_is_named(
    file_kept: Kept, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = file_kept.back_up()
    _refusing(monkeypatch, made.path / "database")
    words = f"could not be restored: [Errno 13] Permission denied: '{made.path / 'database'}'"
    with pytest.raises(BackupError, match=re.escape(words)):
        file_kept.restore(made)
    assert not target.exists()
