"""Audits: a draw that is fixed before it is made, documents, verdicts, decisions, and appeals."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.auditing import (
    HAL,
    SEED,
    accept,
    acts,
    ask_everyone,
    freeze,
    open_accepted,
    store_audit,
    store_submission,
)
from tests.support.cast import ALICE, ATTESTING, BOOKS, KAI, Cast
from tests.support.referees import apply
from tests.support.submitting import (
    ALL_SIGNED,
    CYCLE,
    FAY,
    GIL,
    SUBMITTED_AT,
    fill_with_fay,
)
from tracker.db.audits import AuditDraw
from tracker.db.corrections import Removal
from tracker.db.entry_reviews import EntryDecision
from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.log import AuditEvent, Entry, Evidence
from tracker.db.people import Waiver
from tracker.db.submissions import Submission
from tracker.rules.audit_sampling import FrameLine, hash_frame, parse_frame
from tracker.rules.stages import AuditVerdict
from tracker.rules.standing import Outcome
from tracker.services.audit_decisions import (
    ItemVerdict,
    ask_for_documents,
    decide_audit,
    extend_audit,
    record_verdicts,
)
from tracker.services.audit_draws import (
    discard_draw,
    draw_renewals,
    list_drawn,
    list_drawn_elsewhere,
    list_draws,
    list_frame,
    parse_strata,
)
from tracker.services.audits import (
    add_documents,
    appeal,
    get_case,
    list_attested,
    list_audited_entries,
    list_cases,
    list_deleted_items,
    list_own_cases,
    list_to_remind,
    list_waiting,
    send_documents,
)
from tracker.services.context import NotFound, Refusal, Refused, ServiceContext
from tracker.services.entries import delete_entry
from tracker.services.entry_undo import undo_deletion
from tracker.services.evaluation import evaluate_people, parse_results
from tracker.services.evidence import (
    AuditTargets,
    ReceivedFile,
    find_file_for_coordinator,
    list_kept_files,
    list_requirement_files,
    remove_old_drafts,
    sum_sizes,
)
from tracker.services.facts import parse_settlement
from tracker.services.submissions import (
    SubmissionInput,
    SubmissionNeedsConfirmation,
    accept_renewal,
    list_unaccepted,
    return_renewal,
    submit_renewal,
)

DUE = date(2027, 12, 15)
ENDS = date(2027, 12, 31)
QUOTA = 1_000_000
NUMBERS = count(1)
# What is attested and not logged: 25 of 45 training hours, and 36 RSC hours; in minutes.
UNLOGGED = {"training": 25 * 60, "rsc": 36 * 60}
NO, YES = (
    ItemVerdict(AuditVerdict.NOT_SUPPORTED, "No certificate"),
    ItemVerdict(AuditVerdict.SUPPORTED),
)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_fay(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def session(cast: Cast) -> Iterator[Session]:
    """Fay and Gil have submitted, and were accepted by themselves."""
    yield from open_accepted(cast)


@pytest.fixture
def act(cast: Cast, session: Session) -> Act:
    return lambda email: acts(session, cast, email, SUBMITTED_AT)


@pytest.fixture
def asked(cast: Cast, session: Session) -> int:
    """Fay's audit, for which documents were asked."""
    case_ids = ask_everyone(session, cast, SUBMITTED_AT, DUE)
    return next(n for n in case_ids if get_case(session, n, [ATTESTING]).person.email == FAY)


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [refusal.code for refusal in refused.value.refusals]


def later(context: ServiceContext, days: int) -> ServiceContext:
    return replace(context, now=context.now + timedelta(days=days))


def status(session: Session, cast: Cast) -> str:
    held = {"endorsement_id": cast.endorsements[FAY], "cycle_starts_on": CYCLE}
    return session.exec(select(StandingRow.status).filter_by(**held)).one()


def state(session: Session, case_id: int) -> str:
    return get_case(session, case_id, [ATTESTING]).case.state


def paper(name: str) -> ReceivedFile:
    return ReceivedFile(f"{name}.pdf", "application/pdf", 10, name, f"stored-{name}")


def add(context: ServiceContext, case_id: int, entry_id: int, name: str = "certificate") -> None:
    add_documents(context, AuditTargets(case_id, [entry_id], []), [paper(name)], QUOTA, copy)


def copy(stored_as: str) -> str:
    return f"{stored_as}-copy-{next(NUMBERS)}"


def send(context: ServiceContext, case_id: int, entry_id: int) -> None:
    add(context, case_id, entry_id)
    send_documents(context, case_id, "")


def test_what_is_accepted_by_itself_is_in_the_frame(session: Session, cast: Cast) -> None:
    lines = list_frame(session, ATTESTING, ENDS, ENDS)
    assert [line.endorsement_id for line in lines] == [
        cast.endorsements[FAY],
        cast.endorsements[GIL],
    ]
    assert list_frame(session, ATTESTING, ENDS, ENDS, "IFRS") == []
    assert list_frame(session, ATTESTING, date(2026, 1, 1), date(2027, 12, 30)) == []
    assert list_frame(session, "NCIMHA", ENDS, ENDS) == []


def test_frame_and_seed_are_fixed_before_the_draw(session: Session, cast: Cast) -> None:
    fixed = freeze(session, cast, SUBMITTED_AT, amount=50)
    assert fixed.frame_hash == hash_frame(fixed.frame)
    assert (fixed.seed, fixed.drawn_at) == (SEED, None)
    assert [tuple(one) for one in parse_strata(fixed)] == [("IFS", 2, 1)]
    assert list_cases(session, fixed.id) == []
    for change in (
        update(AuditDraw).values(seed="another"),
        update(AuditDraw).values(frame=""),
        delete(AuditDraw),
    ):
        with pytest.raises(IntegrityError), session.connection().begin_nested():
            session.connection().execute(change)


def test_a_draw_is_made_once_and_as_anyone_can_redo_it(
    session: Session, cast: Cast, act: Act
) -> None:
    fixed = freeze(session, cast, SUBMITTED_AT, amount=50)
    draw_renewals(act(KAI), fixed.id)
    [drawn] = list_cases(session, fixed.id)
    assert drawn.endorsement.id == list_drawn(fixed)[0].endorsement_id
    assert fixed.drawn_by == KAI
    with pytest.raises(Refused) as refused:
        draw_renewals(act(KAI), fixed.id)
    assert codes(refused) == ["audit-drawn"]
    others = list_frame(session, ATTESTING, ENDS, ENDS)
    assert [line.endorsement_id for line in others] != [drawn.endorsement.id]
    assert len(others) == 1


def test_a_renewal_is_in_one_draw_until_that_is_discarded(
    session: Session, cast: Cast, act: Act
) -> None:
    first = freeze(session, cast, SUBMITTED_AT)
    with pytest.raises(Refused) as refused:
        freeze(session, cast, SUBMITTED_AT)
    [refusal] = refused.value.refusals
    assert (refusal.code, refusal.facts) == ("audit-covered", {"draw": first.id})
    with pytest.raises(Refused) as refused:
        discard_draw(act(KAI), first.id, "")
    assert codes(refused) == ["reason-missing"]
    discard_draw(act(KAI), first.id, "A wrong share")
    second = freeze(session, cast, SUBMITTED_AT)
    with pytest.raises(Refused) as refused:
        draw_renewals(act(KAI), first.id)
    assert codes(refused) == ["audit-discarded"]
    events = session.exec(select(AuditEvent.after).filter_by(table_name="audit_draw")).all()
    assert any("A wrong share" in str(event) for event in events)
    assert [one.id for one in list_draws(session, ATTESTING)] == [second.id, first.id]


def test_what_was_drawn_from_is_not_in_the_next_draw(
    session: Session, cast: Cast, act: Act
) -> None:
    draw_renewals(act(KAI), freeze(session, cast, SUBMITTED_AT, amount=50).id)
    with pytest.raises(Refused) as refused:
        freeze(session, cast, SUBMITTED_AT)
    assert codes(refused) == ["audit-covered"]
    accept(session, cast, HAL, "Hal Keawe", SUBMITTED_AT)
    fixed = freeze(session, cast, SUBMITTED_AT)
    assert [line.endorsement_id for line in parse_frame(fixed.frame)] == [cast.endorsements[HAL]]


def test_a_renewal_drawn_elsewhere_is_named(session: Session, cast: Cast, act: Act) -> None:
    first = freeze(session, cast, SUBMITTED_AT)
    discard_draw(act(KAI), first.id, "A wrong share")
    second = freeze(session, cast, SUBMITTED_AT)
    # As it was when several draws could have the same list.
    first.discarded_at = None
    session.flush()
    for fixed in (first, second):
        draw_renewals(act(KAI), fixed.id)
    assert list_drawn_elsewhere(session, first) == []
    elsewhere = list_drawn_elsewhere(session, second)
    assert [one.case.draw_id for one in elsewhere if one.case] == [first.id, first.id]
    assert {one.name for one in elsewhere} == {"Fay Lani", "Gil Mahoe"}


def test_others_neither_draw_nor_decide(session: Session, act: Act, asked: int) -> None:
    stranger = replace(act(KAI), actor=replace(act(KAI).actor, coordinates=("NCIMHA",)))
    fixed = session.exec(select(AuditDraw)).one()
    for work in (
        lambda: draw_renewals(stranger, fixed.id),
        lambda: ask_for_documents(stranger, fixed.id, DUE),
        lambda: decide_audit(stranger, asked, passed=True, reason=""),
        lambda: send_documents(act(GIL), asked, "Mine"),
        lambda: add(act(FAY), asked, 999),
    ):
        with pytest.raises((NotFound, Refused)):
            work()


def test_the_endorsee_knows_of_it_once_asked(session: Session, cast: Cast, act: Act) -> None:
    fixed = freeze(session, cast, SUBMITTED_AT)
    draw_renewals(act(KAI), fixed.id)
    assert list_own_cases(session, cast.people[FAY]) == []
    ask_for_documents(act(KAI), fixed.id, DUE)
    [own] = list_own_cases(session, cast.people[FAY])
    assert (own.case.state, own.case.due_on) == ("asked", DUE)
    with pytest.raises(Refused) as refused:
        ask_for_documents(act(KAI), fixed.id, DUE)
    assert codes(refused) == ["audit-state"]


def test_documents_are_added_to_a_session_that_is_frozen(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    assert state(session, asked) == "sent"
    assert session.exec(select(Evidence.entry_id)).all() == [cast.entries["fay"]]
    with pytest.raises(Refused) as refused:
        add(act(FAY), asked, cast.entries["fay"], "late")
    assert refused.value.refusals == (Refusal("files", "audit-state"),)


def test_something_must_be_sent(act: Act, asked: int) -> None:
    with pytest.raises(Refused) as refused:
        send_documents(act(FAY), asked, "")
    assert codes(refused) == ["audit-nothing-sent"]
    send_documents(act(FAY), asked, "My papers burned")


@pytest.mark.parametrize(
    ("day", "waits"), [("2027-12-15T23:59:00-10:00", False), ("2027-12-16T00:00:00-10:00", True)]
)
def test_an_audit_waits_once_its_due_date_is_over(
    session: Session, asked: int, day: str, *, waits: bool
) -> None:
    today = datetime.fromisoformat(day).date()
    found = [one.case.id for one in list_waiting(session, ATTESTING, today)]
    assert (asked in found) is waits


def test_what_was_sent_waits_at_once(session: Session, cast: Cast, act: Act, asked: int) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    assert [one.case.id for one in list_waiting(session, ATTESTING, DUE)] == [asked]


def test_a_later_due_date_is_reminded_of_again(session: Session, act: Act, asked: int) -> None:
    last = DUE + timedelta(days=7)
    assert asked in [one.case.id for one in list_to_remind(session, ATTESTING, DUE, last)]
    get_case(session, asked, [ATTESTING]).case.reminded_at = SUBMITTED_AT
    assert asked not in [one.case.id for one in list_to_remind(session, ATTESTING, DUE, last)]
    extend_audit(act(KAI), asked, last, "A flood")
    assert asked in [one.case.id for one in list_to_remind(session, ATTESTING, DUE, last)]
    with pytest.raises(Refused) as refused:
        extend_audit(act(KAI), asked, SUBMITTED_AT.date(), "Too late")
    assert codes(refused) == ["audit-due"]
    with pytest.raises(Refused) as refused:
        extend_audit(act(KAI), asked, last, "No day more")
    assert codes(refused) == ["audit-due-earlier"]


def test_an_audit_passes_with_every_session_supported(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    with pytest.raises(Refused) as refused:
        decide_audit(act(KAI), asked, passed=True, reason="")
    assert codes(refused) == ["audit-verdict-missing"]
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: YES}, UNLOGGED)
    decide_audit(act(KAI), asked, passed=True, reason="")
    assert (state(session, asked), status(session, cast)) == ("passed", "met")
    events = session.exec(select(AuditEvent.who).filter_by(table_name="audit_case")).all()
    assert (FAY in events, KAI in events) == (True, True)


def test_a_session_without_support_needs_a_reason(act: Act, cast: Cast, asked: int) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    no = ItemVerdict(AuditVerdict.NOT_SUPPORTED)
    with pytest.raises(Refused) as refused:
        record_verdicts(act(KAI), asked, {cast.entries["fay"]: no})
    assert codes(refused) == ["audit-reason-missing"]


def test_a_renewal_that_does_not_pass_is_returned(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: NO})
    assert status(session, cast) == "met"
    decide_audit(act(KAI), asked, passed=False, reason="Nothing fits")
    assert (state(session, asked), status(session, cast)) == ("not passed", "open")
    submission = get_case(session, asked, [ATTESTING]).submission
    assert (submission.state, submission.returned_because) == ("returned", "Nothing fits")
    assert submission.announced_at == SUBMITTED_AT
    [decision] = session.exec(select(EntryDecision)).all()
    assert (decision.kind, decision.reason) == ("excluded", "No certificate")


def test_attested_hours_count_as_far_as_supported(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    hours = {**UNLOGGED, "training": 45 * 60}
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: NO}, hours)
    held = {"endorsement_id": cast.endorsements[FAY]}
    decide_audit(act(KAI), asked, passed=True, reason="The letter covers all of it")
    session.expire_all()
    settled = session.exec(select(SettledCycle).filter_by(**held)).one()
    assert (status(session, cast), settled.reopened_at) == ("met", None)
    results = {each.requirement_id: each for each in parse_settlement(settled.content).results}
    assert (results["training"].counted, results["training"].outcome) == (2700, Outcome.MET)
    assert results["rsc"].outcome is Outcome.MET
    # What is logged stays apart from what was settled and found.
    audited = get_case(session, asked, [ATTESTING])
    attested = list_attested(session, BOOKS, audited, SUBMITTED_AT)
    assert [(each.requirement.id, each.logged) for each in attested] == [
        ("training", 0),
        ("rsc", 0),
    ]
    audited.endorsement.ends_on = date(2027, 11, 30)
    assert list_attested(session, BOOKS, audited, SUBMITTED_AT) == []


def test_evaluating_an_earlier_day_settles_nothing_anew(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: YES}, UNLOGGED)
    decide_audit(later(act(KAI), 10), asked, passed=True, reason="")
    fay = {cast.people[FAY]}
    evaluate_people(session, BOOKS, fay, SUBMITTED_AT + timedelta(days=5))
    evaluate_people(session, BOOKS, fay, SUBMITTED_AT + timedelta(days=20))
    held = {"endorsement_id": cast.endorsements[FAY]}
    settled = session.exec(select(SettledCycle).filter_by(**held)).one()
    results = {each.requirement_id: each for each in parse_settlement(settled.content).results}
    assert (results["training"].outcome, settled.differs_since) == (Outcome.MET, None)


def test_what_nobody_found_supported_does_not_pass(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: YES})
    with pytest.raises(Refused) as refused, session.begin_nested():
        decide_audit(act(KAI), asked, passed=True, reason="Fine")
    assert codes(refused) == ["audit-hours-missing"] * 2
    assert refused.value.refusals[0].facts["logged"] == "20"
    session.expire_all()
    record_verdicts(act(KAI), asked, {}, {**UNLOGGED, "training": 60})
    with pytest.raises(Refused) as refused, session.begin_nested():
        decide_audit(act(KAI), asked, passed=True, reason="Fine")
    assert codes(refused) == ["audit-short"]
    assert refused.value.refusals[0].facts == {"missing": "Training (24 hours short)"}


def test_an_audit_can_be_passed_with_an_exception(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: YES}, {"rsc": 36 * 60})
    with pytest.raises(Refused) as refused:
        decide_audit(act(KAI), asked, passed=True, waives=True, reason="")
    assert codes(refused) == ["reason-missing"]
    decide_audit(act(KAI), asked, passed=True, waives=True, reason="The log was lost")
    assert (state(session, asked), status(session, cast)) == ("passed", "met")
    waivers = session.exec(select(Waiver.requirement, Waiver.reason)).all()
    assert waivers == [("training", "The log was lost")]


def test_a_statement_does_not_cover_what_an_audit_refuted(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    fail(cast, act, asked)
    submit_again(session, cast)
    [waiting] = list_unaccepted(session, ATTESTING)
    short = {each.id: each.short for each in parse_results(waiting.requirements)}
    assert (short["training"], short["rsc"]) == (45 * 60, 36 * 60)


def test_what_an_audit_refuted_is_missing_though_signed_again(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    fail(cast, act, asked)
    with pytest.raises(SubmissionNeedsConfirmation, match=r"^training rsc$"):
        submit_again(session, cast, is_confirmed=False)


def test_no_more_is_supported_than_required(act: Act, cast: Cast, asked: int) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    for minutes in (-1, 45 * 60 + 1):
        with pytest.raises(Refused) as refused:
            record_verdicts(act(KAI), asked, {}, {"training": minutes})
        assert codes(refused) == ["audit-hours-too-many"]


def test_a_document_can_be_about_many_things(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    entries = [cast.entries["fay"]]
    targets = AuditTargets(asked, entries, ["training", "rsc"])
    kept = add_documents(act(FAY), targets, [paper("one"), paper("two")], QUOTA, copy)
    rows = session.exec(select(Evidence)).all()
    assert {row.stored_as for row in rows} == kept > {"stored-one", "stored-two"}
    copied = sorted(stored_as.partition("-copy")[0] for stored_as in kept)
    assert copied == ["stored-one"] * 3 + ["stored-two"] * 3
    assert sum_sizes_of(session, cast) == 20
    kept_files = list_kept_files(session, BOOKS, cast.people[FAY], SUBMITTED_AT)
    assert all(each.is_closed for each in kept_files)
    assert {each.file.entry_id for each in kept_files if each.lock} == set(entries)
    # The same once more is not stored twice.
    again = add_documents(act(FAY), targets, [paper("one"), paper("new")], QUOTA, copy)
    assert len(again) == 3
    files = list_requirement_files(session, asked)
    assert [file.name for file in files["training"]] == ["one.pdf", "two.pdf", "new.pdf"]
    assert {file.stored_as for file in files["training"]} < kept | again
    assert remove_old_drafts(session, SUBMITTED_AT + timedelta(days=3)) == []
    line = FrameLine("IFS", cast.endorsements[ALICE], CYCLE)
    store_audit(session, line.endorsement_id, store_submission(session, line).id, "sent")
    for file in files["rsc"]:
        found = find_file_for_coordinator(session, BOOKS, file.id, [ATTESTING])
        assert found == session.get(Evidence, file.id)
        assert find_file_for_coordinator(session, BOOKS, file.id, ["NCIMHA"]) is None
    send_documents(act(FAY), asked, "")
    # An application opens the days of its entries, but not what was submitted.
    apply(session, cast.people[FAY], association="CT-AIMH")
    kept_files = list_kept_files(session, BOOKS, cast.people[FAY], SUBMITTED_AT)
    assert {each.file.entry_id for each in kept_files if each.lock} == set(entries)


def sum_sizes_of(session: Session, cast: Cast) -> int:
    return sum_sizes(list_kept_files(session, BOOKS, cast.people[FAY], SUBMITTED_AT))


def test_documents_need_a_file_and_something_to_be_about(act: Act, cast: Cast, asked: int) -> None:
    with pytest.raises(Refused) as refused:
        add_documents(act(FAY), AuditTargets(asked, [], []), [], QUOTA, copy)
    assert refused.value.refusals == (
        Refusal("about", "audit-about-nothing"),
        Refusal("files", "audit-no-file"),
    )
    many = [paper(str(number)) for number in range(11)]
    for targets in (
        AuditTargets(asked, [cast.entries["fay"]], []),
        AuditTargets(asked, [], ["rsc"]),
    ):
        with pytest.raises(Refused) as refused:
            add_documents(act(FAY), targets, many, QUOTA, copy)
        assert codes(refused) == ["file-limit-reached"]
    with pytest.raises(NotFound):
        add_documents(act(FAY), AuditTargets(asked, [], ["ethics"]), [paper("x")], QUOTA, copy)


def test_a_requirement_takes_ten_documents(act: Act, cast: Cast, asked: int) -> None:
    many = [paper(str(number)) for number in range(11)]
    entry, rsc = AuditTargets(asked, [cast.entries["fay"]], []), AuditTargets(asked, [], ["rsc"])
    facts = {"name": "10.pdf", "limit": 10}
    entry_facts = facts | {"size": 10, "quota": QUOTA, "left": QUOTA - 100}
    for targets, expected in ((entry, entry_facts), (rsc, facts)):
        with pytest.raises(Refused) as refused:
            add_documents(act(FAY), targets, many, QUOTA, copy)
        assert refused.value.refusals == (Refusal("files", "file-limit-reached", expected),)
    both = AuditTargets(asked, entry.entries, rsc.requirements)
    add_documents(act(FAY), both, [paper("a"), paper("b")], QUOTA, copy)
    # The reason that is the same for both is named once.
    for targets in (entry, rsc, both):
        with pytest.raises(Refused) as refused:
            add_documents(act(FAY), targets, many, QUOTA, copy)
        names = [str(each.facts["name"]) for each in refused.value.refusals]
        assert sorted(names) == ["10.pdf", "8.pdf", "9.pdf"]
    with pytest.raises(Refused) as refused:
        add_documents(act(FAY), rsc, [paper("c")], 9, copy)
    assert codes(refused) == ["file-quota-exceeded"]
    assert len(add_documents(act(FAY), both, many[:8], QUOTA, copy)) == 16
    with pytest.raises(Refused):
        add_documents(act(FAY), rsc, [paper("c")], QUOTA, copy)


def test_nobody_fails_before_the_due_date_is_over(session: Session, act: Act, asked: int) -> None:
    with pytest.raises(Refused) as refused:
        decide_audit(act(KAI), asked, passed=False, reason="Nothing came")
    assert codes(refused) == ["audit-not-sent"]
    decide_audit(later(act(KAI), 31), asked, passed=False, reason="Nothing came")
    assert state(session, asked) == "not passed"


def test_an_appeal_can_restore_the_renewal(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: NO})
    decide_audit(act(KAI), asked, passed=False, reason="Nothing fits")
    add(act(FAY), asked, cast.entries["fay"], "found")
    appeal(act(FAY), asked, "I found the certificate")
    assert [one.case.id for one in list_waiting(session, ATTESTING, DUE)] == [asked]
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: YES}, UNLOGGED)
    decide_audit(act(KAI), asked, passed=True, reason="It is there")
    assert (state(session, asked), status(session, cast)) == ("passed", "met")
    assert session.exec(select(EntryDecision)).all() == []
    assert get_case(session, asked, [ATTESTING]).submission.state == "accepted"


def test_an_appeal_accepts_what_waited_when_its_audit_failed(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    return_renewal(act(KAI), get_case(session, asked, [ATTESTING]).submission.id, "A wrong date")
    again = submit_again(session, cast, signed=frozenset({"ethics"}))
    assert again.state == "submitted"
    fail(cast, act, asked)
    appeal(act(FAY), asked, "I found the log")
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: YES})
    decide_audit(act(KAI), asked, passed=True, waives=True, reason="The log is there")
    session.refresh(again)
    assert (again.state, status(session, cast)) == ("accepted", "met")
    accepted = (again.accepted_at, again.accepted_by, again.accepted_because)
    assert accepted == (SUBMITTED_AT, KAI, "The log is there")


def test_what_is_signed_anew_by_another_is_accepted_before_its_audit(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    return_renewal(act(KAI), get_case(session, asked, [ATTESTING]).submission.id, "A wrong date")
    again = submit_again(session, cast, signed_name="Kai Lani")
    send(act(FAY), asked, cast.entries["fay"])
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: YES}, UNLOGGED)
    with pytest.raises(Refused) as refused, session.begin_nested():
        decide_audit(act(KAI), asked, passed=True, reason="")
    assert codes(refused) == ["audit-not-accepted"]
    session.expire_all()
    accept_renewal(act(KAI), again.id, "Married name")
    decide_audit(act(KAI), asked, passed=True, reason="")
    assert (state(session, asked), status(session, cast)) == ("passed", "met")


def test_a_decision_is_appealed_once(cast: Cast, act: Act, asked: int) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: NO})
    for attempt in ("not fair", "still not fair"):
        decide_audit(act(KAI), asked, passed=False, reason="Nothing fits")
        if attempt == "not fair":
            appeal(act(FAY), asked, attempt)
    with pytest.raises(Refused) as refused:
        appeal(act(FAY), asked, "Again")
    assert codes(refused) == ["audit-appealed"]


def test_a_returned_renewal_is_not_drawn(session: Session, act: Act) -> None:
    first = session.exec(select(Submission.id).order_by(col(Submission.id))).first()
    assert first is not None
    return_renewal(act(KAI), first, "A wrong date")
    assert len(list_frame(session, ATTESTING, ENDS, ENDS)) == 1


def submit_again(
    session: Session,
    cast: Cast,
    now: datetime = SUBMITTED_AT,
    **changes: Any,  # noqa: ANN401 - values of fields
) -> Submission:
    renewal = SubmissionInput(cast.endorsements[FAY], CYCLE, "Fay Lani", ALL_SIGNED, "b" * 32)
    return submit_renewal(acts(session, cast, FAY, now), replace(renewal, **changes))


def fail(cast: Cast, act: Act, case_id: int) -> None:
    send(act(FAY), case_id, cast.entries["fay"])
    record_verdicts(act(KAI), case_id, {cast.entries["fay"]: NO})
    decide_audit(act(KAI), case_id, passed=False, reason="Nothing fits")


def test_signing_again_does_not_undo_a_failed_audit(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    fail(cast, act, asked)
    again = submit_again(session, cast)
    assert again.state == "submitted"
    evaluate_people(session, BOOKS, {cast.people[FAY]}, later(act(KAI), 1).now)
    assert again.state == "submitted"
    [waiting] = list_unaccepted(session, ATTESTING)
    assert (waiting.submission.id, waiting.failed_case_id) == (again.id, asked)
    with pytest.raises(Refused) as refused:
        appeal(act(FAY), asked, "It is not fair")
    assert codes(refused) == ["audit-submitted-again"]
    accept_renewal(act(KAI), again.id, "The letter came")
    assert status(session, cast) == "met"
    settled = session.exec(select(SettledCycle).filter_by(endorsement_id=cast.endorsements[FAY]))
    assert settled.one().reopened_at is None


def test_nothing_is_submitted_while_an_appeal_waits(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    fail(cast, act, asked)
    appeal(act(FAY), asked, "I found the certificate")
    with pytest.raises(Refused) as refused:
        submit_again(session, cast)
    [refusal] = refused.value.refusals
    assert (refusal.field, refusal.code) == ("", "renewal-appealed")


def test_an_audit_goes_on_with_what_is_submitted_again(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    first = get_case(session, asked, [ATTESTING]).submission.id
    return_renewal(act(KAI), first, "A wrong date")
    with pytest.raises(Refused) as refused:
        decide_audit(later(act(KAI), 31), asked, passed=True, reason="Fine")
    assert "audit-returned" in codes(refused)
    again = submit_again(session, cast)
    assert get_case(session, asked, [ATTESTING]).submission.id == again.id
    event = session.exec(select(AuditEvent).filter_by(table_name="audit_case")).all()[-1]
    held = {"endorsement_id": cast.endorsements[FAY]}
    assert json.loads(event.before or "") == {**held, "submission_id": first}
    assert json.loads(event.after or "") == {**held, "submission_id": again.id}
    assert list_frame(session, ATTESTING, ENDS, ENDS) == []
    fail(cast, act, asked)
    session.refresh(again)
    assert (again.state, status(session, cast)) == ("returned", "open")


def test_an_audit_stays_with_the_renewal_of_its_cycle(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    audited = get_case(session, asked, [ATTESTING]).submission.id
    next_cycle = date(2028, 1, 1)
    submit_again(session, cast, later(act(FAY), 365).now, cycle_starts_on=next_cycle)
    assert get_case(session, asked, [ATTESTING]).submission.id == audited


def test_returning_a_renewal_does_not_escape_a_fixed_draw(
    session: Session, cast: Cast, act: Act
) -> None:
    fixed = freeze(session, cast, SUBMITTED_AT)
    [first, _] = session.exec(select(Submission.id).order_by(col(Submission.id))).all()
    return_renewal(act(KAI), first, "A wrong date")
    again = submit_again(session, cast)
    drawn = {case.submission_id for case in draw_renewals(act(KAI), fixed.id)}
    assert again.id in drawn
    assert first not in drawn
    assert len(drawn) == 2


def test_sessions_of_another_cycle_are_not_audited(
    session: Session, cast: Cast, asked: int
) -> None:
    audited = get_case(session, asked, [ATTESTING])
    assert [one.entry.id for one in list_audited_entries(session, audited)] == [cast.entries["fay"]]
    other = Entry(person_id=cast.people[FAY], activity="training", held_on=date(2028, 1, 1),
                  minutes=60, title="Next cycle")  # fmt: skip
    session.add(other)
    assert len(list_audited_entries(session, audited)) == 1


def test_a_verdict_outlives_its_session_and_finds_it_again(
    session: Session, cast: Cast, act: Act, asked: int
) -> None:
    send(act(FAY), asked, cast.entries["fay"])
    record_verdicts(act(KAI), asked, {cast.entries["fay"]: NO})
    decide_audit(act(KAI), asked, passed=False, reason="Nothing fits")
    delete_entry(act(FAY), cast.entries["fay"])
    session.expire_all()
    audited = get_case(session, asked, [ATTESTING])
    [item] = list_deleted_items(session, audited)
    assert (item.title, item.minutes, item.reason) == ("Infancy week", 1200, "No certificate")
    [deletion] = session.exec(select(Removal)).all()
    undo_deletion(act(FAY), deletion.id)
    session.expire_all()
    assert list_deleted_items(session, audited) == []
    [again] = list_audited_entries(session, audited)
    assert again.item is not None
