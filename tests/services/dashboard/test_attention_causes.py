"""What each cause in *Needs attention* says: about whom, since when, until when, and how grave."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pytest
from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.support.auditing import store_audit, store_submission
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, ERIN, EVE, NOW, Cast
from tests.support.questions import ask
from tracker.db.applications import Application
from tracker.db.audits import AuditCase
from tracker.db.entry_reviews import EntryQuestion
from tracker.db.ledgers import RunFailure, StandingRow
from tracker.db.people import Endorsement, MailOff, Person
from tracker.db.returned_mail import COMPLAINT, ReturnedMail
from tracker.db.snoozes import Snooze
from tracker.rulebooks import with_rulebook
from tracker.rules.audit_sampling import FrameLine
from tracker.services.attention import (
    About,
    AttentionKind,
    BouncedAddress,
    ReportedSpam,
    list_attention,
    read_queue,
)
from tracker.services.audits import AuditedRenewal
from tracker.services.evaluation import evaluate_people

TODAY, DAY = NOW.date(), timedelta(days=1)
# The evening before in New York.
NIGHT, EVENING = datetime(2026, 11, 20, 3, 0, tzinfo=UTC), date(2026, 11, 19)
JO_HART = hashlib.sha256(b"jo hart").hexdigest()[:12]
LAST_YEAR, YEAR = date(2025, 1, 1), date(2026, 1, 1)
MEMBERSHIP_SHORT = (
    '[{"id": "m", "label": "Membership", "counts": "membership", "topic": null,'
    ' "required": 1, "counted": 0, "short": 1, "outcome": "short"}]'
)


class Cause(NamedTuple):
    """All of a cause but what it is about."""

    kind: AttentionKind
    key: str
    name: str = ""
    category: str = ""
    person_id: int | None = None
    endorsement_id: int | None = None
    since: date | None = None
    deadline: date | None = None
    gravity: int = 0


def list_causes(session: Session, *kinds: AttentionKind) -> list[Cause]:
    """The open causes at NCIMHA of some kinds, or of all, in the order of the queue."""
    session.flush()
    causes = list_attention(session, BOOKS, "NCIMHA", NOW)
    chosen = [cause for cause in causes if not kinds or cause.kind in kinds]
    return [Cause(*(getattr(cause, name) for name in Cause._fields)) for cause in chosen]


def find_about(session: Session, key: str) -> About:
    item = read_queue(session, BOOKS, "NCIMHA", NOW).find(key)
    assert item is not None
    return item.attention.about


def set_standing(
    session: Session, endorsement_id: int, starts_on: date = YEAR, /, **values: object
) -> None:
    """Change the standing of a cycle, by default of this year's."""
    standing = session.get_one(StandingRow, (endorsement_id, starts_on))
    for name, value in values.items():
        setattr(standing, name, value)


def refuse(session: Session, cast: Cast, *emails: str) -> None:
    """Mark first addresses that do not work."""
    for email in emails:
        session.get_one(Person, cast.people[email]).email_refused_at = NIGHT


def store_failed_mail(session: Session, person_id: int) -> None:
    names = {"dedupe_key": "1", "message_id": "1", "kind": "notices", "association": "NCIMHA"}
    about = {"person_id": person_id, "recipient": ALICE, "subject": "Hours", "body": b""}
    times = {"created_at": NIGHT, "next_attempt_at": NIGHT, "finished_at": NIGHT}
    insert_row(session, "outbox", state="failed", **names, **about, **times)


def store_request(session: Session, endorsement_id: int, asked_at: datetime) -> int:
    about = {"endorsement_id": endorsement_id, "kind": "leave", "starts_on": TODAY, "reason": ""}
    form_key = str(endorsement_id)
    return insert_row(session, "time_request", form_key=form_key, asked_at=asked_at, **about)


def apply_for(
    person_id: int,
    category: str,
    *,
    association: str = "NCIMHA",
    state: str = "open",
    decided_on: date | None = None,
) -> Application:
    return Application(
        person_id=person_id,
        association=association,
        category=category,
        opened_on=YEAR,
        state=state,
        decided_on=decided_on,
    )


def snooze(
    session: Session,
    cause: Cause,
    *,
    until: date = TODAY + DAY,
    gravity: int | None = None,
    association: str = "NCIMHA",
) -> None:
    """Snooze a cause, by default until tomorrow and as grave as it is."""
    session.add(
        Snooze(
            association=association,
            cause=cause.key,
            kind=cause.kind,
            gravity=cause.gravity if gravity is None else gravity,
            until=until,
            snoozed_at=NOW,
            snoozed_by=CAROL,
        )
    )
    session.flush()


def test_each_cause_has_its_person_and_days(session: Session, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    alices, bobs = cast.endorsements[ALICE], cast.endorsements[BOB]
    for job, association in (("notices", "NCIMHA"), ("digest", "CT-AIMH")):
        named = {"job": job, "association": association, "subject": ""}
        times = {"first_failed_at": NIGHT, "last_failed_at": NOW}
        session.add(RunFailure.model_validate({**named, **times, "error": "", "attempts": 1}))
    settled = {"cycle_starts_on": LAST_YEAR, "settled_on": TODAY, "content": "{}"}
    insert_row(session, "settled_cycle", endorsement_id=alices, differs_since=EVENING, **settled)
    store_failed_mail(session, alice)
    requests = [store_request(session, *each) for each in ((alices, NOW), (bobs, NIGHT))]
    question_id = ask(session, cast.entries["training"], "Where was it?")
    session.get_one(EntryQuestion, question_id).state = "answered"
    submission = store_submission(session, FrameLine("IFS", bobs, LAST_YEAR), state="submitted")
    submission.submitted_at = NIGHT
    about_alice = ("Alice Moreno", "IFS", alice, alices)
    about_bob = ("Bob Osei", "IFS", bob, bobs)
    assert list_causes(session) == [
        Cause(AttentionKind.JOB, "job-notices", since=EVENING),
        Cause(
            AttentionKind.LAPSED,
            f"renewal-{bobs}-2025-01-01",
            *about_bob,
            since=date(2026, 2, 1),
            gravity=3_000_000 + 28 * 60,
        ),
        Cause(AttentionKind.UNSENT, "unsent", since=EVENING, gravity=1),
        Cause(AttentionKind.REQUEST, f"request-{requests[1]}", *about_bob, since=EVENING),
        Cause(AttentionKind.REQUEST, f"request-{requests[0]}", *about_alice, since=TODAY),
        Cause(
            AttentionKind.ANSWER,
            f"answer-{question_id}",
            "Alice Moreno",
            person_id=alice,
            since=TODAY,
        ),
        Cause(AttentionKind.SUBMISSION, f"submission-{submission.id}", *about_bob, since=EVENING),
        Cause(
            AttentionKind.RECORDS_CHANGED,
            f"settled-{alices}-2025-01-01",
            *about_alice,
            since=EVENING,
        ),
        Cause(
            AttentionKind.UNCONFIRMED,
            f"provider-{JO_HART}",
            "Jo Hart",
            since=date(2026, 10, 19),
            deadline=date(2026, 12, 31),
            gravity=1,
        ),
        Cause(
            AttentionKind.BEHIND,
            f"renewal-{alices}-2026-01-01",
            *about_alice,
            since=date(2026, 11, 15),
            deadline=date(2027, 1, 1),
            gravity=1_000_000 + 270,
        ),
    ]
    about = [cause.about for cause in list_attention(session, BOOKS, "NCIMHA", NOW)]
    assert [type(each).__name__ for each in about] == [
        *("JobTrouble", "RenewalLine", "UnsentMail", "SubmittedRequest", "SubmittedRequest"),
        *("OpenQuestion", "SubmittedRenewal", "SettledCycle", "NamedProvider", "RenewalLine"),
    ]


def test_an_audit_waits_since_its_last_document(session: Session, cast: Cast) -> None:
    held = cast.endorsements[ALICE]
    submission = store_submission(session, FrameLine("IFS", held, LAST_YEAR))
    case = session.get_one(AuditCase, store_audit(session, held, submission.id, "sent"))
    about = ("Alice Moreno", "IFS", cast.people[ALICE], held)
    audit = Cause(AttentionKind.AUDIT, f"audit-{case.id}", *about)
    case.sent_at, case.due_on = NIGHT, EVENING - DAY
    assert list_causes(session, AttentionKind.AUDIT) == [audit._replace(since=EVENING)]
    assert isinstance(find_about(session, audit.key), AuditedRenewal)
    case.state, case.appealed_at, case.appeal = "appealed", NIGHT + DAY, "I was there."
    appealed = audit._replace(since=EVENING + DAY, gravity=1)
    assert list_causes(session, AttentionKind.AUDIT) == [appealed]
    case.state, case.sent_at, case.appealed_at, case.appeal = "asked", None, None, None
    assert list_causes(session, AttentionKind.AUDIT) == [audit._replace(since=EVENING)]


def test_overdue_renewals_lapse_after_their_own_grace_period(session: Session, cast: Cast) -> None:
    held = cast.endorsements[ALICE]
    extended = {"due_on": EVENING, "status": "overdue", "short_minutes": 90}
    set_standing(session, held, LAST_YEAR, **extended)
    overdue = Cause(
        AttentionKind.OVERDUE,
        f"renewal-{held}-2025-01-01",
        "Alice Moreno",
        "IFS",
        cast.people[ALICE],
        held,
        since=EVENING + DAY,
        deadline=EVENING + 32 * DAY,
        gravity=2_000_090,
    )
    # This year's, which is behind, follows once last year's is solved or snoozed.
    renewals = (AttentionKind.LAPSED, AttentionKind.OVERDUE, AttentionKind.BEHIND)
    lapsed, *others = list_causes(session, *renewals)
    assert (lapsed.name, lapsed.since) == ("Bob Osei", date(2026, 2, 1))
    assert others == [overdue]
    snooze(session, overdue)
    assert [cause.kind for cause in list_causes(session)][-1] == AttentionKind.BEHIND


def test_renewals_without_a_cycle_have_no_lapse(session: Session) -> None:
    rules = BOOKS.associations["NCIMHA"].model_copy(update={"cycles": ()})
    lapsed, *_ = list_attention(session, with_rulebook(BOOKS, rules), "NCIMHA", NOW)
    assert (lapsed.kind, lapsed.since) == (AttentionKind.LAPSED, None)


def test_reviews_replace_the_causes_of_submitted_renewals(session: Session, cast: Cast) -> None:
    """But for those that have lapsed."""
    alices, bobs = cast.endorsements[ALICE], cast.endorsements[BOB]
    for held in (alices, bobs):
        set_standing(session, held, status="overdue", due_on=EVENING)
        set_standing(session, held, LAST_YEAR, status="overdue", due_on=EVENING)
        store_submission(session, FrameLine("IFS", held, YEAR), state="submitted")
    set_standing(session, bobs, status="lapsed")
    renewals = list_causes(session, AttentionKind.OVERDUE, AttentionKind.LAPSED)
    assert [cause.key for cause in renewals] == [
        f"renewal-{bobs}-2026-01-01",
        f"renewal-{alices}-2025-01-01",
    ]


@pytest.mark.parametrize(
    ("until", "due_on", "counts", "is_a_cause"),
    [
        (TODAY - DAY, date(2026, 12, 31), "membership", True),
        (TODAY - DAY, date(2026, 12, 31), "training", False),
        (TODAY, date(2026, 12, 31), "membership", False),
        (None, TODAY, "membership", True),
        (None, TODAY + 30 * DAY, "membership", True),
        (None, TODAY + 31 * DAY, "membership", False),
    ],
)
def test_missing_memberships_are_causes_before_the_due_date(
    session: Session, cast: Cast, *, until: date | None, due_on: date, counts: str, is_a_cause: bool
) -> None:
    held = cast.endorsements[ALICE]
    short = MEMBERSHIP_SHORT.replace('"membership"', f'"{counts}"')
    on_pace = {"falls_behind_on": None, "short_minutes": 1, "requirements": short}
    set_standing(session, held, membership_until=until, due_on=due_on, **on_pace)
    bobs = cast.endorsements[BOB]
    set_standing(session, bobs, status="excused", due_on=due_on, **on_pace)
    set_standing(session, bobs, LAST_YEAR, status="met")
    membership = Cause(
        AttentionKind.MEMBERSHIP,
        f"renewal-{held}-2026-01-01",
        "Alice Moreno",
        "IFS",
        cast.people[ALICE],
        held,
        since=until + DAY if until else None,
        deadline=due_on + DAY,
        gravity=1,
    )
    expected = [membership] if is_a_cause else []
    assert list_causes(session, AttentionKind.MEMBERSHIP, AttentionKind.BEHIND) == expected


def test_bounced_addresses_stand_once_in_their_association(session: Session, cast: Cast) -> None:
    """Endorsees, and applicants who are not decided about; worst if no email reaches them."""
    alice, bob, eve = (cast.people[email] for email in (ALICE, BOB, EVE))
    alices, bobs = cast.endorsements[ALICE], cast.endorsements[BOB]
    session.add_all(
        [
            Endorsement(person_id=alice, association="NCIMHA", category="IFA", starts_on=LAST_YEAR),
            apply_for(alice, "IMHM-C"),
            apply_for(eve, "IFA", state="submitted"),
            apply_for(eve, "IFS"),
            apply_for(cast.people[DANA], "IFS", state="declined", decided_on=TODAY),
            apply_for(cast.people[ERIN], "IFS", association="CT-AIMH"),
        ]
    )
    session.flush()
    evaluate_people(session, BOOKS, {alice}, NOW)
    refuse(session, cast, ALICE, BOB, EVE, DANA, ERIN)
    unreachable, bounced = AttentionKind.UNREACHABLE, AttentionKind.BOUNCED
    assert list_causes(session, unreachable, bounced) == [
        Cause(unreachable, f"address-{bob}", "Bob Osei", "IFS", bob, bobs, EVENING, gravity=1),
        Cause(unreachable, f"address-{eve}", "Eve Chen", "IFA", eve, None, EVENING, gravity=1),
        Cause(bounced, f"address-{alice}", "Alice Moreno", "IFS", alice, alices, EVENING),
    ]


@pytest.mark.parametrize(
    ("reason", "second", "dead", "expected"),
    [
        (None, None, None, ("", None, False)),
        ("550", "a@home.example", None, ("550", "a@home.example", True)),
        ("550", "a@home.example", "a@home.example", ("550", None, True)),
    ],
)
def test_a_bounced_address_has_its_reason_and_the_other(
    session: Session,
    cast: Cast,
    *,
    reason: str | None,
    second: str | None,
    dead: str | None,
    expected: tuple[str, str | None, bool],
) -> None:
    refuse(session, cast, ALICE)
    person = session.get_one(Person, cast.people[ALICE])
    person.email_refused_reason = reason
    person.second_email, person.dead_second_email = second, dead
    session.flush()
    assert find_about(session, f"address-{person.id}") == BouncedAddress(ALICE, *expected)


def test_complaints_name_the_address_and_its_owner(session: Session, cast: Cast) -> None:
    alice, held = cast.people[ALICE], cast.endorsements[ALICE]
    returned = ReturnedMail(
        digest="1", outcome=COMPLAINT, person_id=alice, recipient=ALICE, read_at=NIGHT
    )
    session.add_all([returned, MailOff(person_id=alice, kind="notices", at=NIGHT)])
    session.flush()
    key = f"complaint-{returned.id}"
    complaint = Cause(AttentionKind.COMPLAINT, key, "Alice Moreno", "IFS", alice, held, EVENING)
    assert list_causes(session, AttentionKind.COMPLAINT) == [complaint]
    assert find_about(session, key) == ReportedSpam(ALICE)


def test_snoozed_causes_wait_for_their_day(session: Session, cast: Cast) -> None:
    # Its membership is missing, too, and is no cause of its own.
    missing = {"membership_until": EVENING, "requirements": MEMBERSHIP_SHORT}
    set_standing(session, cast.endorsements[ALICE], **missing)
    [lapsed, provider, behind] = list_causes(session)
    snooze(session, behind)
    snooze(session, lapsed, until=TODAY + 2 * DAY)
    snooze(session, provider, until=TODAY)
    snooze(session, provider, association="CT-AIMH")
    # Bob's renewal of this year follows that of last year.
    [_, bobs] = list_causes(session)
    snooze(session, bobs)
    queue = read_queue(session, BOOKS, "NCIMHA", NOW)
    assert [(item.attention.key, item.snooze and item.snooze.until) for item in queue.snoozed] == [
        (bobs.key, TODAY + DAY),
        (behind.key, TODAY + DAY),
        (lapsed.key, TODAY + 2 * DAY),
    ]
    [back] = queue.open
    assert (back.attention.key, back.snooze and back.snooze.until) == (provider.key, TODAY)
    assert queue.find(lapsed.key) == queue.snoozed[2]
    assert queue.find(provider.key) == back
    assert queue.find("renewal-0-2026-01-01") is None


def test_graver_causes_end_their_snooze(session: Session) -> None:
    [lapsed, *_] = list_causes(session, AttentionKind.LAPSED)
    snooze(session, lapsed, gravity=lapsed.gravity - 1)
    queue = read_queue(session, BOOKS, "NCIMHA", NOW)
    assert queue.snoozed == []
    item = queue.find(lapsed.key)
    assert item is not None
    assert item.snooze is not None
