"""Sessions of a cycle whose renewal is submitted: imports leave them as they are, and say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.auditing import submit
from tests.support.cast import ALICE, CONFIG, Cast
from tests.support.submitting import FAY, SUBMITTED_AT, fill_with_fay
from tracker.cli.main import app
from tracker.db.engine import writing
from tracker.errors import UserError

HEAD = "email,activity,date,hours,title,reference\n"
FAY_AT_A_TALK = f"{FAY},training,2026-05-02,2,Talk,T1\n"
REFUSED = (
    "the renewal for 2025 to 2027 is submitted at ATTESTING, so its sessions can't be added or "
    "changed; return the renewal first, or leave this row out"
)


@pytest.fixture
def cast(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cast]:
    """Fay is an endorsee whose renewals are submitted."""
    monkeypatch.setenv("TRACKER_DATABASE_URL", database_url)
    monkeypatch.setenv("TRACKER_MASTER_KEY", "0" * 32)
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(CONFIG))
    cast = fill_with_fay(database_url)
    yield cast
    cast.engine.dispose()


def call(*arguments: str | Path) -> Result:
    called = CliRunner().invoke(app, list(map(str, arguments)))
    assert called.exception is None or isinstance(called.exception, SystemExit)
    return called


def import_rows(folder: Path, rows: str) -> Result:
    (folder / "entries.csv").write_text(HEAD + rows, encoding="utf-8")
    return call("import", folder / "entries.csv", "--as-of", "2027-11-16")


def submit_for_fay(cast: Cast) -> None:
    with writing(cast.engine) as session:
        submit(session, cast, FAY, SUBMITTED_AT)


def test_a_new_session_of_a_submitted_cycle_is_named(cast: Cast, tmp_path: Path) -> None:
    submit_for_fay(cast)
    alice = f"{ALICE},training,2026-05-02,2,Talk,T2\n"
    called = import_rows(tmp_path, alice + FAY_AT_A_TALK)
    assert called.stderr.splitlines() == [
        f'{tmp_path}/entries.csv:3: date "2026-05-02": {REFUSED}',
        "1 problem: nothing was stored.",
    ]
    assert cast.rows("entry", title="Talk") == []
    assert import_rows(tmp_path, FAY_AT_A_TALK.replace("2026-05", "2024-05")).exit_code == 0


def test_a_known_session_of_a_submitted_cycle_stays(cast: Cast, tmp_path: Path) -> None:
    assert import_rows(tmp_path, FAY_AT_A_TALK).exit_code == 0
    submit_for_fay(cast)
    assert import_rows(tmp_path, FAY_AT_A_TALK).exit_code == 0
    assert REFUSED in import_rows(tmp_path, FAY_AT_A_TALK.replace(",2,", ",3,")).stderr
    assert [row["minutes"] for row in cast.rows("entry", title="Talk")] == [120]


def test_undoing_an_import_keeps_what_was_submitted(cast: Cast, tmp_path: Path) -> None:
    alice = f"{ALICE},training,2026-05-02,2,Talk,T2\n"
    assert import_rows(tmp_path, alice + FAY_AT_A_TALK).exit_code == 0
    submit_for_fay(cast)
    undone = call("import", "--undo", "1")
    assert "the session belongs to a submitted renewal" in undone.output
    assert [row["person_id"] for row in cast.rows("entry", title="Talk")] == [cast.people[FAY]]


def test_a_submitted_session_is_not_removed(cast: Cast) -> None:
    submit_for_fay(cast)
    wanted = ["remove", "entry", FAY, "2026-03-02", "--reason", "x"]
    with pytest.raises(UserError, match="belongs to a submitted renewal"):
        CliRunner().invoke(app, wanted, catch_exceptions=False)
    assert len(cast.rows("entry", person_id=cast.people[FAY])) == 1
