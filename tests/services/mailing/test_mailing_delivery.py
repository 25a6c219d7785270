"""How far the delivery of mailings has come, and what each recipient got."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session

from tests.rules.case_data import CasePeople
from tests.support.cast import CAROL, NOW
from tests.support.waiting_mail import add_mail
from tracker.db.mailings import Mailing, MailingRecipient
from tracker.services.context import NotFound
from tracker.services.mailing_delivery import (
    DeliveryCounts,
    RecipientLine,
    count_deliveries,
    count_mailings,
    find_line,
    find_recipient,
    list_drafts,
    list_held_back,
    list_mailing_recipients,
    list_mailings,
)

LATER = NOW + timedelta(minutes=5)
# The states of a message and of its copy, and what they come to.
STATES = [
    ("waiting", None, "waiting"),
    ("sending", None, "waiting"),
    ("sent", None, "sent"),
    ("failed", None, "failed"),
    ("dropped", None, "skipped"),
    ("failed", "waiting", "waiting"),
    ("failed", "sending", "waiting"),
    ("failed", "sent", "sent"),
    ("failed", "failed", "failed"),
]


@pytest.fixture
def session(people: CasePeople) -> Session:
    return people.session


def add_mailing(session: Session, key: str, state: str = "sent", **values: object) -> Mailing:
    """Store a mailing of North Carolina, or with other values."""
    fixed: dict[str, Any] = {
        "association": "NCIMHA",
        "sent_at": None if state == "draft" else NOW,
        "sent_on": None if state == "draft" else NOW.date(),
        "stopped_at": NOW if state == "stopped" else None,
        "created_at": NOW,
        **dict.fromkeys(("subject", "text", "audience", "sender_name"), "x"),
    }
    row = Mailing(
        state=state,
        template="free",
        person_ids="1",
        form_key=key,
        created_by=CAROL,
        **{**fixed, **values},
    )
    session.add(row)
    session.flush()
    return row


def add_recipient(
    people: CasePeople, mailing: Mailing, name: str, reason: str | None = None, **mail: object
) -> int:
    """Store what became of a mailing for a person: a message, or a reason to skip."""
    if name not in people.ids:
        people.add(name)
    key = f"{name}:{mailing.id}"
    message = None if reason else add_mail(people.session, key, **mail).message_id
    row = MailingRecipient(
        mailing_id=mailing.id,
        person_id=people.ids[name],
        outcome="skipped" if reason else "sent",
        reason=reason,
        message_id=message,
        content="{}" if message else None,
    )
    people.session.add(row)
    people.session.flush()
    return row.id


def test_mailings_are_listed_and_drafts_apart(people: CasePeople, session: Session) -> None:
    first = add_mailing(session, "1")
    same = add_mailing(session, "2", "stopped")
    newest = add_mailing(session, "3", sent_at=LATER)
    oldest = add_mailing(session, "4", sent_at=NOW - timedelta(minutes=5))
    drafts = [
        add_mailing(session, "5", "draft"),
        add_mailing(session, "6", "draft"),
        add_mailing(session, "8", "draft", created_at=LATER),
    ]
    for key, state in (("9", "draft"), ("10", "sent")):
        add_mailing(session, key, state, association="CT-AIMH")
    add_recipient(people, first, "Abe")
    add_recipient(people, first, "Bea", state="sent")
    add_recipient(people, newest, "Abe", "bounced")
    add_recipient(people, newest, "Bea")
    none = DeliveryCounts()
    lines = [
        (newest, DeliveryCounts(waiting=1, skipped=1)),
        (same, none),
        (first, DeliveryCounts(sent=1, waiting=1)),
        (oldest, none),
    ]
    assert list_mailings(session, "NCIMHA", skip=0, limit=5) == lines
    assert list_mailings(session, "NCIMHA", skip=1, limit=2) == lines[1:3]
    assert count_mailings(session, "NCIMHA") == 4
    assert list_drafts(session, "NCIMHA") == [drafts[2], drafts[1], drafts[0]]


def test_a_message_and_its_copy_are_one_state(people: CasePeople, session: Session) -> None:
    mailing, other = add_mailing(session, "1"), add_mailing(session, "2")
    for number, (state, copy, _) in enumerate(STATES):
        add_recipient(people, mailing, f"P{number}", state=state)
        if copy:
            add_mail(session, f"P{number}:{mailing.id}:second", state=copy)
    add_recipient(people, mailing, "Zoe", "bounced")
    add_recipient(people, other, "Zoe")
    lines = list_mailing_recipients(session, mailing.id)
    states = {line.name: line.state for line in lines}
    expected = {f"P{number}": state for number, (_, _, state) in enumerate(STATES)}
    assert states == {**expected, "Zoe": "skipped"}
    counts = DeliveryCounts(sent=2, waiting=4, failed=2, skipped=2)
    assert count_deliveries(session, [mailing.id]) == {mailing.id: counts}
    assert counts.addressed == 8


def test_recipients_who_need_attention_come_first(people: CasePeople, session: Session) -> None:
    mailing = add_mailing(session, "1")
    for name, state in (
        ("Gus", "failed"),
        ("dee", "sent"),
        ("Cy", "waiting"),
        ("Bea", "sent"),
        ("abe", "failed"),
    ):
        add_recipient(people, mailing, name, state=state)
    for reason in ("bounced", "stopped"):
        add_recipient(people, mailing, "Aki", reason)

    def names(state: str = "", skip: int = 0, limit: int | None = None) -> list[str]:
        lines = list_mailing_recipients(session, mailing.id, state=state, skip=skip, limit=limit)
        return [line.name for line in lines]

    assert names() == ["abe", "Gus", "Cy", "Bea", "dee", "Aki", "Aki"]
    assert names(skip=1, limit=3) == ["Gus", "Cy", "Bea"]
    assert names("sent", limit=1) == ["Bea"]
    reasons = [line.reason for line in list_mailing_recipients(session, mailing.id)]
    assert reasons[-2:] == ["bounced", "stopped"]


def test_a_line_has_what_came_of_a_message(people: CasePeople, session: Session) -> None:
    mailing, other = add_mailing(session, "1"), add_mailing(session, "2")
    failed: dict[str, Any] = {"state": "failed", "last_error": "550", "finished_at": NOW}
    abe = add_recipient(people, mailing, "Abe", recipient="old@example.org", **failed)
    bea = add_recipient(people, mailing, "Bea", "bounced")
    cy = add_recipient(people, mailing, "Cy", state="failed", finished_at=NOW)
    add_mail(session, f"Cy:{mailing.id}:second", state="sent", finished_at=LATER)
    ids = people.ids
    lines = {
        abe: RecipientLine(
            id=abe,
            person_id=ids["Abe"],
            name="Abe",
            email="old@example.org",
            state="failed",
            reason=None,
            error="550",
            finished_at=NOW,
            has_content=True,
        ),
        bea: RecipientLine(
            bea,
            ids["Bea"],
            "Bea",
            "bea@example.org",
            "skipped",
            "bounced",
            None,
            None,
            False,  # noqa: FBT003
        ),
    }
    for number, line in lines.items():
        assert find_line(session, mailing.id, number) == line
        assert find_recipient(session, mailing.id, number).person_id == line.person_id
    assert find_line(session, mailing.id, cy).finished_at == LATER
    for find in (find_line, find_recipient):
        for mailing_id, number in ((other.id, abe), (mailing.id, cy + 1)):
            with pytest.raises(NotFound):
                find(session, mailing_id, number)


def test_people_to_write_to_again_are_those_held_back(people: CasePeople, session: Session) -> None:
    mailing, other = add_mailing(session, "1"), add_mailing(session, "2")
    for name, reason in (
        ("Abe", "mailed-today"),
        ("Bea", "stopped"),
        ("Cy", "bounced"),
        ("Dee", None),
    ):
        add_recipient(people, mailing, name, reason)
    add_recipient(people, other, "Cy", "stopped")
    assert sorted(list_held_back(session, mailing.id)) == [people.ids["Abe"], people.ids["Bea"]]
