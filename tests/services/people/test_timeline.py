"""What coordinators read about a person: changes, emails, skipped notices, and sign-ins."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from tests.services.conftest import Act
from tests.services.people.test_merging import add, merge
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, ERIN, NOW, Cast
from tests.support.timeline_items import make_email, make_notice
from tests.support.waiting_mail import add_mail
from tracker.db.audit import Change, record_changes
from tracker.rules.standing import Span
from tracker.services.context import Actor
from tracker.services.security_events import Client, record_event
from tracker.services.timeline import (
    ChangeBatch,
    DecidedNotice,
    SentEmail,
    SignInEvent,
    TimelineItem,
    TimelineKind,
    count_by_kind,
    list_names,
    list_noticed,
    list_recorded_after,
    list_session_titles,
    list_timeline,
)
from tracker.services.timeline_scope import RecordedChange, Values, values_of

OURS, OTHERS = "NCIMHA", "CT-AIMH"
TODAY, CYCLE, DUE = date(2026, 11, 22), date(2026, 1, 1), date(2026, 12, 31)
MINUTE = timedelta(minutes=1)
LATER = NOW + MINUTE
HOME = "alice@home.example"
NOTICE = DecidedNotice(
    id=1,
    decided_on=TODAY,
    association=OURS,
    category="IFS",
    kind="renewal",
    step=-30,
    due_on=DUE,
    cycle_starts_on=CYCLE,
    reason="had another email today",
    message_id=None,
    subject_key="",
)
CHANGE, DECISION = TimelineKind.CHANGE, TimelineKind.DECISION


def read(session: Session, cast: Cast, email: str = ALICE) -> list[TimelineItem]:
    """What our coordinators read about somebody."""
    return list_timeline(session, BOOKS, cast.people[email], [OURS])


def record(
    session: Session, cast: Cast, *changes: tuple[str, Values | None, Values | None]
) -> None:
    """Audit events of Alice's rows, each a minute after the one before."""
    person = {"person_id": cast.people[ALICE]}
    events = []
    for number, (table, before, after) in enumerate(changes):
        states = [None if each is None else {**person, **each} for each in (before, after)]
        at = NOW + number * MINUTE
        events.append(Change(CAROL, at, table, cast.people[ALICE], states[0], states[1]))
    record_changes(session, events)


def skip(session: Session, **values: object) -> int:
    notice = {
        "kind": "renewal",
        "step": -30,
        "due_on": DUE,
        "cycle_starts_on": CYCLE,
        "decided_on": TODAY,
        "outcome": "skipped",
        "reason": "had another email today",
        "subject_key": "",
        **values,
    }
    return add(session, "notice", **notice)


@pytest.mark.parametrize(
    ("table", "before", "after", "kind"),
    [
        ("person", {"name": "A"}, {"name": "B"}, CHANGE),
        ("entry_decision", None, {"association": OURS}, DECISION),
        ("application", {"state": "submitted"}, {"state": "declined"}, DECISION),
        ("application", {"state": "endorsed"}, {"state": "submitted"}, DECISION),
        ("application", {"state": "open"}, {"state": "submitted"}, CHANGE),
        ("application", {"state": "endorsed"}, {"state": "endorsed", "note": "n"}, CHANGE),
        ("vetting", {"state": "open"}, {"state": "declined"}, CHANGE),
    ],
)
def test_decisions_are_changes_of_some_states(
    session: Session, cast: Cast, table: str, before: Values | None, after: Values, kind: str
) -> None:
    ours = {"association": OURS}
    states = (None if before is None else {**ours, **before}), {**ours, **after}
    record(session, cast, (table, *states))
    [item] = read(session, cast)
    person = cast.people[ALICE]
    stored = [None if each is None else {"person_id": person, **each} for each in states]
    change = RecordedChange(NOW, CAROL, table, person, stored[0], stored[1])
    assert item == TimelineItem(NOW, TimelineKind(kind), change, (TODAY,))


def test_the_newest_visible_change_comes_first(session: Session, cast: Cast) -> None:
    alice = cast.people[ALICE]
    record(
        session,
        cast,
        ("vetting", None, {"association": OURS}),
        ("vetting", None, {"association": OTHERS}),
        ("vetting", {"association": OURS, "starts_on": "2026-03-01"}, None),
    )
    same = [Change(CAROL, NOW + 9 * MINUTE, "person", alice, {"name": n}, None) for n in "ABC"]
    record_changes(session, [*same, Change(CAROL, NOW, "person", cast.people[BOB], {}, None)])
    items = read(session, cast)
    found = [(i.content.before, i.about) for i in items if isinstance(i.content, RecordedChange)]
    assert found == [
        *(({"name": name}, (TODAY,)) for name in "CBA"),
        (
            {"association": OURS, "person_id": alice, "starts_on": "2026-03-01"},
            (date(2026, 3, 1),),
        ),
        (None, (TODAY,)),
    ]


def test_many_changes_at_once_are_one_item(session: Session, cast: Cast) -> None:
    days = ["2026-05-02", "2026-03-01", "2026-05-02", "2026-04-01"]
    row: Values = {"person_id": cast.people[ALICE], "held_on": days[0]}

    def save(minutes: int, *changes: tuple[str, str, Values | None, Values | None]) -> None:
        at = NOW + minutes * MINUTE
        record_changes(
            session, [Change(who, at, table, 7, *states) for who, table, *states in changes]
        )

    added = CAROL, "entry", None, row
    save(0, *[(CAROL, "entry", None, {**row, "held_on": day}) for day in days])
    # Too few, or not all by the same actor, in the same table, of the same kind, or at one instant.
    save(1, added, added, added)
    save(2, added, added, added, (BOB, "entry", None, row))
    save(3, added, added, added, (CAROL, "vetting", None, {"association": OURS, **row}))
    save(4, added, added, added, (CAROL, "entry", row, None))
    save(5, added, added, added, (CAROL, "entry", row, {**row, "title": "B"}))
    save(6, (CAROL, "entry", row, None), (CAROL, "entry", row, None))
    save(7, (CAROL, "entry", row, {**row, "title": "B"}), (CAROL, "entry", row, None))
    *others, batch = read(session, cast)
    assert not any(isinstance(item.content, ChangeBatch) for item in others)
    assert len(others) == 3 + 4 * 4 + 4
    assert (batch.at, batch.kind) == (NOW, CHANGE)
    assert batch.about == (date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 2))
    assert isinstance(batch.content, ChangeBatch)
    saved = [values_of(change.after)["held_on"] for change in batch.content.changes]
    assert saved == [*reversed(days)]


def test_emails_show_what_became_of_them(session: Session, cast: Cast) -> None:
    own: dict[str, Any] = {"person_id": cast.people[ALICE], "association": OURS}
    other = {**own, "association": OTHERS}
    refused = {"state": "failed", "last_error": "No such mailbox", "bounced": True}
    failed = add_mail(session, "1", **own, **refused, finished_at=LATER)
    code = add_mail(session, "2", **{**own, "association": None}, kind="code")
    add_mail(session, "3", **other)
    add_mail(session, "4", **{**own, "person_id": cast.people[BOB]})
    joint = add_mail(session, "5", **other, created_at=LATER, state="sent")
    copy = add_mail(session, "5:second", **other, created_at=LATER, recipient=HOME)
    # The email of which it is a copy is about another person by now.
    lonely = add_mail(session, "4:second", **own)
    skip(session, endorsement_id=cast.endorsements[ALICE], step=-14)
    sent = {"outcome": "sent", "reason": None, "message_id": joint.message_id}
    number = skip(session, endorsement_id=cast.endorsements[ALICE], **sent)
    notice = replace(NOTICE, id=number, reason=None, message_id=joint.message_id)
    email = SentEmail(
        id=joint.id,
        kind="notices",
        association=OTHERS,
        recipient=ALICE,
        subject=None,
        state="sent",
        created_at=LATER,
        finished_at=None,
        bounced=None,
        error=None,
        is_copy=False,
        notices=(notice,),
    )
    second = replace(email, id=copy.id, recipient=HOME, state="waiting", is_copy=True)
    shown = replace(email, association=OURS, subject="Your hours", created_at=NOW, notices=())
    plain = replace(shown, id=code.id, kind="code", association=None, state="waiting")
    first = replace(
        shown,
        id=failed.id,
        state="failed",
        finished_at=LATER,
        bounced=True,
        error="No such mailbox",
    )
    unclear = replace(shown, id=lonely.id, state="waiting", is_copy=True)
    *items, _ = read(session, cast)
    kind = TimelineKind.EMAIL
    assert items == [
        TimelineItem(LATER, kind, second, (CYCLE,)),
        TimelineItem(LATER, kind, email, (CYCLE,)),
        TimelineItem(NOW, kind, unclear, (TODAY,)),
        TimelineItem(NOW, kind, plain, (TODAY,)),
        TimelineItem(NOW, kind, first, (TODAY,)),
    ]
    counts = {TimelineKind.EMAIL: 5, TimelineKind.UNDELIVERED: 1}
    assert count_by_kind(items) == {**dict.fromkeys(TimelineKind, 0), **counts}


def test_a_skipped_notice_begins_its_day(session: Session, cast: Cast) -> None:
    applied = add(
        session,
        "application",
        person_id=cast.people[ALICE],
        association="MI-AIMH",
        category="IMHS",
        opened_on=TODAY,
        state="open",
    )
    last = skip(session, endorsement_id=cast.endorsements[ALICE], step=-14)
    first = skip(session, application_id=applied, subject_key="9", kind="cutoff")
    skip(session, endorsement_id=cast.endorsements[BOB])
    notice = replace(NOTICE, id=last, step=-14)
    cutoff = replace(
        NOTICE, id=first, association="MI-AIMH", category="IMHS", kind="cutoff", subject_key="9"
    )
    items = list_timeline(session, BOOKS, cast.people[ALICE], [OURS, "MI-AIMH"])
    midnight = datetime(2026, 11, 22, 5, tzinfo=UTC)
    assert items == [
        TimelineItem(midnight, TimelineKind.SKIPPED, content, (CYCLE,))
        for content in (cutoff, notice)
    ]
    assert list_timeline(session, BOOKS, cast.people[ALICE], [OTHERS]) == []
    without = replace(BOOKS, associations={})
    [unknown] = list_timeline(session, without, cast.people[ALICE], [OURS])
    assert unknown.at == datetime(2026, 11, 22, tzinfo=UTC)


def test_sign_ins_are_listed_without_downloads(session: Session, cast: Cast) -> None:
    client = Client("192.0.2.1", "request")
    for minutes, (kind, email) in enumerate(
        [("sign-in", ALICE), ("download", ALICE), ("sign-out", ALICE), ("sign-in", BOB)]
    ):
        at = NOW + timedelta(hours=12, minutes=minutes)
        record_event(session, at, client, kind, "done", cast.people[email])
    found = [(item.kind, item.content, item.about) for item in read(session, cast)]
    tomorrow = (date(2026, 11, 23),)
    assert found == [
        (TimelineKind.SIGN_IN, SignInEvent("sign-out", "done"), tomorrow),
        (TimelineKind.SIGN_IN, SignInEvent("sign-in", "done"), tomorrow),
    ]


def test_merged_records_are_part_of_the_timeline(act: Act, cast: Cast) -> None:
    """Of what happened at one instant, the later record comes first."""
    operator = replace(act(ALICE), actor=Actor("tracker person"))
    session, alice, erin = operator.session, cast.people[ALICE], cast.people[ERIN]
    for number in (erin, alice):
        add_mail(session, f"{number}", person_id=number, created_at=LATER)
        change = Change(CAROL, LATER, "person", number, {"name": f"{number}"}, {"name": "A"})
        record_changes(session, [change])
    record_event(session, LATER, Client("192.0.2.1", ""), "sign-in", "done", erin)
    assert len(list_timeline(session, BOOKS, alice, [OTHERS])) == 2
    merge(operator, ALICE, ERIN)
    items = [i for i in list_timeline(session, BOOKS, alice, [OTHERS]) if i.at == LATER]
    sign_in, *emails, first, second = [item.content for item in items]
    assert sign_in == SignInEvent("sign-in", "done")
    ids = [email.id for email in emails if isinstance(email, SentEmail)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 2
    names = [c.before for c in (first, second) if isinstance(c, RecordedChange)]
    assert names == [{"name": f"{alice}"}, {"name": f"{erin}"}]


def test_items_belong_to_the_cycle_of_their_days() -> None:
    item = TimelineItem(NOW, CHANGE, SignInEvent("", ""), (CYCLE, DUE))
    day = timedelta(days=1)
    for first, last in ((CYCLE, CYCLE), (DUE, DUE + day), (CYCLE - day, CYCLE)):
        assert item.is_in(Span(first, last))
    assert not item.is_in(Span(CYCLE + day, DUE - day))


def test_records_after_a_day_are_changes_and_decisions() -> None:
    midnight = datetime(2026, 11, 23, 5, tzinfo=UTC)
    content = SignInEvent("", "")
    items = [TimelineItem(midnight, kind, content, ()) for kind in TimelineKind]
    items.append(TimelineItem(midnight - MINUTE, CHANGE, content, ()))
    found = list_recorded_after(items, TODAY, "America/New_York")
    assert [(item.at, item.kind) for item in found] == [(midnight, CHANGE), (midnight, DECISION)]


def test_notices_come_with_the_email_that_was_delivered() -> None:
    one, two, three = (make_notice(number) for number in (1, 2, 3))
    failed, copied = make_email(1, one, three, state="failed"), make_email(2, three)
    again = make_email(3, one, three, state="waiting")
    contents = (three, copied, failed, again, two, SignInEvent("", ""))
    items = [TimelineItem(NOW, TimelineKind.EMAIL, content, ()) for content in contents]
    assert list_noticed(items) == [(one, failed), (two, None), (three, copied)]


def test_titles_and_names_are_those_asked_for(session: Session, cast: Cast) -> None:
    erin = cast.people[ERIN]
    assert list_names(session, [erin]) == {erin: "Erin Vance"}
    titles = [(cast.entries["erin"], "Erin's own secret training", date(2026, 5, 2))]
    assert [tuple(row) for row in list_session_titles(session, erin)] == titles
