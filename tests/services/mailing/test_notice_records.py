"""Whom a notice may be due to, and what the ledger of notices says."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlmodel import Session

from tests.rules.case_data import CasePeople, insert_row
from tests.rules.test_application_notices import OPENED, maya
from tests.rules.test_notices import alice
from tracker.db.ledgers import ProviderSpan
from tracker.db.tables import METADATA
from tracker.rules.notice_config import CutoffSteps, MembershipSteps, NoticeConfig, RenewalSteps
from tracker.rules.notices import Decision, Key, Kind
from tracker.services.notices import (
    RecordedDecision,
    SentDecision,
    consider_again,
    delete_decision,
    drop_decision,
    list_addresses,
    list_decided_for_applications,
    list_decided_for_endorsements,
    list_decisions,
    list_last_asked,
    list_people_to_consider,
    list_sent_decisions,
    list_undecided_applications,
    list_undecided_of_people,
    lock_people,
    record_decisions,
    replace_decision,
)

DAY = timedelta(days=1)
# A night was missed: the run of November 11 does the work of November 10 as well.
LAST, TODAY = date(2026, 11, 9), date(2026, 11, 11)
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
CYCLE, DUE = date(2026, 1, 1), date(2026, 12, 31)
STEPS = NoticeConfig(
    renewal=RenewalSteps(before=(30,), after=(14,)),
    membership=MembershipSteps(before=(7,)),
    provider_cutoff=CutoffSteps(before=(90,), used_within_months=12),
)
# Nothing of it is near.
QUIET = {"judged_on": LAST - DAY, "due_on": date(2027, 6, 30), "membership_until": None}
STANDING, NOTICE = METADATA.tables["standing"], METADATA.tables["notice"]


@pytest.fixture
def people(empty_session: Session) -> CasePeople:
    """Alice of one association and Carol of another, with a standing each; Bob is a provider."""
    people = CasePeople(empty_session)
    people.add("Bob", provides_rsc=True)
    for name, association in (("Alice", "NCIMHA"), ("Carol", "CT-AIMH")):
        people.add(name, [f"{association} IFS 2020-05-01"])
        insert_row(
            empty_session,
            "standing",
            endorsement_id=people.endorsements[f"{name}: {association} IFS"],
            cycle_starts_on=CYCLE,
            association=association,
            status="open",
            status_since=CYCLE,
            requirements="[]",
            rules_digest="",
            **QUIET,
        )
    return people


def considered(people: CasePeople, association: str, last: date | None = LAST) -> set[str]:
    """Whom a run of an association considers, by name."""
    found = list_people_to_consider(people.session, STEPS, association, last, TODAY)
    return {name for name, number in people.ids.items() if number in found}


@pytest.mark.parametrize(
    ("column", "first", "last"),
    [
        ("judged_on", LAST, None),
        ("due_on", date(2026, 12, 10), date(2026, 12, 11)),
        ("due_on", date(2026, 10, 27), date(2026, 10, 28)),
        ("membership_until", date(2026, 11, 17), date(2026, 11, 18)),
        ("membership_until", date(2026, 11, 9), date(2026, 11, 10)),
    ],
)
def test_a_run_considers_people_whose_step_has_come(
    people: CasePeople, column: str, first: date, last: date | None
) -> None:
    def is_considered(day: date) -> bool:
        people.session.connection().execute(update(STANDING).values({**QUIET, column: day}))
        assert considered(people, "CT-AIMH") in ({"Carol"}, set())
        return considered(people, "NCIMHA") == {"Alice"}

    assert not is_considered(first - DAY)
    assert is_considered(first)
    if last is not None:
        assert is_considered(last)
        assert not is_considered(last + DAY)


def test_the_first_run_considers_all_its_endorsees(people: CasePeople) -> None:
    assert considered(people, "NCIMHA", None) == {"Alice"}
    assert considered(people, "NCIMHA") == set()


@pytest.mark.parametrize(
    ("held_on", "last_day", "is_near"),
    [
        ("2025-11-10", "2027-02-09", False),
        ("2025-11-11", "2027-02-07", False),
        ("2025-11-11", "2027-02-08", True),
        ("2025-11-11", "2027-02-09", True),
        ("2025-11-11", "2027-02-10", False),
    ],
)
def test_a_run_considers_people_whose_provider_ends_soon(
    people: CasePeople, held_on: str, last_day: str, *, is_near: bool
) -> None:
    people.add("Dora", ["NCIMHA IFS 2020-05-01"])
    people.log(f"Dora: rsc 1h {held_on} with Bob")
    people.log(f"Carol: rsc 1h {held_on} with Bob")
    span = ProviderSpan(
        rule="NCIMHA/ifs-rsc",
        provider_id=people.ids["Bob"],
        starts_on=CYCLE,
        ends_on=date.fromisoformat(last_day),
    )
    people.session.add(span)
    people.session.flush()
    assert considered(people, "NCIMHA") == ({"Dora"} if is_near else set())
    # A step has come for Alice, too.
    people.session.connection().execute(update(STANDING).values(judged_on=LAST))
    assert considered(people, "NCIMHA") == ({"Alice", "Dora"} if is_near else {"Alice"})


def key(step: int) -> Key:
    return Key(Kind.RENEWAL, "", DUE, step)


def record(people: CasePeople, step: int, message: str | None, **values: object) -> int:
    """Record that Alice's reminder was sent with a message, or skipped."""
    about = {"endorsement_id": people.endorsements["Alice: NCIMHA IFS"], "kind": "renewal"}
    decided = {"due_on": DUE, "step": step, "decided_on": LAST, "cycle_starts_on": CYCLE}
    outcome = {"outcome": "sent" if message else "skipped", "reason": None if message else "late"}
    row = {**about, **decided, **outcome, "message_id": message, **values}
    return insert_row(people.session, "notice", **row)


def apply(people: CasePeople, name: str, **values: object) -> int:
    """Store a person's application and return its id."""
    row = {"association": "CT-AIMH", "category": "IFS", "opened_on": CYCLE, **values}
    return insert_row(people.session, "application", person_id=people.ids[name], **row)


def put(people: CasePeople, message: str, state: str, *, is_copy: bool = False) -> None:
    """Store an email of the outbox, or its copy to the second address."""
    insert_row(
        people.session,
        "outbox",
        dedupe_key=f"{message}:second" if is_copy else message,
        message_id=f"{message}:second" if is_copy else message,
        kind="notices",
        recipient="alice@example.org",
        subject="",
        body=b"",
        state=state,
        created_at=NOON,
        next_attempt_at=NOON,
        last_error="550" if state == "failed" else None,
    )


def test_decisions_are_those_of_each_subject(people: CasePeople) -> None:
    session, alice = people.session, people.endorsements["Alice: NCIMHA IFS"]
    first, second = apply(people, "Alice"), apply(people, "Carol")
    record(people, -30, "<a>")
    record(people, -14, "<b>")
    record(people, -7, None)
    other = people.endorsements["Carol: CT-AIMH IFS"]
    record(people, -7, None, endorsement_id=other)
    for step, message in ((-30, "<c>"), (-14, "<d>"), (-7, None)):
        record(people, step, message, endorsement_id=None, application_id=first)
    record(people, -7, None, endorsement_id=None, application_id=second)
    assert list_decided_for_endorsements(session, [alice]) == {
        alice: {key(-30): CYCLE, key(-14): CYCLE, key(-7): CYCLE}
    }
    assert list_decided_for_endorsements(session, [alice, other], {"<a>", "<c>"}) == {
        alice: {key(-14): CYCLE, key(-7): CYCLE},
        other: {key(-7): CYCLE},
    }
    assert list_decided_for_applications(session, [first]) == {
        first: {key(-30): True, key(-14): True, key(-7): False}
    }
    assert list_decided_for_applications(session, [first, second], {"<c>"}) == {
        first: {key(-14): True, key(-7): False},
        second: {key(-7): False},
    }


def test_the_ledger_says_what_became_of_each_email(people: CasePeople) -> None:
    number = apply(people, "Alice", category="IMHS")
    for message, state, copy in (
        ("<sent>", "sent", None),
        ("<failed>", "failed", None),
        ("<reached>", "failed", "sent"),
        ("<lost>", "failed", "failed"),
    ):
        put(people, message, state)
        if copy:
            put(people, message, copy, is_copy=True)
    for step, sent in ((-30, "<sent>"), (-14, "<failed>"), (-7, "<reached>"), (-1, "<lost>")):
        record(people, step, sent)
    record(people, 1, None)
    record(people, 14, "<deleted>", endorsement_id=None, application_id=number)
    [first, *others] = list_decisions(people.session)
    names = ("alice@example.org", "NCIMHA", "IFS", "renewal")
    assert first == RecordedDecision(*names, -30, DUE, LAST, "sent", None, "<sent>", "sent")
    assert [(each.step, *each[7:]) for each in others] == [
        (-14, "failed", "550", "<failed>", "failed"),
        (-7, "sent", None, "<reached>", "sent"),
        (-1, "failed", "550", "<lost>", "failed"),
        (1, "skipped", "late", None, None),
        (14, "sent", None, "<deleted>", None),
    ]
    assert others[-1][:3] == ("alice@example.org", "CT-AIMH", "IMHS")


def test_decisions_of_emails_that_wait_are_changed_one_by_one(people: CasePeople) -> None:
    session, alice = people.session, people.endorsements["Alice: NCIMHA IFS"]
    number = apply(people, "Alice")
    ids = [record(people, -30, "<b>"), record(people, -14, "<a>"), record(people, -7, "<a>")]
    ids += [record(people, 1, "<a>", endorsement_id=None, application_id=number)]
    record(people, 14, "<other>")
    held = list_sent_decisions(session, ["<a>", "<b>"])
    assert held == [
        SentDecision(ids[0], (False, alice), key(-30), "<b>", LAST),
        SentDecision(ids[1], (False, alice), key(-14), "<a>", LAST),
        SentDecision(ids[2], (False, alice), key(-7), "<a>", LAST),
        SentDecision(ids[3], (True, number), key(1), "<a>", LAST),
    ]
    replace_decision(session, held[0], "<new>", TODAY)
    drop_decision(session, held[1], "not needed", TODAY)
    delete_decision(session, held[2])
    columns = (NOTICE.c[name] for name in ("step", "outcome", "reason", "message_id", "decided_on"))
    rows = session.connection().execute(select(*columns).order_by(NOTICE.c.id)).all()
    assert [tuple(row) for row in rows] == [
        (-30, "sent", "decided again: the email of 2026-11-09 had not left", "<new>", TODAY),
        (-14, "skipped", "not needed", None, TODAY),
        (1, "sent", None, "<a>", LAST),
        (14, "sent", None, "<other>", LAST),
    ]


def decide_both(people: CasePeople, skipped: str | None) -> list[Decision]:
    """A decision about Alice's renewal, and one about her application with the same number."""
    number = people.endorsements["Alice: NCIMHA IFS"]
    apply(people, "Alice", id=number)
    renewal, application = alice(TODAY, cycle=CYCLE), maya(TODAY)
    renewal_facts = renewal.facts._replace(subject_id=number)
    facts = application.facts._replace(subject_id=number)
    return [
        Decision(renewal._replace(facts=renewal_facts), key(-30), skipped),
        Decision(application._replace(facts=facts), key(-7), None),
    ]


def test_decisions_are_recorded_with_what_they_are_about(people: CasePeople) -> None:
    number = people.endorsements["Alice: NCIMHA IFS"]
    skipped, sent = decide_both(people, "late")
    lock_people(people.session, list(people.ids.values()))
    record_decisions(people.session, [(skipped, None), (sent, "<a>")], TODAY)
    rows = people.session.connection().execute(select(NOTICE).order_by(NOTICE.c.id)).mappings()
    about = {"kind": "renewal", "subject_key": "", "due_on": DUE, "decided_on": TODAY}
    renewal = {"endorsement_id": number, "application_id": None, "cycle_starts_on": CYCLE}
    application = {"endorsement_id": None, "application_id": number, "cycle_starts_on": OPENED}
    late = {"step": -30, "outcome": "skipped", "reason": "late", "message_id": None}
    now = {"step": -7, "outcome": "sent", "reason": None, "message_id": "<a>"}
    assert [{**row, "id": 0} for row in rows] == [
        {"id": 0, **about, **renewal, **late},
        {"id": 0, **about, **application, **now},
    ]


def test_a_deferred_decision_is_considered_by_the_next_run(people: CasePeople) -> None:
    renewal, application = decide_both(people, None)
    consider_again(people.session, [application], LAST)
    assert considered(people, "NCIMHA") == set()
    consider_again(people.session, [renewal], LAST)
    assert considered(people, "NCIMHA") == {"Alice"}
    assert considered(people, "CT-AIMH") == set()


def test_mail_goes_to_the_second_address_while_it_works(people: CasePeople) -> None:
    session, person = people.session, METADATA.tables["person"]
    number = people.ids["Alice"]

    def address(**values: object) -> str:
        session.connection().execute(update(person).where(person.c.id == number).values(values))
        return list_addresses(session, [number])[number]

    assert address(second_email="Alice@Home.example") == "alice@example.org"
    assert address(email_refused_at=NOON) == "alice@home.example"
    assert address(dead_second_email="alice@home.example") == "alice@example.org"


def test_undecided_applications_are_those_open_or_submitted(people: CasePeople) -> None:
    session = people.session
    opened = apply(people, "Alice")
    submitted = apply(people, "Bob", state="submitted", submitted_on=TODAY)
    elsewhere = apply(people, "Alice", association="NCIMHA")
    apply(people, "Carol", state="withdrawn", decided_on=TODAY)
    alice, bob, carol = (people.ids[name] for name in ("Alice", "Bob", "Carol"))
    assert list_undecided_applications(session, "CT-AIMH") == {opened: alice, submitted: bob}
    assert sorted(list_undecided_of_people(session, [alice, carol])) == [opened, elsewhere]


def test_the_latest_request_for_a_reference_counts(people: CasePeople) -> None:
    asked, silent, other = (apply(people, name) for name in ("Alice", "Bob", "Carol"))
    for number, (application, asked_at) in enumerate(
        [(asked, NOON - DAY), (asked, NOON), (asked, None), (silent, None), (other, NOON - DAY)]
    ):
        insert_row(
            people.session,
            "reference",
            application_id=application,
            email=f"{number}@example.org",
            name="Pat",
            role="trainer",
            asked_at=asked_at,
        )
    expected = {asked: NOON, other: NOON - DAY}
    assert list_last_asked(people.session, [asked, silent, other]) == expected
    many = [asked, *range(100, 1_100), other]
    assert list_last_asked(people.session, many) == expected
    assert list_last_asked(people.session, [silent]) == {}
