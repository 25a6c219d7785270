"""`tracker sessions end` and `end-all`, as they are called."""

from collections.abc import Iterator

import pytest
from freezegun import freeze_time
from sqlalchemy import insert
from typer.testing import CliRunner

from tests.support.cast import ALICE, BOOKS, CAROL, Cast, fill
from tracker import clock
from tracker.cli.main import app
from tracker.db.badge_keys import find_badge_signer, get_badge_signer
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.api_tokens import create_token, find_caller
from tracker.services.browser_sessions import create_browser_session, get_session_user
from tracker.services.calendar_feeds import find_feed_owner, get_feed_token, replace_feed
from tracker.services.context import Actor, ServiceContext


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
def test_a_restored_backup_grants_no_access(cast: Cast) -> None:
    now = clock.now()
    person = cast.people[ALICE]
    with writing(cast.engine) as session:
        cookies = [create_browser_session(session, who, now) for who in (ALICE, CAROL)]
        replace_feed(ServiceContext(session, BOOKS, Actor(ALICE, person), now), "")
        feed = get_feed_token(session, person)
        _, token = create_token(
            session,
            association="NCIMHA",
            name="Members",
            scopes=["entries:read"],
            now=now,
            expires_at=None,
        )
        values = {"email": ALICE, "created_at": now, "expires_at": now.replace(hour=18)}
        code = insert(METADATA.tables["sign_in"]).values(token_hash="t", code_hash="c", **values)
        session.connection().execute(code)
    assert feed is not None
    output = call()
    assert output.startswith(
        "Signed-in browsers ended: 2\nSign-in codes voided: 1\nLinks in emails"
    )
    with writing(cast.engine) as session:
        assert [get_session_user(session, cookie, now) for cookie in cookies] == [None, None]
        assert find_caller(session, token, now) is not None
        assert find_feed_owner(session, feed) == person
    said = call("--calendars", "--tokens")
    assert "Calendar addresses revoked: 1\nAPI tokens revoked: 1\n" in said
    with writing(cast.engine) as session:
        assert find_caller(session, token, now) is None
        assert find_feed_owner(session, feed) is None
    (used,) = cast.rows("sign_in")
    assert used["used_at"] == now
    ended = [e["table_name"] for e in cast.rows("audit_event") if e["who"] == "tracker sessions"]
    assert sorted(ended) == [
        "api_token", "calendar_feed", "key_generation", "key_generation", "web_session",
        "web_session",
    ]  # fmt: skip


@freeze_time("2026-11-22 17:00:00")
def test_one_person_is_signed_out_everywhere(cast: Cast) -> None:
    now, second = clock.now(), "alice@second.example.org"
    with cast.engine.begin() as connection:
        person = METADATA.tables["person"]
        mine = person.c.id == cast.people[ALICE]
        connection.execute(person.update().where(mine).values(second_email=second))
    with writing(cast.engine) as session:
        hers = [create_browser_session(session, who, now) for who in (ALICE, second)]
        other = create_browser_session(session, CAROL, now)
        values = {"code_hash": "c", "created_at": now, "expires_at": now.replace(hour=18)}
        for email in (ALICE, second, CAROL):
            code = insert(METADATA.tables["sign_in"]).values(
                token_hash=email, email=email, **values
            )
            session.connection().execute(code)
    result = CliRunner().invoke(app, ["sessions", "end", second.upper()])
    assert result.output == "Signed-in browsers ended: 2\nSign-in codes voided: 2\n"
    with writing(cast.engine) as session:
        assert [get_session_user(session, cookie, now) for cookie in hers] == [None, None]
        assert get_session_user(session, other, now) is not None
    assert [row["email"] for row in cast.rows("sign_in", used_at=None)] == [CAROL]
    again = CliRunner().invoke(app, ["sessions", "end", ALICE])
    assert again.output == "Signed-in browsers ended: 0\nSign-in codes voided: 0\n"


def test_an_unknown_address_ends_no_session(cast: Cast) -> None:
    with writing(cast.engine) as session:
        create_browser_session(session, ALICE, clock.now())
    result = CliRunner().invoke(app, ["sessions", "end", "nobody@example.org"])
    assert result.exit_code != 0
    assert "Nobody has the address nobody@example.org" in str(result.exception or result.output)
    assert len(cast.rows("web_session")) == 1


def test_keys_of_badges_go_only_if_asked(cast: Cast) -> None:
    with writing(cast.engine) as session:
        signer = get_badge_signer(session, clock.now())
    call()
    with writing(cast.engine) as session:
        found = find_badge_signer(session)
    assert found is not None
    assert found.key_id == signer.key_id
    assert "Keys of badges deleted: 1" in call("--badges")
    with writing(cast.engine) as session:
        assert find_badge_signer(session) is None
