"""Decisions about audits: the request, more time, the verdicts, the outcome, and what they keep."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.auditing import HAL, acts, ask_everyone, freeze, open_accepted
from tests.support.cast import ATTESTING, KAI, Cast
from tests.support.submitting import CYCLE, FAY, GIL, SUBMITTED_AT, add_endorsee, fill_with_fay
from tracker.db.audits import AuditHours, AuditItem
from tracker.db.engine import writing
from tracker.db.entry_reviews import EntryDecision
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent, Entry
from tracker.db.people import Endorsement, Membership, Waiver
from tracker.refusal_text import format_refusal
from tracker.rules.stages import AuditVerdict
from tracker.services.audit_decisions import (
    ItemVerdict,
    ask_for_documents,
    decide_audit,
    extend_audit,
    record_verdicts,
)
from tracker.services.audit_draws import draw_renewals
from tracker.services.audits import (
    AuditedRenewal,
    appeal,
    get_case,
    list_cases,
    list_own_cases,
    send_documents,
)
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.evaluation import evaluate_people, parse_results
from tracker.services.submissions import (
    SubmissionInput,
    accept_renewal,
    return_renewal,
    submit_renewal,
)

DUE = date(2027, 12, 15)
DAY = timedelta(days=1)
LEA = "lea@example.org"
YES = ItemVerdict(AuditVerdict.SUPPORTED)
NO = ItemVerdict(AuditVerdict.NOT_SUPPORTED, "No certificate")
# What is attested and not logged: 24 of 45 training hours, and 36 RSC hours; in minutes.
UNLOGGED = {"training": 24 * 60, "rsc": 36 * 60}
TOO_LONG = "Use at most 500 characters"
CHANGED = "This was decided or sent meanwhile. Look at the page again."
STILL_OPEN = "The documents can still be sent through December 15, 2027"
RETURNED = (
    "The renewal was returned and is not submitted again yet. "
    "Decide that it passed once it is submitted."
)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    """Fay has a training of a week, one of an hour, and an RSC session without a title."""
    filled = fill_with_fay(database_url)
    more: dict[str, Any] = {"person_id": filled.people[FAY], "minutes": 60}
    with writing(filled.engine) as session:
        rsc = Entry(activity="rsc", held_on=date(2026, 5, 4), title="", **more)
        short = Entry(activity="training", held_on=date(2026, 6, 1), title="Sleep class", **more)
        session.add_all([rsc, short])
        session.flush()
        filled.entries |= {"rsc": rsc.id, "short": short.id}
    yield filled
    filled.engine.dispose()


@pytest.fixture
def session(cast: Cast) -> Iterator[Session]:
    yield from open_accepted(cast)


@pytest.fixture
def act(cast: Cast, session: Session) -> Act:
    return lambda email: acts(session, cast, email, SUBMITTED_AT)


@pytest.fixture
def kai(act: Act) -> ServiceContext:
    return act(KAI)


@pytest.fixture
def lea(kai: ServiceContext) -> ServiceContext:
    """Another coordinator, a day later."""
    return replace(kai, actor=replace(kai.actor, label=LEA), now=SUBMITTED_AT + DAY)


@pytest.fixture
def asked(cast: Cast, session: Session) -> int:
    """Fay's audit, for which documents were asked."""
    case_ids = ask_everyone(session, cast, SUBMITTED_AT, DUE)
    return next(n for n in case_ids if get_case(session, n, [ATTESTING]).person.email == FAY)


@pytest.fixture
def sent(act: Act, asked: int) -> int:
    """Fay's audit, for which a note was sent."""
    send_documents(act(FAY), asked, "My papers burned")
    return asked


@pytest.fixture
def everything(cast: Cast) -> dict[int, ItemVerdict]:
    """A verdict that each session of Fay is supported."""
    return dict.fromkeys((cast.entries[name] for name in ("fay", "rsc", "short")), YES)


def problems(work: Callable[[], object]) -> list[tuple[str, str]]:
    """Each refused field with the sentence that people read there."""
    with pytest.raises(Refused) as refused:
        work()
    return [(each.field, format_refusal(each.code, each.facts)) for each in refused.value.refusals]


def read(session: Session, case_id: int) -> AuditedRenewal:
    session.expire_all()
    return get_case(session, case_id, [ATTESTING])


def list_events(session: Session, table: str) -> list[tuple[str, dict[str, object]]]:
    """Who changed rows of a table, and to what, oldest first."""
    query = select(AuditEvent.who, AuditEvent.after).filter_by(table_name=table)
    rows = session.exec(query.order_by(col(AuditEvent.id)))
    return [(who, json.loads(after or "{}")) for who, after in rows]


def status(session: Session, cast: Cast) -> str:
    held = {"endorsement_id": cast.endorsements[FAY], "cycle_starts_on": CYCLE}
    return session.exec(select(StandingRow.status).filter_by(**held)).one()


def test_request_keeps_its_day_and_coordinator(
    session: Session, cast: Cast, kai: ServiceContext
) -> None:
    fixed = freeze(session, cast, SUBMITTED_AT)
    draw_renewals(kai, fixed.id)
    requested = ask_for_documents(kai, fixed.id, DUE)
    assert {each.person.email for each in requested} == {FAY, GIL}
    session.expire_all()
    for each in requested:
        assert (each.case.state, each.case.due_on) == ("asked", DUE)
        assert (each.case.asked_at, each.case.asked_by) == (SUBMITTED_AT, KAI)
    assert problems(lambda: ask_for_documents(kai, fixed.id, DUE)) == [("due_on", CHANGED)]


def test_request_leaves_out_those_asked_before(
    session: Session, cast: Cast, kai: ServiceContext
) -> None:
    fixed = freeze(session, cast, SUBMITTED_AT)
    draw_renewals(kai, fixed.id)
    first, second = list_cases(session, fixed.id)
    first.case.state, first.case.due_on = "asked", DUE - DAY
    session.flush()
    assert ask_for_documents(kai, fixed.id, DUE) == [second]
    assert first.case.due_on == DUE - DAY


def test_due_date_is_after_the_day_in_honolulu(
    session: Session, cast: Cast, kai: ServiceContext
) -> None:
    fixed = freeze(session, cast, SUBMITTED_AT)
    draw_renewals(kai, fixed.id)
    just_before_midnight = replace(kai, now=datetime(2027, 11, 16, 9, 59, tzinfo=UTC))
    today = date(2027, 11, 15)
    assert problems(lambda: ask_for_documents(just_before_midnight, fixed.id, today)) == [
        ("due_on", "Enter a day after today (November 15, 2027)")
    ]
    assert len(ask_for_documents(just_before_midnight, fixed.id, today + DAY)) == 2


def test_extension_keeps_its_day_and_reason(
    session: Session, kai: ServiceContext, asked: int
) -> None:
    read(session, asked).case.reminded_at = SUBMITTED_AT
    session.flush()
    extend_audit(kai, asked, DUE + DAY, "A flood")
    case = read(session, asked).case
    # The new day has a reminder of its own.
    assert case.reminded_at is None
    assert (case.state, case.due_on, case.extended_because) == ("asked", DUE + DAY, "A flood")
    who, event = list_events(session, "audit_case")[-1]
    assert (who, event["extended_because"]) == (KAI, "A flood")


def test_extension_is_later_than_the_due_date(kai: ServiceContext, asked: int) -> None:
    assert problems(lambda: extend_audit(kai, asked, DUE, "A flood")) == [
        ("due_on", "Enter a day after the present due date (December 15, 2027)")
    ]
    overdue = replace(kai, now=datetime(2027, 12, 20, 20, 0, tzinfo=UTC))
    assert problems(lambda: extend_audit(overdue, asked, date(2027, 12, 20), "A flood")) == [
        ("due_on", "Enter a day after today (December 20, 2027)")
    ]


def test_extension_needs_a_reason_and_an_open_request(kai: ServiceContext, sent: int) -> None:
    [missing, closed] = problems(lambda: extend_audit(kai, sent, DUE + DAY, ""))
    assert (missing[0], closed) == ("reason", ("reason", CHANGED))
    assert problems(lambda: extend_audit(kai, sent, DUE + DAY, "r" * 501)) == [
        ("reason", TOO_LONG),
        ("reason", CHANGED),
    ]


def test_verdicts_wait_for_documents_or_the_due_date(
    session: Session, cast: Cast, kai: ServiceContext, asked: int
) -> None:
    verdicts = {cast.entries["fay"]: NO}
    on_due_date = replace(kai, now=datetime(2027, 12, 16, 9, 59, tzinfo=UTC))
    assert problems(lambda: record_verdicts(on_due_date, asked, verdicts)) == [
        ("verdict", STILL_OPEN)
    ]
    overdue = replace(kai, now=on_due_date.now + DAY)
    record_verdicts(overdue, asked, verdicts)
    decide_audit(overdue, asked, passed=False, reason="Nothing came")
    assert problems(lambda: record_verdicts(overdue, asked, verdicts)) == [("verdict", CHANGED)]
    assert read(session, asked).case.state == "not passed"


def test_every_verdict_without_a_reason_is_named(
    session: Session, cast: Cast, kai: ServiceContext, sent: int
) -> None:
    ids = cast.entries
    verdicts = {
        ids["short"]: YES._replace(reason="r" * 501),
        ids["rsc"]: NO._replace(reason=""),
        ids["fay"]: NO._replace(reason="r" * 501),
    }
    hours = {"training": 45 * 60 + 1, "rsc": -1}
    assert problems(lambda: record_verdicts(kai, sent, verdicts, hours)) == [
        (f"reason-{ids['rsc']}", "Write why “RSC session” of May 4, 2026 is not supported"),
        (f"reason-{ids['fay']}", TOO_LONG),
        ("hours-training", "Training: enter 0 to 45 hours"),
        ("hours-rsc", "Reflective supervision: enter 0 to 36 hours"),
    ]
    del verdicts[ids["short"]]
    assert len(problems(lambda: record_verdicts(kai, sent, verdicts))) == 2
    assert session.exec(select(AuditItem)).all() == []


def test_verdict_keeps_the_session_and_who_judged_it(
    session: Session, cast: Cast, kai: ServiceContext, sent: int
) -> None:
    short, week = cast.entries["short"], cast.entries["fay"]
    record_verdicts(kai, sent, {short: YES._replace(reason="Not needed"), week: NO})
    session.expire_all()
    items = session.exec(select(AuditItem).order_by(col(AuditItem.held_on))).all()
    held = cast.endorsements[FAY]
    shared = {
        "case_id": sent,
        "endorsement_id": held,
        "decided_at": SUBMITTED_AT,
        "decided_by": KAI,
    }
    assert [item.model_dump(exclude={"id"}) for item in items] == [
        {
            **shared,
            "entry_id": week,
            "title": "Infancy week",
            "held_on": date(2026, 3, 2),
            "minutes": 1200,
            "verdict": "not supported",
            "reason": "No certificate",
        },
        {
            **shared,
            "entry_id": short,
            "title": "Sleep class",
            "held_on": date(2026, 6, 1),
            "minutes": 60,
            "verdict": "supported",
            "reason": "",
        },
    ]
    assert list_events(session, "audit_item")[-1] == (
        KAI,
        {"case_id": sent, "entry_id": week, "verdict": "not supported", "reason": "No certificate"},
    )


def test_only_a_changed_verdict_has_a_new_coordinator(
    session: Session, cast: Cast, kai: ServiceContext, lea: ServiceContext, sent: int
) -> None:
    ids = cast.entries
    record_verdicts(kai, sent, {ids["fay"]: NO, ids["rsc"]: NO, ids["short"]: YES})
    again = NO._replace(reason="No signature")
    record_verdicts(lea, sent, {ids["fay"]: NO, ids["rsc"]: again, ids["short"]: NO})
    session.expire_all()
    rows = {item.entry_id: item for item in session.exec(select(AuditItem))}
    first, second = (SUBMITTED_AT, KAI), (lea.now, LEA)
    assert {
        name: ((rows[ids[name]].decided_at, rows[ids[name]].decided_by), rows[ids[name]].reason)
        for name in ("fay", "rsc", "short")
    } == {
        "fay": (first, "No certificate"),
        "rsc": (second, "No signature"),
        "short": (second, "No certificate"),
    }
    assert rows[ids["short"]].verdict == "not supported"
    assert [event["reason"] for who, event in list_events(session, "audit_item") if who == LEA] == [
        "No certificate",
        "No signature",
    ]


def test_supported_hours_keep_who_judged_them_last(
    session: Session, cast: Cast, kai: ServiceContext, lea: ServiceContext, sent: int
) -> None:
    record_verdicts(kai, sent, {}, {"training": 45 * 60, "rsc": 60})
    record_verdicts(lea, sent, {}, {"training": 45 * 60, "rsc": 0})
    session.expire_all()
    rows = session.exec(select(AuditHours).order_by(col(AuditHours.requirement))).all()
    shared = {"case_id": sent, "endorsement_id": cast.endorsements[FAY]}
    by_kai = {"decided_at": SUBMITTED_AT, "decided_by": KAI}
    assert [row.model_dump(exclude={"id"}) for row in rows] == [
        {**shared, "requirement": "rsc", "supported": 0, "decided_at": lea.now, "decided_by": LEA},
        {**shared, "requirement": "training", "supported": 45 * 60, **by_kai},
    ]
    assert list_events(session, "audit_hours") == [
        (KAI, {**shared, "requirement": "training", "supported": 45 * 60}),
        (KAI, {**shared, "requirement": "rsc", "supported": 60}),
        (LEA, {**shared, "requirement": "rsc", "supported": 0}),
    ]


def test_hours_of_one_requirement_can_be_judged_alone(
    session: Session, kai: ServiceContext, sent: int
) -> None:
    record_verdicts(kai, sent, {}, {"rsc": 0})
    assert session.exec(select(AuditHours.requirement)).all() == ["rsc"]


@pytest.mark.parametrize(
    ("reason", "because"), [("", None), ("Every letter fits", "Every letter fits")]
)
def test_decision_keeps_its_coordinator_and_reason(
    session: Session,
    kai: ServiceContext,
    sent: int,
    everything: dict[int, ItemVerdict],
    reason: str,
    because: str | None,
) -> None:
    record_verdicts(kai, sent, everything, UNLOGGED)
    decide_audit(kai, sent, passed=True, reason=reason)
    case = read(session, sent).case
    assert (case.state, case.decided_at, case.decided_by) == ("passed", SUBMITTED_AT, KAI)
    assert case.decided_because == because
    who, event = list_events(session, "audit_case")[-1]
    assert (who, event["decided_by"], event["decided_because"]) == (KAI, KAI, because)
    # The cycle settles anew; why is in its history.
    reasons = {event.get("reopening_reason") for _, event in list_events(session, "settled_cycle")}
    assert (reason or "Every session is supported.") in reasons


def test_failing_needs_a_reason(kai: ServiceContext, sent: int) -> None:
    refused = problems(lambda: decide_audit(kai, sent, passed=False, reason=""))
    assert refused[0][0] == "reason"
    too_long = problems(lambda: decide_audit(kai, sent, passed=True, reason="r" * 501))
    assert too_long[0] == ("reason", TOO_LONG)


@pytest.mark.parametrize("passed", [True, False])
def test_each_session_needs_a_verdict(
    cast: Cast, kai: ServiceContext, sent: int, *, passed: bool
) -> None:
    ids = cast.entries
    record_verdicts(kai, sent, {ids["fay"]: YES})
    assert problems(lambda: decide_audit(kai, sent, passed=passed, reason="Enough")) == [
        (f"verdict-{ids['short']}", "Choose whether “Sleep class” of June 1, 2026 is supported"),
        (f"verdict-{ids['rsc']}", "Choose whether “RSC session” of May 4, 2026 is supported"),
    ]


def test_open_request_is_named_with_missing_verdicts(kai: ServiceContext, asked: int) -> None:
    refused = problems(lambda: decide_audit(kai, asked, passed=True, reason=""))
    assert refused[0] == ("reason", STILL_OPEN)
    assert [field.partition("-")[0] for field, _ in refused[1:]] == ["verdict"] * 3


def test_returned_renewal_passes_once_submitted_again(
    session: Session, kai: ServiceContext, sent: int, everything: dict[int, ItemVerdict]
) -> None:
    record_verdicts(kai, sent, everything, UNLOGGED)
    return_renewal(kai, read(session, sent).submission.id, "A wrong date")
    assert problems(lambda: decide_audit(kai, sent, passed=True, reason="")) == [
        ("reason", RETURNED)
    ]


def test_failing_keeps_why_a_renewal_was_returned(
    session: Session, cast: Cast, kai: ServiceContext, sent: int, everything: dict[int, ItemVerdict]
) -> None:
    record_verdicts(kai, sent, everything | {cast.entries["fay"]: NO})
    return_renewal(kai, read(session, sent).submission.id, "A wrong date")
    decide_audit(kai, sent, passed=False, reason="Nothing fits")
    audited = read(session, sent)
    assert (audited.case.state, audited.case.decided_because) == ("not passed", "Nothing fits")
    assert audited.submission.returned_because == "A wrong date"
    assert audited.submission.announced_at is None
    # The class of an hour still counts.
    held = {"endorsement_id": cast.endorsements[FAY], "cycle_starts_on": CYCLE}
    stored = session.exec(select(StandingRow.requirements).filter_by(**held)).one()
    short = {each.id: each.short for each in parse_results(stored)}
    assert short["training"] == 44 * 60


def test_failing_an_overdue_audit_applies_its_verdicts(
    session: Session, cast: Cast, kai: ServiceContext, asked: int
) -> None:
    overdue = replace(kai, now=SUBMITTED_AT + 31 * DAY)
    record_verdicts(overdue, asked, {cast.entries["fay"]: NO}, {"rsc": 60})
    decide_audit(overdue, asked, passed=False, reason="Nothing came")
    [decision] = session.exec(select(EntryDecision)).all()
    assert (decision.entry_id, decision.association) == (cast.entries["fay"], ATTESTING)
    assert (decision.reason, decision.decided_by) == ("No certificate", KAI)
    submission = read(session, asked).submission
    assert (submission.state, submission.returned_because) == ("returned", "Nothing came")
    # The email about the audit is the only one.
    assert submission.announced_at == overdue.now
    # What nobody decided about is not supported.
    found = session.exec(select(AuditHours.requirement, AuditHours.supported)).all()
    assert sorted(found) == [("rsc", 60), ("training", 0)]


def test_appeal_can_settle_each_session_anew(
    session: Session, cast: Cast, kai: ServiceContext, act: Act, sent: int
) -> None:
    ids = cast.entries
    record_verdicts(kai, sent, {ids["fay"]: NO, ids["rsc"]: NO, ids["short"]: YES})
    decide_audit(kai, sent, passed=False, reason="Nothing fits")
    assert len(session.exec(select(EntryDecision)).all()) == 2
    appeal(act(FAY), sent, "I found a certificate")
    hours = {**UNLOGGED, "rsc": 36 * 60}
    record_verdicts(kai, sent, {ids["fay"]: YES}, hours)
    decide_audit(kai, sent, passed=True, reason="It is there")
    assert session.exec(select(EntryDecision.entry_id)).all() == [ids["rsc"]]
    audited = read(session, sent)
    assert (audited.submission.state, audited.submission.returned_because) == ("accepted", None)
    assert status(session, cast) == "met"


@pytest.mark.parametrize(("verdict", "reopens"), [(YES, False), (NO, True)])
def test_passing_reopens_a_cycle_if_sessions_moved(
    session: Session, cast: Cast, kai: ServiceContext, verdict: ItemVerdict, *, reopens: bool
) -> None:
    """Hal attested to no hours, and a coordinator accepted his renewal."""
    add_endorsee(session, cast, HAL, "Hal Keawe")
    hal = acts(session, cast, HAL, SUBMITTED_AT)
    signed = frozenset({"ethics"})
    renewal = SubmissionInput(cast.endorsements[HAL], CYCLE, "Hal Keawe", signed, "a" * 32)
    submission = submit_renewal(hal, replace(renewal, is_confirmed=True))
    accept_renewal(kai, submission.id, "We know of the hours")
    ask_everyone(session, cast, SUBMITTED_AT, DUE)
    [own] = list_own_cases(session, cast.people[HAL])
    send_documents(hal, own.case.id, "A letter")
    record_verdicts(kai, own.case.id, {cast.entries["hal"]: verdict})
    decide_audit(kai, own.case.id, passed=True, reason="The letter fits")
    assert own.case.state == "passed"
    events = [event for _, event in list_events(session, "settled_cycle")]
    assert any(each.get("reopening_reason") == "The letter fits" for each in events) is reopens


def test_passing_needs_hours_beside_the_sessions(
    kai: ServiceContext, sent: int, everything: dict[int, ItemVerdict]
) -> None:
    record_verdicts(kai, sent, everything)
    ask = "Enter how much more the documents support, also if it is 0."
    assert problems(lambda: decide_audit(kai, sent, passed=True, reason="")) == [
        ("hours-training", f"Training: the sessions show 21 of 45 hours. {ask}"),
        ("hours-rsc", f"Reflective supervision: the sessions show 0 of 36 hours. {ask}"),
    ]


def test_everything_that_is_short_is_named_or_waived(
    session: Session, cast: Cast, kai: ServiceContext, sent: int, everything: dict[int, ItemVerdict]
) -> None:
    record_verdicts(kai, sent, everything, {"training": 60, "rsc": 36 * 60})
    session.delete(session.exec(select(Membership).filter_by(person_id=cast.people[FAY])).one())
    session.flush()
    with session.begin_nested() as attempt:
        refused = problems(lambda: decide_audit(kai, sent, passed=True, reason="Fine"))
        attempt.rollback()
    session.expire_all()
    missing = "Training (23 hours short) and Membership"
    words = f"What is supported does not meet every requirement: {missing}. Choose “Not passed,” "
    assert refused == [("outcome", f"{words}or pass it with an exception.")]
    decide_audit(kai, sent, passed=True, waives=True, reason="A flood")
    waivers = session.exec(select(Waiver.endorsement_id, Waiver.requirement, Waiver.reason)).all()
    held = cast.endorsements[FAY]
    assert sorted(waivers) == [(held, "membership", "A flood"), (held, "training", "A flood")]
    assert status(session, cast) == "met"


def test_passing_later_judges_the_audited_cycle(
    session: Session, cast: Cast, kai: ServiceContext, sent: int, everything: dict[int, ItemVerdict]
) -> None:
    """In January, nothing is logged yet for the next cycle."""
    january = replace(kai, now=datetime(2028, 1, 10, 20, 0, tzinfo=UTC))
    record_verdicts(january, sent, everything, UNLOGGED)
    decide_audit(january, sent, passed=True, waives=True, reason="Every letter fits")
    assert (read(session, sent).case.state, status(session, cast)) == ("passed", "met")
    assert session.exec(select(Waiver)).all() == []


@pytest.mark.parametrize(("verdict", "passed"), [(YES, True), (NO, True), (NO, False)])
def test_audit_of_an_ended_endorsement_is_decided(
    session: Session,
    cast: Cast,
    kai: ServiceContext,
    sent: int,
    everything: dict[int, ItemVerdict],
    verdict: ItemVerdict,
    *,
    passed: bool,
) -> None:
    """Nothing is required of it any more, so nothing can be short."""
    held = session.get_one(Endorsement, cast.endorsements[FAY])
    held.ends_on = SUBMITTED_AT.date() - DAY
    evaluate_people(session, kai.rulebooks, {cast.people[FAY]}, SUBMITTED_AT)
    record_verdicts(kai, sent, everything | {cast.entries["fay"]: verdict})
    decide_audit(kai, sent, passed=passed, reason="The letter fits")
    audited = read(session, sent)
    assert audited.case.state == ("passed" if passed else "not passed")
    assert audited.submission.state == ("accepted" if passed else "returned")


def test_exception_covers_hours_that_nobody_judged(
    session: Session, cast: Cast, kai: ServiceContext, sent: int, everything: dict[int, ItemVerdict]
) -> None:
    record_verdicts(kai, sent, everything)
    decide_audit(kai, sent, passed=True, waives=True, reason="The log was lost")
    assert sorted(session.exec(select(Waiver.requirement))) == ["rsc", "training"]
    assert status(session, cast) == "met"


def test_others_do_not_decide_about_an_audit(
    cast: Cast, kai: ServiceContext, asked: int, everything: dict[int, ItemVerdict]
) -> None:
    """Neither another association's coordinator, nor one who is audited."""
    works: list[Callable[[ServiceContext], None]] = [
        lambda context: extend_audit(context, asked, DUE + DAY, "A flood"),
        lambda context: record_verdicts(context, asked, everything),
        lambda context: decide_audit(context, asked, passed=True, reason=""),
    ]
    stranger = replace(kai, actor=replace(kai.actor, coordinates=("NCIMHA",)))
    herself = replace(kai, actor=replace(kai.actor, person_id=cast.people[FAY]))
    for work in works:
        with pytest.raises(NotFound):
            work(stranger)
        with pytest.raises(Refused, match="own-decision"):
            work(herself)
