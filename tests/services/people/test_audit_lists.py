"""Audits in lists, and what endorsees send, say, and are refused."""

import json
from datetime import date, datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from tests.rules.case_data import insert_row
from tests.support.auditing import acts, store_audit, store_submission, store_submitted
from tests.support.cast import ATTESTING, BOOKS, CAROL, NOW, Cast
from tests.support.submitting import CYCLE
from tracker.db.audits import AuditCase, AuditItem
from tracker.db.log import AuditEvent, Entry
from tracker.db.submissions import Submission
from tracker.rules.audit_sampling import FrameLine
from tracker.services.audits import (
    AuditedRenewal,
    add_documents,
    appeal,
    claim_reminder,
    get_case,
    get_own_case,
    is_submitted_again,
    list_attested,
    list_audited_entries,
    list_cases,
    list_cases_by_id,
    list_deleted_items,
    list_open_audits,
    list_own_cases,
    list_to_remind,
    list_waiting,
    lock_audit,
    send_documents,
)
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.evidence import AuditTargets, ReceivedFile

DAY = timedelta(days=1)
DUE = date(2027, 12, 31)
STATES = ("drawn", "asked", "sent", "passed", "not passed", "appealed")


def audit(
    session: Session, name: str, state: str = "asked", *, association: str = ATTESTING
) -> AuditedRenewal:
    """Store an endorsee and the audit of their renewal."""
    held = store_submitted(session, name, association=association).endorsement_id
    submission = session.exec(select(Submission).where(Submission.endorsement_id == held)).one()
    return get_case(session, store_audit(session, held, submission.id, state), [association])


def change(session: Session, audited: AuditedRenewal, **values: object) -> None:
    for name, value in values.items():
        setattr(audited.case, name, value)
    session.flush()


def return_renewal(session: Session, audited: AuditedRenewal) -> None:
    audited.submission.state, audited.submission.returned_at = "returned", NOW
    session.flush()


def submit_again(session: Session, audited: AuditedRenewal, starts_on: date = CYCLE) -> None:
    return_renewal(session, audited)
    store_submission(session, FrameLine("IFS", audited.endorsement.id, starts_on))


def own(session: Session, cast: Cast, audited: AuditedRenewal) -> ServiceContext:
    """The context in which the endorsee acts."""
    cast.people[audited.person.email] = audited.person.id
    return acts(session, cast, audited.person.email, NOW)


def test_cases_are_listed_by_draw_and_position(session: Session) -> None:
    ann, ben, cleo = (audit(session, name) for name in ("Ann", "Ben", "Cleo"))
    change(session, ben, draw_id=ann.case.draw_id, position=0)
    change(session, cleo, position=0)
    assert list_cases(session, ann.case.draw_id) == [ben, ann]
    assert list_cases(session, cleo.case.draw_id) == [cleo]
    assert list_cases_by_id(session, [each.case.id for each in (cleo, ann, ben)]) == [
        ben,
        ann,
        cleo,
    ]
    assert list_cases_by_id(session, [ben.case.id, 999]) == [ben]
    assert (ann.person.name, ann.endorsement.person_id) == ("Ann", ann.person.id)
    assert (ann.submission.id, ann.submission.endorsement_id) == (
        ann.case.submission_id,
        ann.endorsement.id,
    )


@pytest.mark.parametrize(
    ("state", "is_own", "is_open", "may_appeal"),
    [
        ("drawn", False, False, False),
        ("asked", True, True, False),
        ("sent", True, True, False),
        ("passed", True, False, False),
        ("not passed", True, True, True),
        ("appealed", True, True, False),
    ],
)
def test_people_see_their_own_audits_once_asked(
    session: Session, state: str, *, is_own: bool, is_open: bool, may_appeal: bool
) -> None:
    other, ann = audit(session, "Other", state), audit(session, "Ann", state)
    assert list_own_cases(session, ann.person.id) == [ann] * is_own
    assert list_open_audits(session, ann.person.id) == [ann] * is_open
    assert ann.may_appeal is may_appeal
    hidden = [(ann.person.id, other.case.id), (other.person.id, ann.case.id)]
    if is_own:
        assert get_own_case(session, ann.person.id, ann.case.id) == ann
    else:
        hidden.append((ann.person.id, ann.case.id))
    for person_id, case_id in hidden:
        with pytest.raises(NotFound):
            get_own_case(session, person_id, case_id)


def test_failed_audits_end_with_an_appeal(session: Session) -> None:
    ann = audit(session, "Ann", "not passed")
    change(session, ann, appealed_at=NOW, appeal="I was there.")
    assert not ann.may_appeal
    assert list_open_audits(session, ann.person.id) == []


def test_failed_audits_end_with_the_next_submission(session: Session) -> None:
    ann = audit(session, "Ann", "not passed")
    # Neither one of another cycle, nor one of another person.
    submit_again(session, ann, date(2028, 1, 1))
    store_submitted(session, "Other")
    assert not is_submitted_again(session, ann)
    assert list_open_audits(session, ann.person.id) == [ann]
    submit_again(session, ann)
    assert is_submitted_again(session, ann)
    assert list_open_audits(session, ann.person.id) == []
    # Nor does an earlier one end the audit of a later one.
    later = session.exec(select(Submission).order_by(col(Submission.id).desc())).first()
    assert later is not None
    change(session, ann, submission_id=later.id)
    session.expire_all()
    again = get_case(session, ann.case.id, [ATTESTING])
    assert not is_submitted_again(session, again)
    assert list_open_audits(session, ann.person.id) == [again]


@pytest.mark.parametrize("day", [DUE, DUE + DAY])
def test_audits_wait_for_their_coordinator(session: Session, day: date) -> None:
    for association in ("NCIMHA", ATTESTING):
        for state in STATES:
            audit(session, f"{state} {association}", state, association=association)
    waiting = {each.case.state for each in list_waiting(session, ATTESTING, day)}
    assert waiting == {"sent", "appealed"} | ({"asked"} if day > DUE else set())
    assert {each.endorsement.association for each in list_waiting(session, ATTESTING, day)} == {
        ATTESTING
    }


def test_reminders_are_of_what_was_asked_and_is_due(session: Session) -> None:
    for state in STATES:
        audit(session, state, state)
    audit(session, "Elsewhere", association="NCIMHA")
    change(session, audit(session, "Reminded"), reminded_at=NOW)

    def names(first: date, last: date) -> list[str]:
        return [each.person.name for each in list_to_remind(session, ATTESTING, first, last)]

    assert names(DUE, DUE) == ["asked"]
    assert names(DUE - DAY, DUE - DAY) == []
    assert names(DUE + DAY, DUE + DAY) == []


def test_a_reminder_is_claimed_once(session: Session) -> None:
    other, ann = audit(session, "Other"), audit(session, "Ann")
    assert claim_reminder(session, ann, NOW)
    assert not claim_reminder(session, ann, NOW)
    session.expire_all()
    assert (ann.case.reminded_at, other.case.reminded_at) == (NOW, None)


@pytest.mark.parametrize(
    "values", [{"due_on": DUE + DAY}, {"state": "sent"}], ids=["extended", "sent"]
)
def test_reminders_of_changed_audits_are_not_claimed(
    session: Session, values: dict[str, object]
) -> None:
    ann = audit(session, "Ann")
    seen = AuditedRenewal(AuditCase(**ann.case.model_dump()), *ann[1:])
    change(session, ann, **values)
    assert not claim_reminder(session, seen, NOW)


def test_audits_of_other_associations_are_not_found(session: Session) -> None:
    ann = audit(session, "Ann")
    assert get_case(session, ann.case.id, ["NCIMHA", ATTESTING]) == ann
    for case_id, associations in ((ann.case.id, ["NCIMHA"]), (999, [ATTESTING])):
        with pytest.raises(NotFound):
            get_case(session, case_id, associations)


def test_locking_reads_an_audit_again(session: Session) -> None:
    ann = audit(session, "Ann")
    table = AuditCase.__table__  # type: ignore[attr-defined]
    session.connection().execute(table.update().values(state="sent"))
    table = Submission.__table__  # type: ignore[attr-defined]
    session.connection().execute(table.update().values(signed_name="Another"))
    locked = lock_audit(session, ann)
    assert (locked.case.state, locked.submission.signed_name) == ("sent", "Another")


def log(session: Session, person_id: int, day: date) -> int:
    entry = Entry(person_id=person_id, activity="training", held_on=day, minutes=60, title=str(day))
    session.add(entry)
    session.flush()
    return entry.id


def exclude(session: Session, entry_id: int, association: str) -> None:
    entry = session.get_one(Entry, entry_id)
    about = {"title": entry.title, "held_on": entry.held_on, "minutes": 60, "reason": "None"}
    decided = {"decided_at": NOW, "decided_by": CAROL, "person_id": entry.person_id}
    names = {"entry_id": entry_id, "association": association, "kind": "excluded"}
    insert_row(session, "entry_decision", **names, **about, **decided)


def add_item(session: Session, audited: AuditedRenewal, entry_id: int | None) -> AuditItem:
    item = AuditItem(
        case_id=audited.case.id,
        endorsement_id=audited.endorsement.id,
        entry_id=entry_id,
        title="Infancy day",
        held_on=CYCLE,
        minutes=60,
        verdict="supported",
        decided_at=NOW,
        decided_by=CAROL,
    )
    session.add(item)
    session.flush()
    return item


def test_audited_entries_count_or_have_a_verdict(session: Session) -> None:
    other, ann = audit(session, "Other"), audit(session, "Ann")
    # Otherwise the log could not be changed.
    return_renewal(session, ann)
    return_renewal(session, other)
    first, ends_on = CYCLE, ann.submission.cycle_ends_on
    days = (first - DAY, first, first + DAY, first + 2 * DAY, ends_on, ends_on + DAY)
    _, start, excluded, decided, end, _ = (log(session, ann.person.id, day) for day in days)
    log(session, other.person.id, first)
    for entry_id in (excluded, decided):
        exclude(session, entry_id, ATTESTING)
    exclude(session, end, "NCIMHA")
    item = add_item(session, ann, decided)
    add_item(session, other, start)
    found = list_audited_entries(session, ann)
    assert [(each.entry.id, each.item) for each in found] == [
        (end, None),
        (decided, item),
        (start, None),
    ]


def test_verdicts_about_deleted_entries_are_listed(session: Session) -> None:
    other, ann = audit(session, "Other"), audit(session, "Ann")
    return_renewal(session, ann)
    first, second = (add_item(session, ann, None) for _ in range(2))
    add_item(session, ann, log(session, ann.person.id, CYCLE))
    add_item(session, other, None)
    assert list_deleted_items(session, ann) == [first, second]


def sign(session: Session, audited: AuditedRenewal, *keys: str) -> None:
    audited.submission.statements = json.dumps(dict.fromkeys(keys, "Their words"))
    session.flush()


def attested(
    session: Session, audited: AuditedRenewal, now: datetime = NOW
) -> list[tuple[str, int, int, int | None]]:
    """What is required and logged, and what documents support, by requirement."""
    return [
        (
            each.requirement.id,
            each.required,
            each.logged,
            each.found.supported if each.found else None,
        )
        for each in list_attested(session, BOOKS, audited, now)
    ]


def test_attested_hours_are_those_of_the_audited_cycle(session: Session) -> None:
    other, ann = audit(session, "Other"), audit(session, "Ann")
    return_renewal(session, ann)
    log(session, ann.person.id, CYCLE)
    log(session, ann.person.id, CYCLE - DAY)
    sign(session, ann, "hours", "ethics")
    for audited in (ann, other):
        ids = {"case_id": audited.case.id, "endorsement_id": audited.endorsement.id}
        decided = {"decided_at": NOW, "decided_by": CAROL, "supported": audited.case.id}
        insert_row(session, "audit_hours", requirement="training", **ids, **decided)
    expected = [("training", 45 * 60, 60, ann.case.id), ("rsc", 36 * 60, 0, None)]
    for now in (NOW, NOW.replace(year=2028)):
        assert attested(session, ann, now) == expected


@pytest.mark.parametrize(
    ("signed", "waived", "expected"),
    [
        (["hours"], [], ["training", "rsc"]),
        (["hours"], ["training"], ["rsc"]),
        (["ethics"], [], []),
        ([], [], []),
    ],
)
def test_only_signed_hours_that_are_required_are_attested(
    session: Session, signed: list[str], waived: list[str], expected: list[str]
) -> None:
    ann = audit(session, "Ann")
    sign(session, ann, *signed)
    for requirement in waived:
        about = {"endorsement_id": ann.endorsement.id, "cycle_starts_on": CYCLE}
        insert_row(session, "waiver", requirement=requirement, reason="Flood", **about)
    assert [name for name, *_ in attested(session, ann)] == expected


@pytest.mark.parametrize(
    "values",
    [{"category": "GONE"}, {"starts_on": date(2010, 1, 1)}, {"ends_on": date(2026, 1, 1)}],
    ids=["no rules", "no cycle", "ended before it was due"],
)
def test_nothing_is_attested_without_a_renewal(session: Session, values: dict[str, object]) -> None:
    ann = audit(session, "Ann")
    sign(session, ann, "hours")
    for name, value in values.items():
        setattr(ann.endorsement, name, value)
    if "starts_on" in values:
        ann.submission.cycle_starts_on = date(2015, 1, 1)
    session.flush()
    assert attested(session, ann) == []


@pytest.mark.parametrize(("logged", "unlogged"), [(20, 40), (60, 0), (61, 0)])
def test_unlogged_hours_are_those_no_session_shows(
    session: Session, logged: int, unlogged: int
) -> None:
    ann = audit(session, "Ann")
    sign(session, ann, "hours")
    [training, _] = list_attested(session, BOOKS, ann, NOW)
    assert training._replace(required=60, logged=logged).unlogged == unlogged


def test_documents_are_sent_with_a_note(session: Session, cast: Cast) -> None:
    ann = audit(session, "Ann")
    send_documents(own(session, cast, ann), ann.case.id, "My papers burned")
    case = session.get_one(AuditCase, ann.case.id)
    assert (case.state, case.sent_at, case.note) == ("sent", NOW, "My papers burned")
    event = session.exec(select(AuditEvent).where(AuditEvent.table_name == "audit_case")).one()
    assert event.who == "ann@example.org"
    assert json.loads(event.after or "").items() >= {"state": "sent", "note": case.note}.items()


def test_documents_about_a_requirement_are_enough(session: Session, cast: Cast) -> None:
    ann = audit(session, "Ann")
    sign(session, ann, "hours")
    paper = ReceivedFile("paper.pdf", "application/pdf", 10, "hash", "stored")
    targets = AuditTargets(ann.case.id, [], ["training"])
    kept = add_documents(own(session, cast, ann), targets, [paper], 10, lambda name: name)
    assert kept == {"stored"}
    send_documents(own(session, cast, ann), ann.case.id, "")
    assert (ann.case.state, ann.case.note) == ("sent", None)


@pytest.mark.parametrize(
    ("state", "note", "codes"),
    [
        ("asked", "", ["audit-nothing-sent"]),
        ("asked", "x" * 501, ["text-too-long"]),
        ("sent", "", ["audit-state", "audit-nothing-sent"]),
    ],
)
def test_documents_are_refused_where_nothing_is_sent(
    session: Session, cast: Cast, state: str, note: str, codes: list[str]
) -> None:
    ann = audit(session, "Ann", state)
    with pytest.raises(Refused) as refused:
        send_documents(own(session, cast, ann), ann.case.id, note)
    refusals = refused.value.refusals
    assert [(each.field, each.code) for each in refusals] == [("note", code) for code in codes]


def test_an_appeal_waits_with_its_reason(session: Session, cast: Cast) -> None:
    ann = audit(session, "Ann", "not passed")
    appeal(own(session, cast, ann), ann.case.id, "I was there.")
    case = session.get_one(AuditCase, ann.case.id)
    assert (case.state, case.appealed_at, case.appeal) == ("appealed", NOW, "I was there.")


def test_appeals_are_refused_without_a_reason(session: Session, cast: Cast) -> None:
    ann = audit(session, "Ann", "passed")
    with pytest.raises(Refused) as refused:
        appeal(own(session, cast, ann), ann.case.id, "")
    assert refused.value.refusals == (
        Refusal("appeal", "appeal-missing"),
        Refusal("appeal", "audit-appealed"),
    )


def test_appeals_are_refused_after_the_next_submission(session: Session, cast: Cast) -> None:
    ann = audit(session, "Ann", "not passed")
    submit_again(session, ann)
    with pytest.raises(Refused) as refused:
        appeal(own(session, cast, ann), ann.case.id, "I was there.")
    assert refused.value.refusals == (Refusal("appeal", "audit-submitted-again"),)
