"""`tracker readiness`, as it is called."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from freezegun import freeze_time
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from tests.rules.applicants import populate
from tests.rules.case_data import REAL
from tracker.cli.main import app
from tracker.db.engine import open_engine, writing

ALICE = {
    "applies": "VAIMH IMHS 2025-01-01",
    "providers": {"Maya": ["VAIMH IMHM-C 2015-01-01"], "Ines": ["VAIMH IMHS 2015-01-01"]},
    "members": ["VAIMH 2025-01-01..2025-12-31"],
    "degrees": ["master 2020-05-15 official"],
    "work": ["imh-services paid 2021-01-01..2022-12-31 infants supervised confirms=all"],
    "entries": [
        "training 15h 2024-03-02",
        "training 15h 2024-03-03",
        "rsc 20h 2024-03-01 with Maya",
        "rsc 2h 2024-04-01 with Ines",
    ],
    "references": ["program-supervisor as IMHS", "rsc-provider waiting"],
    "signed": ["ethics", "agreement"],
}


@pytest.fixture
def engine(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The database that the command reads, with Alice's application."""
    monkeypatch.setenv("TRACKER_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def alice(engine: Engine) -> None:
    """Alice applies."""
    with writing(engine) as session:
        populate(session, REAL, ALICE)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["readiness", *arguments])


def printed(*arguments: str) -> list[dict[str, Any]]:
    called = call(*arguments, "--json")
    assert called.exit_code == 0, called.output
    found: list[dict[str, Any]] = json.loads(called.stdout)
    return found


@pytest.mark.usefixtures("alice")
def test_json_is_shaped_like_a_standing() -> None:
    [alice] = printed("--as-of", "2025-06-01", "--email", "Alice@example.org")
    requirements = {r.pop("id"): r for r in alice.pop("requirements")}
    assert [(each["role"], each["state"], each["state_since"]) for each in alice["references"]] == [
        ("program-supervisor", "received", "2025-01-01"),
        ("rsc-provider", "not asked", None),
    ]
    del alice["references"]
    assert alice == {
        "email": "alice@example.org",
        "association": "VAIMH",
        "category": "IMHS",
        "opened_on": "2025-01-01",
        "submitted_on": None,
        "status": "not ready",
        # The day after the last of the 24 months that began with the first session.
        "next_change_on": "2026-01-01",
    }
    [ines] = requirements["rsc"].pop("not_counted")
    assert (ines["date"], ines["hours"]) == ("2024-04-01", 2.0)
    assert "Ines was IMHS" in ines["reason"]
    assert requirements["rsc"] | {"source": ...} == {
        "unit": "hours",
        "required": 50.0,
        "counted": 20.0,
        "short": 30.0,
        "status": "short",
        "note": "March 1, 2024 to February 28, 2026",
        "window_closes_on": "2026-02-28",
        "source": ...,
    }
    assert requirements["references"]["counted"] == 1
    assert requirements["experience"]["counted"] == 2.0
    assert requirements["exam"]["status"] == "short"


@pytest.mark.usefixtures("alice")
def test_the_table_says_what_is_missing() -> None:
    called = call("--as-of", "2025-06-01")
    assert called.exit_code == 0
    for words in ("alice@example.org", "not ready", "rsc: 30 of 50 h", "exam"):
        assert words in called.stdout


@pytest.mark.usefixtures("alice")
def test_without_a_day_it_is_judged_today() -> None:
    with freeze_time("2026-03-01 12:00"):
        [alice] = printed()
    membership = next(r for r in alice["requirements"] if r["id"] == "membership")
    assert membership["status"] == "short"


@pytest.mark.usefixtures("alice")
def test_another_association_has_none() -> None:
    assert printed("--association", "NCIMHA", "--as-of", "2025-06-01") == []


@pytest.mark.usefixtures("alice")
def test_before_it_was_opened_there_is_no_application() -> None:
    assert printed("--as-of", "2024-12-31") == []


@pytest.mark.usefixtures("engine")
def test_no_application_at_all_says_what_to_do() -> None:
    assert "tracker import" in call("--as-of", "2025-06-01").stdout


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--association", "VAIM"], "There is no rulebook for 'VAIM'"),
        (["--email", "x@example.org"], "has an application"),
    ],
)
def test_an_unknown_name_is_told(arguments: list[str], words: str) -> None:
    called = call(*arguments)
    assert words in str(called.exception)


@pytest.mark.usefixtures("alice")
def test_the_past_is_seen_as_it_was(engine: Engine) -> None:
    with writing(engine) as session:
        session.connection().execute(
            text(
                "UPDATE application SET state = 'declined', submitted_on = '2025-03-01', "
                "decided_on = '2025-06-15'"
            )
        )
    shown = {
        day: [(found["status"], found["submitted_on"]) for found in printed("--as-of", day)]
        for day in ("2025-02-28", "2025-03-01", "2025-06-14", "2025-06-15")
    }
    assert shown == {
        "2025-02-28": [("not ready", None)],
        "2025-03-01": [("not ready", "2025-03-01")],
        "2025-06-14": [("not ready", "2025-03-01")],
        "2025-06-15": [],
    }


@pytest.mark.usefixtures("alice")
def test_the_table_shows_how_far_each_reference_is() -> None:
    shown = call("--as-of", "2025-06-01").stdout
    assert "Received on January 1, 2025" in " ".join(shown.split())
    assert "Not asked" in shown


@pytest.mark.usefixtures("alice")
def test_a_later_reference_was_not_received_yet() -> None:
    [before] = printed("--as-of", "2024-12-31") or [{"references": []}]
    assert all(each["state"] != "received" for each in before["references"])
