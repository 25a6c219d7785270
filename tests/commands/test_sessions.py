"""`tracker sessions end-all`, as it is called."""

from collections.abc import Iterator

import pytest
from freezegun import freeze_time
from sqlalchemy import insert
from typer.testing import CliRunner

from tests.support.cast import ALICE, CAROL, Cast, fill
from tracker import clock
from tracker.cli import app
from tracker.records.api.api_tokens import find_caller, make_token
from tracker.records.profile.calendar_feeds import (
    feed_mark,
    feed_token,
    person_of_feed,
    replace_feed,
)
from tracker.records.schema.tables import METADATA
from tracker.records.sign_in.sessions import open_session, signed_in
from tracker.records.store.audit import Stamp
from tracker.records.store.engine import writing


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["sessions", "end-all", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def cast(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cast]:
    monkeypatch.setenv("TRACKER_DATABASE_URL", database_url)
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


@freeze_time("2026-11-22 17:00:00")
def test_nothing_that_a_restored_backup_brings_back_opens_anything(cast: Cast) -> None:
    now = clock.now()
    person = cast.people[ALICE]
    with writing(cast.engine) as connection:
        cookies = [open_session(connection, who, now) for who in (ALICE, CAROL)]
        by = Stamp(ALICE, now)
        replace_feed(connection, person, feed_mark(connection, person), by)
        feed = feed_token(connection, person)
        _, token = make_token(
            connection,
            association="NCIMHA",
            name="Members",
            scopes=["entries:read"],
            now=now,
            expires_at=None,
        )
        values = {"email": ALICE, "created_at": now, "expires_at": now.replace(hour=18)}
        code = insert(METADATA.tables["sign_in"]).values(token_hash="t", code_hash="c", **values)
        connection.execute(code)
    assert feed is not None
    assert call() == "Signed-in browsers ended: 2\nSign-in codes voided: 1\n"
    with writing(cast.engine) as connection:
        assert [signed_in(connection, cookie, now) for cookie in cookies] == [None, None]
        assert find_caller(connection, token, now) is not None
        assert person_of_feed(connection, feed) == person
    said = call("--calendars", "--tokens")
    assert "Calendar addresses ended: 1\nAPI tokens revoked: 1\n" in said
    with writing(cast.engine) as connection:
        assert find_caller(connection, token, now) is None
        assert person_of_feed(connection, feed) is None
    (used,) = cast.rows("sign_in")
    assert used["used_at"] == now
    ended = [e["table_name"] for e in cast.rows("audit_event") if e["who"] == "tracker sessions"]
    assert sorted(ended) == ["api_token", "calendar_feed", "web_session", "web_session"]
