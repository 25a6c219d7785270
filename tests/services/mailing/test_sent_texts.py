"""Which texts of emails coordinators can read, and for how long."""

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from tests.support.cast import NOW, Cast
from tests.support.waiting_mail import add_mail
from tracker.db.engine import open_engine, reading, writing
from tracker.db.ledgers import Outbox
from tracker.db.signing_keys import body_cipher
from tracker.master_key import MasterKey
from tracker.services.sent_texts import SentText, forget_old_texts, read_sent_text


def add_text(session: Session, key: str, text: str, **values: object) -> int:
    """Store an email with its text, as it is stored when it is written."""
    stored = body_cipher(session).encrypt(f"<{key}@example.org>", text.encode())
    return add_mail(session, key, text=stored, **values).id


def test_a_copy_has_the_text_of_its_original(session: Session) -> None:
    first = add_text(session, "day:1", "Hello")
    copy = add_mail(session, "day:1:second", subject="Copied").id
    own = add_text(session, "day:2:second", "Own text")
    add_text(session, "day:2", "Other text")
    without = add_mail(session, "day:3").id
    lost = add_mail(session, "day:4:second").id
    bare = add_mail(session, "day:3:second").id
    assert [read_sent_text(session, number) for number in (first, copy, own)] == [
        SentText("Your hours", "Hello"),
        SentText("Copied", "Hello"),
        SentText("Your hours", "Own text"),
    ]
    for number in (without, lost, bare):
        assert read_sent_text(session, number) == SentText("Your hours", None)


def test_an_unreadable_text_is_none(cast: Cast) -> None:
    with writing(cast.engine) as session:
        whole, damaged = add_text(session, "day:1", "Hello"), add_text(session, "day:2", "Hello")
        mail = session.get_one(Outbox, damaged)
        mail.text = (mail.text or b"")[:-1]
    with reading(cast.engine) as session:
        assert read_sent_text(session, damaged) == SentText("Your hours", None)
    other = open_engine(cast.url, master_key=MasterKey("another-master-key-0123456789-abcdef"))
    with reading(other) as session:
        assert read_sent_text(session, whole) == SentText("Your hours", None)
    other.dispose()


@pytest.mark.parametrize(("older", "forgotten"), [(timedelta(), 0), (timedelta(seconds=1), 1)])
def test_texts_are_kept_for_a_year(session: Session, older: timedelta, forgotten: int) -> None:
    written = NOW - timedelta(days=365) - older
    add_text(session, "day:1", "Hello", created_at=written)
    add_text(session, "day:2", "New")
    add_mail(session, "day:3", created_at=written)
    assert forget_old_texts(session, NOW) == forgotten
    session.expire_all()
    kept = session.exec(select(Outbox.dedupe_key).where(col(Outbox.text).is_not(None)))
    assert sorted(kept) == ["day:1", "day:2"][forgotten:]
