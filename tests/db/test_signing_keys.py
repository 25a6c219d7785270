"""The keys of links: derived from a master key that is not in the database, and renewed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import Engine, insert

from tests import MASTER_KEY
from tracker.db.engine import open_engine, reading, writing
from tracker.db.signing_keys import (
    CALENDAR,
    SIGN_IN,
    UNSUBSCRIBE,
    body_cipher,
    find_signing_key,
    get_signing_key,
    prepare_keys,
    renew_signing_keys,
    replace_lost_master_key,
)
from tracker.db.tables import METADATA
from tracker.mail import outbox
from tracker.master_key import MasterKey, MasterKeyError
from tracker.services.signed_links import read_token, sign_token

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OTHER = MasterKey("another-master-key-0123456789-abcdef")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url, master_key=MasterKey(MASTER_KEY))
    yield engine
    engine.dispose()


def test_each_purpose_has_its_own_key(engine: Engine) -> None:
    with writing(engine) as session:
        first, again, other = (get_signing_key(session, p) for p in (SIGN_IN, SIGN_IN, CALENDAR))
    assert first == again != other


def test_renewing_one_key_leaves_the_others(engine: Engine) -> None:
    with writing(engine) as session:
        before = [get_signing_key(session, purpose) for purpose in (SIGN_IN, CALENDAR)]
        renew_signing_keys(session, [SIGN_IN])
        after = [get_signing_key(session, purpose) for purpose in (SIGN_IN, CALENDAR)]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_another_master_key_is_refused(engine: Engine, database_url: str) -> None:
    with writing(engine) as session:
        get_signing_key(session, SIGN_IN)
    stolen = open_engine(database_url, master_key=OTHER)
    with reading(stolen) as session, pytest.raises(MasterKeyError, match="not the master key"):
        find_signing_key(session, SIGN_IN)
    stolen.dispose()


def test_a_missing_key_is_named_with_its_place(engine: Engine, database_url: str) -> None:
    with writing(engine) as session:
        get_signing_key(session, SIGN_IN)
    without = open_engine(database_url, master_key=MasterKey(file=Path("/nowhere/tracker.key")))
    with reading(without) as session, pytest.raises(MasterKeyError) as raised:
        find_signing_key(session, SIGN_IN)
    assert "/nowhere/tracker.key" in str(raised.value)
    assert "TRACKER_MASTER_KEY_FILE" in str(raised.value)
    without.dispose()


def test_the_first_key_creates_a_private_file(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tracker.key"
    engine = open_engine(sqlite_url, master_key=MasterKey(file=file))
    with writing(engine) as session:
        key = get_signing_key(session, SIGN_IN)
    engine.dispose()
    assert file.stat().st_mode & 0o777 == 0o600
    assert key.hex() not in file.read_text()
    assert sorted(path.name for path in tmp_path.glob("*.key*")) == ["tracker.key"]
    again = open_engine(sqlite_url, master_key=MasterKey(file=file))
    with writing(again) as session:
        assert get_signing_key(session, SIGN_IN) == key
    again.dispose()


def test_an_unusable_file_is_refused(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tracker.key"
    file.write_text("short\n")
    engine = open_engine(sqlite_url, master_key=MasterKey(file=file))
    with writing(engine) as session, pytest.raises(MasterKeyError, match="at least 32 characters"):
        get_signing_key(session, SIGN_IN)
    engine.dispose()


def test_links_of_earlier_versions_stay_valid_until_renewed(engine: Engine) -> None:
    former = "ab" * 32
    with writing(engine) as session:
        secret = METADATA.tables["secret"]
        for name in (UNSUBSCRIBE, SIGN_IN):
            session.connection().execute(insert(secret).values(name=name, value=former))
        old_link = str(URLSafeSerializer(former, salt="mail-off").dumps([1, "digest"]))
        prepare_keys(session)
        prepare_keys(session)
        rows = session.connection().execute(secret.select()).all()
        assert [row.name for row in rows] == [UNSUBSCRIBE]
        assert former not in str(rows)
        assert read_token(session, UNSUBSCRIBE, "mail-off", old_link) == [1, "digest"]
        new_link = sign_token(session, UNSUBSCRIBE, "mail-off", [2])
        renew_signing_keys(session, [UNSUBSCRIBE])
        for link in (old_link, new_link):
            assert read_token(session, UNSUBSCRIBE, "mail-off", link) is None


def put(engine: Engine, key: str) -> None:
    with writing(engine) as session:
        message = outbox.Message(
            key, f"<{key}@x>", "notices", None, None, "a@example.org", "S", b"H: 1\r\n\r\nHello\r\n"
        )
        outbox.enqueue(session, [message], NOON)


def test_messages_of_earlier_versions_are_encrypted(engine: Engine) -> None:
    put(engine, "day:1")
    with writing(engine) as session:
        session.connection().execute(METADATA.tables["outbox"].update().values(body=b"Old"))
        prepare_keys(session)
        [row] = session.connection().execute(METADATA.tables["outbox"].select()).all()
        assert b"Old" not in row.body
    [claimed] = outbox.claim(engine, NOON, 10, timedelta(minutes=5))
    assert claimed.body == b"Old"


def test_an_encrypted_text_cannot_be_moved(engine: Engine) -> None:
    with writing(engine) as session:
        cipher = body_cipher(session)
        stored = cipher.encrypt("<1@x>", b"Hello")
        assert b"Hello" not in stored
        assert cipher.decrypt("<1@x>", stored) == b"Hello"
        assert cipher.decrypt("<2@x>", stored) is None
        assert cipher.decrypt("<1@x>", stored[:-1] + bytes([stored[-1] ^ 1])) is None


def test_a_lost_master_key_is_replaced_once(engine: Engine, database_url: str) -> None:
    with writing(engine) as session:
        prepare_keys(session)
        assert not replace_lost_master_key(session)
    lost = open_engine(database_url, master_key=OTHER)
    with writing(lost) as session:
        assert replace_lost_master_key(session)
        assert not replace_lost_master_key(session)
        assert get_signing_key(session, SIGN_IN)
    lost.dispose()
