"""`tracker standing`, as it is called."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from freezegun import freeze_time
from typer.testing import CliRunner, Result

from tests.jobs.harness import JobHarness, at
from tests.rules.case_data import REAL
from tracker.cli.main import app

AUTUMN = at("2024-09-15")


@pytest.fixture
def jobs(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHarness]:
    """A harness on the database that the command reads."""
    monkeypatch.setenv("TRACKER_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    jobs = JobHarness(database_url, rulebooks=REAL)
    yield jobs
    jobs.engine.dispose()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["standing", *arguments])


def printed(*arguments: str) -> list[dict[str, Any]]:
    called = call(*arguments, "--json")
    assert called.exit_code == 0
    found: list[dict[str, Any]] = json.loads(called.stdout)
    return found


def test_json_has_the_shape_that_is_promised(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as people:
        people.log("rsc 2h 2024-04-01 with Newcomer")
    [alice] = printed("--as-of", "2024-12-01", "--email", "alice@example.org")
    requirements = {r.pop("id"): r for r in alice.pop("requirements")}
    assert alice == {
        "email": "alice@example.org",
        "association": "NCIMHA",
        "category": "IFS",
        "cycle": {"starts_on": "2024-01-01", "ends_on": "2024-12-31", "due_on": "2024-12-31"},
        "status": "open",
        "next_change_on": "2025-01-01",
        "settled_on": None,
        "records_from": None,
        "stage": "open",
    }
    assert list(requirements) == ["training", "training.deia", "rsc", "membership"]
    [left_out] = requirements["rsc"].pop("not_counted")
    assert (left_out["date"], left_out["hours"]) == ("2024-04-01", 2.0)
    assert set(left_out) == {"date", "title", "hours", "reason"}
    assert requirements["rsc"] == {
        "unit": "hours",
        "required": 12.0,
        "counted": 8.5,
        "short": 3.5,
        "status": "short",
        "source": {
            "document": "NCIMHA: Infant Family Specialist (IFS)",
            "section": "Continuing endorsement: Reflective Supervision/Consultation",
        },
    }
    assert {r["status"] for name, r in requirements.items() if name != "rsc"} == {"met"}


def test_each_requirement_has_exactly_the_promised_keys(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    keys = {
        tuple(requirement)
        for standing in printed("--as-of", "2024-12-01")
        for requirement in standing["requirements"]
    }
    assert keys == {
        ("id", "unit", "required", "counted", "short", "status", "source", "not_counted")
    }


def test_a_category_without_rules_says_so(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Val", ["VAIMH IFS 2020-01-01"])
    [val] = printed("--as-of", "2024-12-01")
    assert (val["status"], val["cycle"], val["requirements"]) == ("no rules", None, [])
    assert val["explanation"] == "the rulebook has no renewal rules for this category"


def test_another_cycle_can_be_asked_for(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    [alice] = printed(
        "--as-of", "2024-12-01", "--cycle", "2023-05-05", "--email", "alice@example.org"
    )
    assert alice["cycle"]["due_on"] == "2023-12-31"
    assert alice["status"] == "lapsed"


def test_only_one_association_can_be_asked_for(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Grace", ["NCIMHA IFS 2020-01-01", "CT-AIMH IFS 2020-01-01"])
    found = printed("--as-of", "2024-12-01", "--association", "CT-AIMH")
    assert [(s["email"], s["association"]) for s in found] == [("grace@example.org", "CT-AIMH")]


def test_an_address_may_be_written_in_capitals(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    assert len(printed("--as-of", "2024-12-01", "--email", " Alice@Example.ORG ")) == 1


def test_the_default_day_is_the_association_s_today(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    # In North Carolina it is still the last evening of the year.
    with freeze_time("2025-01-01T03:00:00Z"):
        [alice] = printed("--email", "alice@example.org")
    assert alice["status"] == "open"
    with freeze_time("2025-01-01T05:00:00Z"):
        [alice] = printed("--email", "alice@example.org")
    assert alice["cycle"]["starts_on"] == "2025-01-01"


@pytest.mark.usefixtures("jobs")
def test_an_unknown_address_is_told_as_such() -> None:
    called = call("--email", "nobody@example.org")
    assert called.exit_code == 1
    assert "Nobody with the address 'nobody@example.org' has an endorsement" in str(
        called.exception
    )


@pytest.mark.usefixtures("jobs")
def test_an_unknown_association_lists_known_ones() -> None:
    called = call("--association", "XX")
    assert called.exit_code == 1
    assert "There is no rulebook for 'XX'. There are CT-AIMH, MI-AIMH, NCIMHA, VAIMH" in str(
        called.exception
    )


@pytest.mark.usefixtures("jobs")
def test_an_empty_database_says_what_to_do() -> None:
    called = call()
    assert called.exit_code == 0
    assert "Import endorsees" in " ".join(called.stdout.split())
    assert printed() == []


def test_the_table_shows_missing_and_uncounted_hours(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    with jobs.storing(AUTUMN) as people:
        people.log("rsc 2h 2024-04-01 with Newcomer")
    called = call("--as-of", "2024-12-01", "--email", "alice@example.org")
    assert "rsc: 3.5 of 12 h" in called.stdout
    assert "2024-04-01" in called.stdout


def test_garbage_for_a_day_is_a_usage_error() -> None:
    called = call("--as-of", "31.12.2024")
    assert called.exit_code == 2
    assert "Write it as YYYY-MM-DD" in " ".join(called.stderr.split())


def test_an_endorsement_that_ends_before_it_is_due_is_listed(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", ["NCIMHA IFS 2020-01-01..2024-08-30"])
    [alice] = printed("--as-of", "2024-06-01")
    assert (alice["status"], alice["ends_on"], alice["requirements"]) == ("ends", "2024-08-30", [])
    assert alice["cycle"]["due_on"] == "2024-12-31"
    assert "ends 2024-08-30, before it is due on 2024-12-31" in call("--as-of", "2024-06-01").stdout
    assert "ended 2024-08-30" in call("--as-of", "2024-12-31").stdout
    assert printed("--as-of", "2025-01-01") == []
    assert [row["status"] for row in printed("--as-of", "2023-06-01")] == ["open"]
