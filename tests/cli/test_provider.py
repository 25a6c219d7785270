"""`tracker provider`, and what an import does for sessions whose provider was a name."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from tests.support.cast import ALICE, DANA, NOW, Cast, fill
from tracker.cli.main import app
from tracker.db.engine import writing
from tracker.db.tables import METADATA

PEOPLE = "email,name,provides_rsc\npetra@example.org,Petra Vale,yes\n"
VETTING = "email,association,starts_on\npetra@example.org,NCIMHA,2015-01-01\n"


@pytest.fixture
def cast(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> Cast:
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    cast = fill(sqlite_url)
    values = {"activity": "rsc", "minutes": 120, "title": "RSC", "provider_name": "Petra Vale"}
    values |= {"person_id": cast.people[ALICE], "held_on": NOW.date(), "logged_at": NOW}
    with writing(cast.engine) as session:
        session.connection().execute(insert(METADATA.tables["entry"]).values(values))
    return cast


def test_an_import_links_sessions_and_tells_the_endorsee(cast: Cast, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE)
    (tmp_path / "vetting.csv").write_text(VETTING)
    imported = CliRunner().invoke(app, ["import", str(tmp_path)])
    assert "The RSC provider of 1 session was only a name" in imported.stdout
    assert cast.rows("entry", provider_name="Petra Vale") == []
    [mail] = cast.rows("outbox")
    assert (mail["recipient"], mail["person_id"]) == (ALICE, cast.people[ALICE])
    message = message_from_bytes(mail["body"], policy=policy.default)
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        text = " ".join(body.get_content().split())
        assert "We know your RSC provider Petra Vale now." in text
        assert "November 22, 2026" in text
        assert "/my-year" in text
    CliRunner().invoke(app, ["import", str(tmp_path)])
    assert len(cast.rows("outbox")) == 1


def test_a_name_is_confirmed_by_command(cast: Cast) -> None:
    confirmed = CliRunner().invoke(app, ["provider", "confirm", "petra vale", DANA])
    assert confirmed.stdout == f"Linked 1 session of 1 endorsee to {DANA}.\n"
    assert len(cast.rows("outbox")) == 1
    again = CliRunner().invoke(app, ["provider", "confirm", "petra vale", DANA])
    assert str(again.exception).startswith("No session waits for an RSC provider named petra vale.")
