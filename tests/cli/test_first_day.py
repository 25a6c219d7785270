"""`tracker first-day`, and what `tracker import` asks about it."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.jobs.harness import JobHarness, at
from tests.support.cast import ALICE, BOB, Cast, fill
from tests.support.nights import evaluate_due
from tracker import clock
from tracker.cli import import_files
from tracker.cli.main import app
from tracker.db.engine import writing
from tracker.db.ledgers import RunRow

PEOPLE = "email,name\nnew@example.org,New Person\n"
HELD = "email,association,category,starts_on\nnew@example.org,NCIMHA,IFS,2021-01-01\n"


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Cast:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 22, 17, 0, tzinfo=UTC))
    return fill(sqlite_url)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def bring(folder: Path, *arguments: str) -> Result:
    """Import a person whose endorsement began years ago, and who has logged nothing."""
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "endorsements.csv").write_text(HELD)
    return call("import", str(folder), *arguments)


def statuses(cast: Cast, email: str = BOB) -> list[str]:
    held = cast.endorsements[email]
    return [row["status"] for row in cast.rows("standing", endorsement_id=held)]


def test_an_import_of_people_with_a_past_asks(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_files, "is_terminal", lambda: True)
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "endorsements.csv").write_text(HELD)
    asked = CliRunner().invoke(app, ["import", str(tmp_path)], input="soon\n2026-01-01\n")
    assert asked.exit_code == 0
    assert "'soon' is not a date" in asked.output
    assert "1 renewal of NCIMHA that would be overdue or lapsed at once" in asked.output
    [start] = cast.rows("association_start")
    assert (start["first_day"], start["is_chosen"]) == (date(2026, 1, 1), True)


def test_an_unattended_import_takes_today_and_says_so(cast: Cast, tmp_path: Path) -> None:
    held = HELD.replace("NCIMHA,IFS", "MI-AIMH,IMHS")
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "endorsements.csv").write_text(held)
    taken = call("import", str(tmp_path))
    assert taken.exit_code == 0
    assert "Nobody has said, so it is taken to be November 22, 2026." in taken.stderr
    assert "tracker first-day set MI-AIMH" in taken.stderr
    [start] = cast.rows("association_start")
    assert (start["first_day"], start["is_chosen"]) == (date(2026, 11, 22), False)
    assert [row["status"] for row in cast.rows("standing", endorsement_id=4)] == ["open"]
    # An answer later is no contradiction.
    assert call("import", str(tmp_path), "--first-day", "MI-AIMH=2026-01-01").exit_code == 0
    assert cast.rows("association_start")[0]["first_day"] == date(2026, 1, 1)


def test_people_who_are_here_stay_late_in_the_systems_time(cast: Cast, tmp_path: Path) -> None:
    with writing(cast.engine) as session:
        ran = datetime(2025, 3, 1, 7, 0, tzinfo=UTC)
        run = RunRow(
            job="evaluate",
            association="NCIMHA",
            local_date=ran.date(),
            started_at=ran,
            finished_at=ran,
            report="{}",
        )
        session.add(run)
    assert bring(tmp_path).exit_code == 0
    assert cast.rows("association_start")[0]["first_day"] == date(2025, 3, 1)
    assert "lapsed" in statuses(cast)


def test_an_import_never_takes_standings_of_people_who_are_here(cast: Cast, tmp_path: Path) -> None:
    earlier = cast.rows("standing")
    taken = bring(tmp_path)
    assert taken.exit_code == 0
    assert "1 renewal is overdue or lapsed from the start" in taken.stderr
    assert [row for row in earlier if row not in cast.rows("standing")] == []


def test_the_answer_is_kept_for_the_association(cast: Cast, tmp_path: Path) -> None:
    assert bring(tmp_path, "--first-day", "NCIMHA=2026-01-01").exit_code == 0
    [start] = cast.rows("association_start")
    assert (start["association"], start["first_day"]) == ("NCIMHA", date(2026, 1, 1))
    assert [row["status"] for row in cast.rows("standing", endorsement_id=4)] == ["open"]
    # Everyone else there, too, has no earlier renewal.
    assert statuses(cast) == ["open"]
    assert bring(tmp_path).exit_code == 0


def test_none_says_that_all_records_are_here(cast: Cast, tmp_path: Path) -> None:
    assert bring(tmp_path, "--first-day", "NCIMHA=none").exit_code == 0
    [start] = cast.rows("association_start")
    assert start["first_day"] is None
    assert statuses(cast) == ["lapsed", "open"]


def test_another_day_in_an_import_is_refused(cast: Cast, tmp_path: Path) -> None:
    bring(tmp_path, "--first-day", "NCIMHA=2026-01-01")
    refused = bring(tmp_path, "--first-day", "NCIMHA=2025-01-01")
    assert refused.exit_code == 1
    assert "has January 1, 2026 as its first day already" in refused.stderr
    assert cast.rows("association_start")[0]["first_day"] == date(2026, 1, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NCIMHA", "write ASSOCIATION=YYYY-MM-DD"),
        ("NCIMHA=soon", "Write it as YYYY-MM-DD, or none"),
        ("NOWHERE=2026-01-01", "There is no rulebook for 'NOWHERE'"),
    ],
)
def test_a_wrong_first_day_says_what_would_be_right(
    cast: Cast, tmp_path: Path, text: str, words: str
) -> None:
    refused = bring(tmp_path, "--first-day", text)
    assert refused.exit_code != 0
    assert words in (refused.stderr + str(refused.exception))
    assert cast.rows("association_start") == []


def test_the_setting_answers_for_an_import(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_JUDGE_RENEWALS_DUE_FROM", '{"NCIMHA": "2026-01-01"}')
    assert bring(tmp_path).exit_code == 0
    assert cast.rows("association_start")[0]["first_day"] == date(2026, 1, 1)


def test_people_who_are_here_already_are_not_asked_about(cast: Cast, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(f"email,name\n{BOB},Robert Osei\n")
    assert call("import", str(tmp_path)).exit_code == 0
    assert "lapsed" in statuses(cast)


def test_the_command_changes_the_day_and_says_what_moves(cast: Cast) -> None:
    called = call("first-day", "set", "NCIMHA", "2026-01-01", "--reason", "old system")
    assert "NCIMHA's first day in this system is January 1, 2026." in called.stdout
    assert "Overdue or lapsed: 1 before, 0 now." in called.stdout
    assert statuses(cast) == ["open"]
    called = call("first-day", "set", "NCIMHA", "none", "--reason", "all of it was imported")
    assert "Overdue or lapsed: 0 before, 1 now." in called.stdout


def test_the_command_wants_a_reason(cast: Cast) -> None:
    refused = call("first-day", "set", "NCIMHA", "2026-01-01", "--reason", " ")
    assert refused.exit_code != 0
    assert cast.rows("association_start") == []


def test_a_first_day_far_ahead_is_refused(cast: Cast, tmp_path: Path) -> None:
    refused = call("first-day", "set", "NCIMHA", "2062-01-01", "--reason", "old system")
    assert "the first day can be November 23, 2027 or earlier" in str(refused.exception)
    assert "too far ahead" in bring(tmp_path, "--first-day", "NCIMHA=2062-01-01").stderr
    assert "too long ago" in bring(tmp_path, "--first-day", "NCIMHA=0202-01-01").stderr
    assert cast.rows("association_start") == []


def test_the_list_has_every_first_day(cast: Cast) -> None:
    call("first-day", "set", "NCIMHA", "2026-01-01", "--reason", "old system")
    assert "2026-01-01" in call("first-day", "list").stdout
    [listed] = json.loads(call("first-day", "list", "--json").stdout)
    assert (listed["association"], listed["first_day"]) == ("NCIMHA", "2026-01-01")
    assert cast.rows("association_start")


def test_standings_list_renewals_without_records(cast: Cast) -> None:
    call("first-day", "set", "NCIMHA", "2026-01-01", "--reason", "old system")
    found = json.loads(call("standing", "--cycle", "2025-06-01", "--json").stdout)
    by_email = {each["email"]: each for each in found}
    assert by_email[BOB]["status"] == "no records"
    assert by_email[BOB]["requirements"] == []
    assert by_email[BOB]["explanation"].startswith("before this system: no records")
    table = " ".join(call("standing", "--cycle", "2025-06-01", "--email", ALICE).stdout.split())
    assert "lapsed" not in table
    assert cast.rows("association_start")


def test_the_first_day_falls_in_a_cycle_of_the_json(cast: Cast) -> None:
    call("first-day", "set", "NCIMHA", "2026-07-01", "--reason", "old system")
    [found] = json.loads(call("standing", "--email", BOB, "--json").stdout)
    assert found["records_from"] == "2026-07-01"
    assert cast.rows("association_start")


def test_the_next_cycle_is_judged_when_it_begins(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, judge_renewals_due_from={"NCIMHA": date(2025, 1, 1)})
    jobs.add_alice(at("2024-11-10"))
    jobs.run(at("2024-11-10 12:00"))
    with writing(jobs.engine) as session:
        judged = evaluate_due(
            session, jobs.rulebooks, "NCIMHA", at("2025-01-01 12:00"), since=date(2024, 12, 31)
        )
        count = session.connection().exec_driver_sql("SELECT count(*) FROM standing").scalar()
    jobs.engine.dispose()
    assert judged >= 1
    assert count is not None
    assert count >= 1
