"""What two records of one person contradict each other in, and what they may both have."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from tests.services.people.test_merging import BEGAN, add
from tests.support.cast import ALICE, BOB, DANA, ERIN, EVE, NOW, Cast
from tests.support.held import HELD_ON, TITLE, hold_session, name_supervisee
from tracker.db.people import Endorsement, Membership
from tracker.services.context import Refusal
from tracker.services.merge_checks import check_merged, check_renewals

CYCLE = date(2026, 1, 1)
DAY = date(2026, 7, 1)


def check_both(session: Session, cast: Cast) -> list[Refusal]:
    return list(check_renewals(session, cast.people[ALICE], cast.people[BOB]))


def submit(session: Session, endorsement_id: int, **values: object) -> None:
    known: dict[str, Any] = {
        "endorsement_id": endorsement_id,
        "cycle_starts_on": CYCLE,
        "cycle_ends_on": date(2026, 12, 31),
        "form_key": f"{endorsement_id}",
        "signed_name": "x",
        "statements": "[]",
        "content": "{}",
        "submitted_at": NOW,
        "state": "submitted",
    }
    add(session, "submission", **{**known, **values})


def pay(session: Session, key: str, *shares: tuple[int, str, date]) -> None:
    """One payment with a share for each endorsement, fee, and cycle."""
    payment = add(
        session,
        "payment",
        association="NCIMHA",
        form_key=key,
        paid_on=DAY,
        amount_cents=900,
        payer="Agency",
        reference="",
        note="",
        recorded_at=NOW,
        recorded_by="x",
    )
    for endorsement_id, fee, starts_on in shares:
        share = {"endorsement_id": endorsement_id, "fee": fee, "cycle_starts_on": starts_on}
        add(session, "payment_share", payment_id=payment, cents=100, **share)


def test_one_submission_of_a_shared_renewal_is_in_force(session: Session, cast: Cast) -> None:
    alice, bob, erin = (cast.endorsements[each] for each in (ALICE, BOB, ERIN))
    submit(session, alice)
    submit(session, erin)
    submit(session, bob, cycle_starts_on=date(2025, 1, 1))
    returned = {
        "returned_at": NOW,
        "returned_by": "x",
        "returned_because": "x",
        "state": "returned",
    }
    submit(session, bob, form_key="returned", **returned)
    assert check_both(session, cast) == []
    submit(session, bob, form_key="again")
    facts = {"starts_on": CYCLE}
    assert check_both(session, cast) == [Refusal("submissions", "merge-submissions", facts)]
    session.get_one(Endorsement, bob).category = "ECFS"
    assert check_both(session, cast) == []


def test_a_payment_has_one_share_of_a_fee(session: Session, cast: Cast) -> None:
    alice, bob, erin = (cast.endorsements[each] for each in (ALICE, BOB, ERIN))
    pay(session, "a", (alice, "renewal", CYCLE), (erin, "renewal", CYCLE))
    pay(session, "b", (bob, "renewal", CYCLE), (alice, "late", CYCLE))
    pay(session, "c", (alice, "renewal", CYCLE), (bob, "renewal", date(2025, 1, 1)))
    assert check_both(session, cast) == []
    pay(session, "d", (alice, "renewal", CYCLE), (bob, "renewal", CYCLE))
    facts = {"payer": "Agency", "paid_on": DAY}
    assert check_both(session, cast) == [Refusal("payments", "merge-payment", facts)]


def test_nobody_provides_rsc_to_themselves(session: Session, cast: Cast) -> None:
    bob, dana = cast.people[BOB], cast.people[DANA]
    log_rsc: dict[str, Any] = {"person_id": bob, "activity": "rsc", "minutes": 60, "title": "RSC"}
    add(session, "entry", **log_rsc, held_on=DAY, provider_id=dana)
    add(session, "entry", **log_rsc, held_on=DAY + timedelta(days=1), provider_id=bob)
    groups = [hold_session(session, cast, each) for each in (BOB, DANA)]
    name_supervisee(session, cast, groups[0], ALICE)
    name_supervisee(session, cast, groups[1], BOB)
    job: dict[str, Any] = {"person_id": bob, "pay": "paid", "services": "home", "employer": ""}
    job |= dict.fromkeys(("supervised", "trained", "gives_rsc"), False)
    job |= {"families": 0, "statements": "", "starts_on": DAY}
    add(session, "position", **job, title="Visitor", supervisor_id=dana)
    own = Refusal(
        "provider",
        "merge-own-provider",
        {"held_on": DAY + timedelta(days=1), "title": "RSC"},
    )
    assert check_merged(session, bob) == [own]
    name_supervisee(session, cast, groups[0], BOB)
    add(session, "position", **job, title="Trainer", supervisor_id=bob)
    assert check_merged(session, bob) == [
        own,
        Refusal("provider", "merge-own-provider", {"held_on": HELD_ON, "title": TITLE}),
        Refusal("supervisor", "merge-own-supervisor", {"title": "Trainer", "starts_on": DAY}),
    ]
    assert check_merged(session, dana) == []


@pytest.mark.parametrize(
    ("first_ends", "overlaps"),
    [(date(2026, 6, 30), False), (date(2026, 7, 1), True), (None, True)],
)
def test_an_endorsement_is_held_once_on_a_day(
    session: Session, cast: Cast, first_ends: date | None, *, overlaps: bool
) -> None:
    bob = cast.people[BOB]
    for category, starts_on, ends_on in (
        ("ECFS", DAY, None),
        ("ECFS", BEGAN, first_ends),
        ("IECMH", BEGAN, None),
    ):
        session.add(
            Endorsement(
                person_id=bob,
                association="NCIMHA",
                category=category,
                starts_on=starts_on,
                ends_on=ends_on,
            )
        )
    session.flush()
    facts = {"kind": "endorsement", "name": "NCIMHA ECFS", "first": BEGAN, "second": DAY}
    expected = [Refusal("spans", "merge-overlap", facts)] if overlaps else []
    assert check_merged(session, bob) == expected


def test_a_membership_is_held_once_on_a_day(session: Session, cast: Cast) -> None:
    alice = cast.people[ALICE]
    terms = [
        Membership(person_id=alice, organization=name, starts_on=starts_on, ends_on=ends_on)
        for name, starts_on, ends_on in (
            ("CT-AIMH", date(2025, 6, 1), date(2026, 5, 31)),
            ("NCIMHA", date(2026, 12, 31), date(2027, 12, 30)),
        )
    ]
    session.add_all(terms)
    session.flush()
    facts = {
        "kind": "membership",
        "name": "NCIMHA",
        "first": CYCLE,
        "second": date(2026, 12, 31),
    }
    assert check_merged(session, alice) == [Refusal("spans", "merge-overlap", facts)]
    terms[1].starts_on = date(2027, 1, 1)
    session.flush()
    assert check_merged(session, alice) == []


def test_one_application_for_a_category_is_undecided(session: Session, cast: Cast) -> None:
    bob = cast.people[BOB]
    for person_id, category, state, day in (
        (bob, "ECFS", "open", 1),
        (bob, "ECFS", "declined", 2),
        (bob, "IFS", "submitted", 3),
        (cast.people[EVE], "ECFS", "open", 4),
    ):
        apply(session, person_id, category, state, date(2026, 7, day))
    assert check_merged(session, bob) == []
    apply(session, bob, "ECFS", "submitted", DAY + timedelta(days=9))
    facts = {"name": "NCIMHA ECFS"}
    assert check_merged(session, bob) == [Refusal("applications", "merge-applications", facts)]


def apply(session: Session, person_id: int, category: str, state: str, day: date) -> None:
    add(
        session,
        "application",
        person_id=person_id,
        association="NCIMHA",
        category=category,
        opened_on=day,
        state=state,
        decided_on=day if state == "declined" else None,
        purpose="application",
    )


def test_a_day_has_no_more_than_its_hours(session: Session, cast: Cast) -> None:
    bob, eve = cast.people[BOB], cast.people[EVE]
    for person_id, day, minutes in ((bob, 2, 1000), (bob, 1, 1440), (bob, 2, 440), (eve, 2, 1)):
        log_for(session, person_id, date(2026, 7, day), minutes)
    assert check_merged(session, bob) == []
    for day in (2, 1):
        log_for(session, bob, date(2026, 7, day), 1)
    assert check_merged(session, bob) == [
        Refusal("entries", "merge-day-full", {"held_on": date(2026, 7, day), "minutes": 1441})
        for day in (1, 2)
    ]


def log_for(session: Session, person_id: int, day: date, minutes: int) -> None:
    own: dict[str, Any] = {"person_id": person_id, "held_on": day, "minutes": minutes}
    add(session, "entry", **own, activity="training", title="Course")


def test_answers_about_one_session_agree(session: Session, cast: Cast) -> None:
    bob = cast.people[BOB]
    answers = {"state": "disputed", "answered_at": NOW}
    groups = [hold_session(session, cast, each) for each in (DANA, EVE)]
    for group, email, values in (
        (groups[0], "a@example.org", answers),
        (groups[0], "b@example.org", answers),
        (groups[1], "a@example.org", {"state": "asked"}),
    ):
        member = {"group_session_id": group, "email": email, "asked_at": NOW}
        add(session, "group_member", person_id=bob, **member, **values)
    assert check_merged(session, bob) == []
    other = {"state": "confirmed", "answered_at": NOW, "email": "c@example.org", "asked_at": NOW}
    add(session, "group_member", person_id=bob, group_session_id=groups[0], **other)
    facts = {"held_on": HELD_ON, "title": TITLE}
    assert check_merged(session, bob) == [Refusal("confirmations", "merge-answers", facts)]
