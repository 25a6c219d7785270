"""Drafts, what is refused in them, sending once, and stopping what waits."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select, update

from tests.services.conftest import Act
from tests.support.audit_log import LoggedChange, list_changes
from tests.support.cast import ALICE, BOB, CAROL, DAN, DANA, ERIN, NOW, Cast
from tests.support.waiting_mail import add_mail
from tracker.db.desk_tasks import FAILED, STOPPED, DeskTask
from tracker.db.ledgers import Outbox
from tracker.db.mailings import Mailing, MailingRecipient
from tracker.services import mailings
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_tasks import MAILING, TaskInput, create_task
from tracker.services.mailing_rules import MailingField, MailingTemplate, SkipReason
from tracker.services.mailings import (
    MAX_PEOPLE,
    MailingInput,
    RecipientOutcome,
    begin_sending,
    check_mailing,
    count_sent_on,
    discard_draft,
    fill_fields,
    forget_old_drafts,
    format_ids,
    list_fields,
    parse_ids,
    read_draft,
    record_recipients,
    replace_message,
    save_draft,
    skip_messages,
    stop_mailing,
)

DAY = timedelta(days=1)
TODAY = NOW.date()
FREE, REMINDER = MailingTemplate.FREE, MailingTemplate.REMINDER
TYPED = MailingInput("NCIMHA", FREE, "A word", "Hello {name}", "All", (9, 4, 3, 5), "1")
KNOWN = [
    "{name}",
    "{association}",
    "{association name}",
    "{category}",
    "{due date}",
    "{missing}",
    "{membership ends}",
    "{my year}",
    "{coordinator}",
]


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def as_both(context: ServiceContext, now: datetime = NOW) -> ServiceContext:
    """The context of somebody who coordinates two associations."""
    return replace(context, actor=Actor(DAN, None, ("CT-AIMH", "NCIMHA")), now=now)


def send(context: ServiceContext, typed: MailingInput = TYPED) -> Mailing:
    mailing, is_new = begin_sending(context, typed, "Carol Reyes")
    assert is_new
    return mailing


def test_fields_are_found_in_any_spelling() -> None:
    text = "{name}, { DUE   Date } {nmae} {na\nme} {{missing}} {}"
    assert list(list_fields(text)) == [
        MailingField.NAME,
        MailingField.DUE_DATE,
        MailingField.MISSING,
    ]
    typed = TYPED._replace(subject="{category} {my", text="year} {name}")
    assert typed.fields == {MailingField.CATEGORY, MailingField.NAME}


def test_values_are_never_read_as_fields() -> None:
    values = {MailingField.NAME: "{due date}", MailingField.DUE_DATE: "June 30"}
    text = "Hello {Name}: { due date }, {nmae}"
    assert fill_fields(text, values) == "Hello {due date}: June 30, {nmae}"


@pytest.mark.parametrize(
    ("changed", "refusals"),
    [
        ({"subject": "x" * 77, "text": "x" * 4_000}, []),
        ({"subject": "{Due  Date}: < 3 hours", "text": "Write to <me@example.org>"}, []),
        ({"text": "", "template": REMINDER}, []),
        (
            {"subject": "x" * 78, "text": "x" * 4_001},
            [
                Refusal("subject", "mailing-too-long", {"limit": 77, "length": 78}),
                Refusal("text", "mailing-too-long", {"limit": 4_000, "length": 4_001}),
            ],
        ),
        (
            {"subject": "", "text": ""},
            [
                Refusal("subject", "mailing-subject-missing"),
                Refusal("text", "mailing-text-missing"),
            ],
        ),
        (
            {"subject": "A } and {", "text": "{nmae} {name} {hours}"},
            [
                Refusal("subject", "mailing-brace", {"brace": "}"}),
                Refusal("text", "mailing-field-unknown", {"name": "{nmae}", "known": KNOWN}),
                Refusal("text", "mailing-field-unknown", {"name": "{hours}", "known": KNOWN}),
            ],
        ),
        (
            {"subject": "<b>Now</b>", "text": "A <img src=x>"},
            [
                Refusal("subject", "mailing-html", {"tag": "<b>"}),
                Refusal("text", "mailing-html", {"tag": "<img src=x>"}),
            ],
        ),
    ],
)
def test_everything_wrong_is_named_at_once(
    changed: dict[str, object], refusals: list[Refusal]
) -> None:
    assert check_mailing(TYPED._replace(**changed)) == refusals  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ((), ""),
        ((7,), "7"),
        ((9, 4, 3, 5, 4), "3-5.9"),
        ((1, 2, 4, 6, 7), "1-2.4.6-7"),
    ],
)
def test_ids_are_written_as_ranges(ids: tuple[int, ...], text: str) -> None:
    assert format_ids(ids) == text
    assert parse_ids(text) == tuple(sorted(set(ids)))


def test_ids_that_nobody_wrote_are_none() -> None:
    for text in ("3-", "x", "1..2", "-3", "1 2", "1" * 11, f"0-{MAX_PEOPLE}", "1-9999.1-2"):
        assert parse_ids(text) == ()
    assert parse_ids(f"5-6.1-{MAX_PEOPLE - 2}") == tuple(range(1, MAX_PEOPLE - 1))


def test_a_draft_keeps_what_is_typed(carol: ServiceContext) -> None:
    long = TYPED._replace(subject="s" * 201, audience="a" * 301, text="")
    draft = save_draft(carol, long, "Carol Reyes")
    assert draft.model_dump(exclude={"id"}) == {
        "association": "NCIMHA",
        "state": "draft",
        "template": "free",
        "subject": "s" * 200,
        "text": "",
        "audience": "a" * 300,
        "person_ids": "3-5.9",
        "form_key": "1",
        "created_at": NOW,
        "created_by": CAROL,
        "sender_name": "Carol Reyes",
        "sent_at": None,
        "sent_on": None,
        "stopped_at": None,
        "stopped_by": None,
    }
    again = save_draft(carol, TYPED._replace(template=REMINDER), "Carol Reyes")
    assert again.id == draft.id
    stored = TYPED._replace(template=REMINDER, person_ids=(3, 4, 5, 9))
    carol.session.expire_all()
    assert read_draft(carol.session.get_one(Mailing, draft.id)) == stored
    assert list_changes(carol.session, "mailing") == []


def test_a_mailing_is_sent_once(carol: ServiceContext) -> None:
    draft = save_draft(replace(carol, actor=Actor(DAN, None, ("NCIMHA",))), TYPED, "Dan")
    # It is still the day before in the association's time zone.
    late = replace(carol, now=NOW + timedelta(hours=11))
    changed = TYPED._replace(text="Changed", subject="New")
    mailing, is_new = begin_sending(late, changed, "Carol Reyes")
    assert (mailing.id, is_new) == (draft.id, True)
    carol.session.refresh(mailing)
    sent = mailing.model_dump(exclude={"id", "template", "audience", "person_ids", "form_key"})
    assert sent == {
        "association": "NCIMHA",
        "state": "sent",
        "subject": "New",
        "text": "Changed",
        "created_at": NOW,
        "created_by": CAROL,
        "sender_name": "Carol Reyes",
        "sent_at": late.now,
        "sent_on": TODAY,
        "stopped_at": None,
        "stopped_by": None,
    }
    after = {
        "association": "NCIMHA",
        "state": "sent",
        "template": "free",
        "subject": "New",
        "text": "Changed",
        "audience": "All",
        "sender_name": "Carol Reyes",
    }
    changes = [LoggedChange(CAROL, mailing.id, None, after)]
    assert list_changes(carol.session, "mailing") == changes
    # Sent again it stays as it is, whatever is wrong with the form now.
    assert begin_sending(carol, TYPED._replace(subject=""), "Dan") == (mailing, False)
    assert save_draft(carol, TYPED, "Dan") is mailing
    carol.session.flush()
    carol.session.expire_all()
    assert (mailing.text, mailing.sender_name) == ("Changed", "Carol Reyes")
    assert list_changes(carol.session, "mailing") == changes


def test_other_associations_have_their_own_mailings(carol: ServiceContext) -> None:
    for typed in (TYPED._replace(association="CT-AIMH"), TYPED._replace(association="")):
        for write in (save_draft, begin_sending):
            with pytest.raises(NotFound):
                write(carol, typed, "Carol")
    both = as_both(carol)
    own = save_draft(both, TYPED._replace(association="CT-AIMH"), "Dan")
    for write in (save_draft, begin_sending):
        with pytest.raises(NotFound):
            write(both, TYPED, "Dan")
    for change in (discard_draft, stop_mailing):
        for mailing_id in (own.id, 0):
            with pytest.raises(NotFound):
                change(carol, mailing_id)
    with pytest.raises(NotFound):
        stop_mailing(both, own.id)
    discard_draft(both, own.id)
    assert carol.session.exec(select(Mailing)).all() == []


def test_a_draft_that_was_sent_meanwhile_stays(carol: ServiceContext) -> None:
    draft = save_draft(carol, TYPED, "Carol")
    sent = {"state": "sent", "sent_at": NOW, "sent_on": TODAY}
    # As another process does it, so that the session does not know.
    carol.session.connection().execute(update(Mailing).values(sent))
    assert save_draft(carol, TYPED._replace(text="Late"), "Carol").text == TYPED.text
    carol.session.connection().execute(update(Mailing).values(subject="Sent"))
    with pytest.raises(NotFound):
        discard_draft(carol, draft.id)
    assert draft.subject == "Sent"


def test_the_limit_counts_own_mailings_of_the_day(
    carol: ServiceContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailings, "MAX_MAILINGS_A_DAY", 1)
    send(as_both(carol, NOW - DAY), TYPED._replace(form_key="2"))
    send(as_both(carol), TYPED._replace(form_key="3", association="CT-AIMH"))
    save_draft(carol, TYPED._replace(form_key="4"), "Carol")
    send(carol)
    with pytest.raises(Refused) as refused:
        begin_sending(carol, TYPED._replace(form_key="5", subject=""), "Carol")
    assert list(refused.value.refusals) == [
        Refusal("subject", "mailing-subject-missing"),
        Refusal("", "mailing-day-limit", {"limit": 1}),
    ]
    session = carol.session
    assert count_sent_on(session, "NCIMHA", TODAY) == 1
    assert count_sent_on(session, "NCIMHA", TODAY + DAY) == 0


def test_an_incomplete_mailing_is_not_sent(carol: ServiceContext) -> None:
    with pytest.raises(Refused) as refused:
        begin_sending(carol, TYPED._replace(text=""), "Carol")
    assert list(refused.value.refusals) == [Refusal("text", "mailing-text-missing")]


def test_old_drafts_are_forgotten(carol: ServiceContext) -> None:
    kept = NOW - 30 * DAY
    for key, now in (("old", kept - timedelta(seconds=1)), ("kept", kept)):
        save_draft(replace(carol, now=now), TYPED._replace(form_key=key), "Carol")
    send(replace(carol, now=kept - DAY), TYPED._replace(form_key="sent"))
    session = carol.session
    save_draft(carol, TYPED._replace(form_key="new"), "Carol")
    keys = select(Mailing.form_key).order_by(Mailing.form_key)
    assert session.exec(keys).all() == ["kept", "new", "sent"]
    assert forget_old_drafts(session, NOW + DAY) == 1
    assert session.exec(keys).all() == ["new", "sent"]


def add_message(cast: Cast, session: Session, mailing_id: int, email: str, **values: object) -> str:
    """Store a person's message of a mailing."""
    key = f"day:{email}:{len(session.exec(select(Outbox.id)).all())}"
    about = {"about_kind": "mailing", "about_id": mailing_id, "person_id": cast.people[email]}
    return add_mail(session, key, **{**about, **values}).message_id


def list_outcomes(
    session: Session, mailing_id: int
) -> list[tuple[int, str, str | None, str | None]]:
    session.expire_all()
    query = select(MailingRecipient).where(MailingRecipient.mailing_id == mailing_id)
    rows = session.exec(query.order_by(col(MailingRecipient.id)))
    return [(row.person_id, row.outcome, row.reason, row.message_id) for row in rows]


def test_what_waits_is_withdrawn(carol: ServiceContext, cast: Cast) -> None:
    session, people = carol.session, cast.people
    mailing = send(carol)
    waiting = add_message(cast, session, mailing.id, ALICE)
    copy = add_message(cast, session, mailing.id, ALICE)
    unrecorded = add_message(cast, session, mailing.id, DANA)
    left = add_message(cast, session, mailing.id, BOB, state="sent", body=b"left")
    add_message(cast, session, mailing.id + 1, ERIN)
    add_message(cast, session, mailing.id, ERIN, about_kind="certificate")
    outcomes = [
        RecipientOutcome(people[ALICE], waiting, "content"),
        RecipientOutcome(people[BOB], left, "content"),
        RecipientOutcome(people[ERIN], reason=SkipReason.BOUNCED),
    ]
    record_recipients(session, mailing.id, outcomes)
    later = replace(carol, now=NOW + timedelta(minutes=5))
    assert stop_mailing(later, mailing.id) == 2
    assert list_outcomes(session, mailing.id) == [
        (people[ALICE], "skipped", "stopped", None),
        (people[BOB], "sent", None, left),
        (people[ERIN], "skipped", "bounced", None),
    ]
    rows = {row.message_id: row for row in session.exec(select(Outbox))}
    for message_id in (waiting, copy, unrecorded):
        row = rows.pop(message_id)
        assert (row.state, row.body, row.finished_at) == ("dropped", b"", later.now)
        assert row.last_error == "stopped by the coordinator"
        assert row.dedupe_key == f"{message_id.strip('<>').removesuffix('@example.org')}:stopped:1"
    assert sorted(row.state for row in rows.values()) == ["sent", "waiting", "waiting"]
    assert (mailing.state, mailing.stopped_at, mailing.stopped_by) == ("stopped", later.now, CAROL)
    [_, change] = list_changes(session, "mailing")
    assert change.before is not None
    assert change.after == {**change.before, "state": "stopped"}
    assert change.before["state"] == "sent"
    # Stopped again nothing changes.
    assert stop_mailing(replace(carol, now=NOW + DAY), mailing.id) == 0
    assert mailing.stopped_at == later.now


def test_a_mailing_that_has_left_is_not_stopped(carol: ServiceContext, cast: Cast) -> None:
    mailing = send(carol)
    add_message(cast, carol.session, mailing.id, ALICE, state="sending")
    assert stop_mailing(carol, mailing.id) == 0
    assert mailing.state == "sent"


def test_people_not_yet_written_to_are_recorded(carol: ServiceContext, cast: Cast) -> None:
    session, people = carol.session, cast.people
    mailing, other = send(carol), send(carol, TYPED._replace(form_key="2"))
    message = add_message(cast, session, mailing.id, ALICE)
    record_recipients(session, mailing.id, [RecipientOutcome(people[ALICE], message, "content")])
    ids = [people[ALICE], people[BOB], 0, people[ERIN]]
    task = create_task(carol, TaskInput("NCIMHA", MAILING, ids, mailing.id))
    task.done = 1
    unrelated = create_task(carol, TaskInput("NCIMHA", MAILING, ids, other.id))
    unrelated.state, unrelated.ended_at = FAILED, NOW
    session.flush()
    assert stop_mailing(carol, mailing.id) == 3
    assert list_outcomes(session, mailing.id) == [
        (people[ALICE], "skipped", "stopped", None),
        (people[BOB], "skipped", "stopped", None),
        (people[ERIN], "skipped", "stopped", None),
    ]
    assert (task.state, task.ended_at) == (STOPPED, NOW)
    assert session.get_one(DeskTask, unrelated.id).state == FAILED
    # Before the first message is written there is only the task.
    assert stop_mailing(carol, other.id) == 3
    assert other.state == "stopped"


def test_a_dropped_message_is_skipped_or_replaced(carol: ServiceContext, cast: Cast) -> None:
    session, people = carol.session, cast.people
    mailing = send(carol)
    messages = {
        email: add_message(cast, session, mailing.id, email) for email in (ALICE, BOB, ERIN)
    }
    record_recipients(
        session,
        mailing.id,
        [RecipientOutcome(people[email], message, "old") for email, message in messages.items()],
    )
    skip_messages(session, [messages[ALICE]], SkipReason.CHANGED)
    replace_message(session, messages[BOB], "<new>", "new")
    assert list_outcomes(session, mailing.id) == [
        (people[ALICE], "skipped", "changed", None),
        (people[BOB], "sent", None, "<new>"),
        (people[ERIN], "sent", None, messages[ERIN]),
    ]
    contents = select(MailingRecipient.content).order_by(col(MailingRecipient.id))
    assert session.exec(contents).all() == ["old", "new", "old"]
