"""Draws of renewals for an audit: the frame, what is fixed, who is drawn, and what is discarded."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import Session, col, select

from tests.support.auditing import CYCLE_ENDS, acts, store_submission, store_submitted
from tests.support.cast import ATTESTING, KAI, PAYING, Cast
from tests.support.submitting import SUBMITTED_AT
from tracker.db.audits import AuditCase, AuditDraw
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement
from tracker.db.submissions import Submission
from tracker.refusal_text import format_refusal
from tracker.rules.audit_sampling import FrameLine, Quota, Stratum, draw, hash_frame
from tracker.services.audit_draws import (
    DrawInput,
    discard_draw,
    draw_renewals,
    freeze_frame,
    get_draw,
    list_cycle_ends,
    list_drawn,
    list_drawn_elsewhere,
    list_draws,
    list_frame,
    parse_strata,
)
from tracker.services.context import NotFound, Refused, ServiceContext

ALL = DrawInput(ATTESTING, CYCLE_ENDS, CYCLE_ENDS, Quota.SHARE, 100, "4 2")
EARLIER_ENDS, LATER_ENDS = date(2024, 12, 31), date(2030, 12, 31)
DAY = timedelta(days=1)
MUST_BE_NUMBER = "Enter a whole number from 1 to 10,000"
MUST_BE_PERCENTAGE = "Enter a percentage from 1 to 100"
NOBODY = "No accepted renewal can be drawn: choose other days, or wait"
WRONG_SEED = "Use letters from A to Z, digits, spaces, and - . : only"
ALREADY_DISCARDED = "This draw was discarded"
TOO_LONG = "Use at most 200 characters"


def in_list_of(draw_id: int) -> tuple[str, str]:
    words = (
        "has these renewals in its list already. Use that one, or discard it with a reason first."
    )
    return ("ends_from", f"Draw {draw_id} {words}")


@pytest.fixture
def kai(cast: Cast, session: Session) -> ServiceContext:
    return acts(session, cast, KAI, SUBMITTED_AT)


@pytest.fixture
def line(session: Session) -> FrameLine:
    """An accepted renewal."""
    return store_submitted(session, "Ann")


def problems(work: Callable[[], object]) -> list[tuple[str, str]]:
    """Each refused field with the sentence that people read there."""
    with pytest.raises(Refused) as refused:
        work()
    return [(each.field, format_refusal(each.code, each.facts)) for each in refused.value.refusals]


def draw_all(context: ServiceContext, wanted: DrawInput = ALL) -> AuditDraw:
    fixed = freeze_frame(context, wanted)
    draw_renewals(context, fixed.id)
    return fixed


def list_events(session: Session, table: str) -> list[tuple[str, dict[str, object]]]:
    """Who changed rows of a table, and to what, oldest first."""
    query = select(AuditEvent.who, AuditEvent.after).filter_by(table_name=table)
    rows = session.exec(query.order_by(col(AuditEvent.id)))
    return [(who, json.loads(after or "{}")) for who, after in rows]


def find_submission(session: Session, line: FrameLine) -> Submission:
    _, held, starts_on = line
    query = select(Submission).filter_by(endorsement_id=held, cycle_starts_on=starts_on)
    return session.exec(query).one()


@pytest.mark.parametrize(("days", "is_listed"), [(-1, False), (0, True), (2, True), (3, False)])
def test_frame_has_cycles_that_end_within_the_days(
    session: Session, days: int, *, is_listed: bool
) -> None:
    line = store_submitted(session, "Ann", ends_on=CYCLE_ENDS + days * DAY)
    frame = list_frame(session, ATTESTING, CYCLE_ENDS, CYCLE_ENDS + 2 * DAY)
    assert frame == ([line] if is_listed else [])


def test_frame_is_sorted_and_can_be_of_one_category(session: Session) -> None:
    ann = store_submitted(session, "Ann")
    ben = store_submitted(session, "Ben", category="IFRS")
    cal = store_submitted(session, "Cal")
    store_submitted(session, "Dee", association=PAYING)
    for state in ("submitted", "returned"):
        store_submitted(session, state, state=state)
    days = (CYCLE_ENDS, CYCLE_ENDS)
    assert list_frame(session, ATTESTING, *days) == [ben, ann, cal]
    assert list_frame(session, ATTESTING, *days, "IFS") == [ann, cal]


def test_drawn_renewal_leaves_the_frame_of_its_cycle(
    session: Session, kai: ServiceContext, line: FrameLine
) -> None:
    later = line._replace(cycle_starts_on=date(2028, 1, 1))
    store_submission(session, later, ends_on=LATER_ENDS)
    draw_all(kai)
    assert list_frame(session, ATTESTING, CYCLE_ENDS, LATER_ENDS) == [later]


def test_cycle_ends_are_those_of_accepted_renewals(session: Session) -> None:
    days = [CYCLE_ENDS + number * DAY for number in range(4)]
    for name, number in (("Ann", 2), ("Ben", 0), ("Cal", 2)):
        store_submitted(session, name, ends_on=days[number])
    store_submitted(session, "Dee", ends_on=days[1], association=PAYING)
    store_submitted(session, "Eli", ends_on=days[3], state="submitted")
    assert list_cycle_ends(session, ATTESTING) == [days[0], days[2]]


def test_fixed_draw_keeps_all_that_was_chosen(session: Session, kai: ServiceContext) -> None:
    ann = store_submitted(session, "Ann", ends_on=CYCLE_ENDS + DAY)
    ben = store_submitted(session, "Ben", category="IFRS")
    cal = store_submitted(session, "Cal")
    wanted = DrawInput(ATTESTING, CYCLE_ENDS, CYCLE_ENDS + DAY, Quota.NUMBER, 1, "4 2")
    fixed = freeze_frame(kai, wanted)
    session.refresh(fixed)
    frame = "".join(f"{line}\n" for line in (ben, ann, cal))
    assert parse_strata(fixed) == [Stratum("IFRS", 1, 1), Stratum("IFS", 2, 1)]
    assert fixed.model_dump(exclude={"id", "strata"}) == {
        "association": ATTESTING,
        "ends_from": CYCLE_ENDS,
        "ends_through": CYCLE_ENDS + DAY,
        "quota": "number",
        "amount": 1,
        "frame": frame,
        "frame_hash": hash_frame(frame),
        "seed": "4 2",
        "frozen_at": SUBMITTED_AT,
        "frozen_by": KAI,
        **dict.fromkeys(("drawn_at", "drawn_by")),
        **dict.fromkeys(("discarded_at", "discarded_by", "discarded_because")),
    }
    [(who, event)] = list_events(session, "audit_draw")
    assert (who, event["frame_hash"], event["seed"]) == (KAI, fixed.frame_hash, "4 2")


@pytest.mark.usefixtures("line")
def test_seed_is_generated_if_none_is_given(kai: ServiceContext) -> None:
    first = freeze_frame(kai, replace(ALL, seed=""))
    discard_draw(kai, first.id, "For the test")
    second = freeze_frame(kai, replace(ALL, seed=""))
    assert re.fullmatch(r"[0-9a-f]{32}", first.seed)
    assert first.seed != second.seed


def test_draw_can_be_limited_to_one_category(session: Session, kai: ServiceContext) -> None:
    ann, _ = store_submitted(session, "Ann"), store_submitted(session, "Ben", category="IFRS")
    fixed = freeze_frame(kai, replace(ALL, category="IFS"))
    assert list_drawn(fixed) == [ann]


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 1},
        {"amount": 100},
        {"amount": 10_000, "quota": Quota.NUMBER},
        {"seed": "9" * 200},
        {"seed": "Az 09 .:-"},
    ],
)
def test_draw_at_its_limits_is_fixed(
    kai: ServiceContext, line: FrameLine, changes: dict[str, object]
) -> None:
    fixed = freeze_frame(kai, replace(ALL, **changes))  # type: ignore[arg-type]
    assert fixed.frame == f"{line}\n"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amount": 0}, [("amount", MUST_BE_PERCENTAGE)]),
        ({"amount": 101}, [("amount", MUST_BE_PERCENTAGE)]),
        ({"amount": 0, "quota": Quota.NUMBER}, [("amount", MUST_BE_NUMBER)]),
        ({"amount": 10_001, "quota": Quota.NUMBER}, [("amount", MUST_BE_NUMBER)]),
        (
            {"amount": 0, "ends_through": CYCLE_ENDS - DAY, "seed": "é" * 201},
            [
                ("ends_through", "The last day can't be before the first one"),
                ("amount", MUST_BE_PERCENTAGE),
                ("seed", WRONG_SEED),
                ("seed", TOO_LONG),
            ],
        ),
        ({"category": "IFRS"}, [("ends_from", NOBODY)]),
        ({"seed": '$(touch /tmp/x) "q"'}, [("seed", WRONG_SEED)]),
    ],
)
@pytest.mark.usefixtures("line")
def test_every_mistake_in_a_draw_is_named(
    kai: ServiceContext,
    changes: dict[str, object],
    expected: list[tuple[str, str]],
) -> None:
    wanted = replace(ALL, **changes)  # type: ignore[arg-type]
    assert problems(lambda: freeze_frame(kai, wanted)) == expected
    assert list_draws(kai.session, ATTESTING) == []


def test_renewal_in_another_category_now_stays_covered(
    session: Session, kai: ServiceContext, line: FrameLine
) -> None:
    fixed = freeze_frame(kai, ALL)
    session.get_one(Endorsement, line.endorsement_id).category = "IFRS"
    session.flush()
    assert problems(lambda: freeze_frame(kai, ALL)) == [in_list_of(fixed.id)]


def test_first_draw_that_is_not_made_is_named(session: Session, kai: ServiceContext) -> None:
    store_submitted(session, "Ann")
    draw_all(kai)
    store_submitted(session, "Ben", category="IFRS")
    store_submitted(session, "Cal")
    waiting = freeze_frame(kai, replace(ALL, category="IFRS"))
    freeze_frame(kai, replace(ALL, category="IFS"))
    store_submitted(session, "Dee")
    assert problems(lambda: freeze_frame(kai, ALL)) == [in_list_of(waiting.id)]


def test_first_made_draw_is_named_if_all_are_covered(session: Session, kai: ServiceContext) -> None:
    names = {"Ann": "IFS", "Ben": "IFRS"}
    for name, category in names.items():
        store_submitted(session, name, category=category)
    # Of two renewals of a category each, one is drawn, and the other stays in the frame.
    for name, category in names.items():
        store_submitted(session, f"{name} 2", category=category)
    first, _ = (
        draw_all(kai, replace(ALL, category=category, amount=50)) for category in ("IFS", "IFRS")
    )
    assert problems(lambda: freeze_frame(kai, ALL)) == [in_list_of(first.id)]


def test_only_renewals_without_a_draw_are_fixed(session: Session, kai: ServiceContext) -> None:
    store_submitted(session, "Ann")
    store_submitted(session, "Ben")
    draw_all(kai, replace(ALL, amount=50))
    line = store_submitted(session, "Cal")
    fixed = freeze_frame(kai, ALL)
    assert fixed.frame == f"{line}\n"


def test_draws_are_listed_newest_first_by_association(
    session: Session, kai: ServiceContext
) -> None:
    store_submitted(session, "Ann", association=PAYING)
    actor = replace(kai.actor, coordinates=(PAYING,))
    other = freeze_frame(replace(kai, actor=actor), replace(ALL, association=PAYING))
    fixed = []
    for name in ("Ben", "Cal"):
        store_submitted(session, name)
        fixed.append(draw_all(kai).id)
    assert [each.id for each in list_draws(session, ATTESTING)] == fixed[::-1]
    assert get_draw(session, other.id, {ATTESTING, PAYING}) == other
    for draw_id in (other.id, 99):
        with pytest.raises(NotFound):
            get_draw(session, draw_id, {ATTESTING})


@pytest.mark.usefixtures("line")
def test_draws_of_other_associations_are_not_found(kai: ServiceContext) -> None:
    fixed = freeze_frame(kai, ALL)
    other = replace(kai, actor=replace(kai.actor, coordinates=(PAYING,)))
    for work in (
        lambda: freeze_frame(other, replace(ALL, amount=0)),
        lambda: draw_renewals(other, fixed.id),
        lambda: discard_draw(other, fixed.id, ""),
    ):
        with pytest.raises(NotFound):
            work()


@pytest.mark.usefixtures("line")
def test_discarded_draw_says_why_and_by_whom(session: Session, kai: ServiceContext) -> None:
    fixed = freeze_frame(kai, ALL)
    discard_draw(kai, fixed.id, "A wrong share")
    session.refresh(fixed)
    assert (fixed.discarded_at, fixed.discarded_by) == (SUBMITTED_AT, KAI)
    assert fixed.discarded_because == "A wrong share"
    who, event = list_events(session, "audit_draw")[-1]
    assert (who, event["discarded_because"]) == (KAI, "A wrong share")


@pytest.mark.usefixtures("line")
def test_draw_is_discarded_once_and_with_a_reason(kai: ServiceContext) -> None:
    fixed = freeze_frame(kai, ALL)
    assert [field for field, _ in problems(lambda: discard_draw(kai, fixed.id, ""))] == ["reason"]
    discard_draw(kai, fixed.id, "A wrong share")
    [missing, again] = problems(lambda: discard_draw(kai, fixed.id, ""))
    assert missing[0] == "reason"
    assert again == ("reason", ALREADY_DISCARDED)
    assert problems(lambda: draw_renewals(kai, fixed.id)) == [("draw", ALREADY_DISCARDED)]


def test_drawn_renewals_are_numbered_in_their_order(session: Session, kai: ServiceContext) -> None:
    lines = [store_submitted(session, name) for name in ("Ann", "Ben", "Cal", "Dee", "Eli")]
    fixed = freeze_frame(kai, replace(ALL, quota=Quota.NUMBER, amount=3))
    drawn = draw(lines, [Stratum("IFS", 5, 3)], "4 2")
    assert list_drawn(fixed) == drawn
    cases = draw_renewals(kai, fixed.id)
    audited = [session.get_one(Submission, case.submission_id) for case in cases]
    assert [(each.endorsement_id, each.cycle_starts_on) for each in audited] == [
        line[1:] for line in drawn
    ]
    assert [case.model_dump(exclude_none=True) for case in cases] == [
        {
            "id": case.id,
            "draw_id": fixed.id,
            "endorsement_id": line.endorsement_id,
            "submission_id": case.submission_id,
            "position": number,
            "state": "drawn",
        }
        for number, (case, line) in enumerate(zip(cases, drawn, strict=True), start=1)
    ]
    assert [(who, event["position"]) for who, event in list_events(session, "audit_case")] == [
        (KAI, 1),
        (KAI, 2),
        (KAI, 3),
    ]


def test_draw_is_made_once_by_a_coordinator(
    session: Session, kai: ServiceContext, line: FrameLine
) -> None:
    fixed = freeze_frame(kai, ALL)
    [case] = draw_renewals(kai, fixed.id)
    assert case.endorsement_id == line.endorsement_id
    session.refresh(fixed)
    assert (fixed.drawn_at, fixed.drawn_by) == (SUBMITTED_AT, KAI)
    who, event = list_events(session, "audit_draw")[-1]
    assert (who, event["drawn_by"]) == (KAI, KAI)
    assert problems(lambda: draw_renewals(kai, fixed.id)) == [
        ("draw", "This draw was made already")
    ]


def test_removed_renewal_leaves_its_number_in_the_draw(
    session: Session, kai: ServiceContext
) -> None:
    for name in ("Ann", "Ben", "Cal"):
        store_submitted(session, name)
    fixed = freeze_frame(kai, ALL)
    gone = list_drawn(fixed)[1]
    session.delete(find_submission(session, gone))
    session.flush()
    assert list_drawn_elsewhere(session, fixed) == []
    assert [case.position for case in draw_renewals(kai, fixed.id)] == [1, 3]
    assert list_drawn_elsewhere(session, fixed) == [(gone, None, "")]


def test_last_submission_of_the_drawn_cycle_is_audited(
    session: Session, kai: ServiceContext, line: FrameLine
) -> None:
    next_cycle = line._replace(cycle_starts_on=date(2028, 1, 1))
    fixed = freeze_frame(kai, ALL)
    first = session.exec(select(Submission)).one()
    first.state, first.returned_at = "returned", SUBMITTED_AT
    session.flush()
    again = store_submission(session, line)
    store_submission(session, next_cycle, ends_on=LATER_ENDS)
    [case] = draw_renewals(kai, fixed.id)
    assert case.submission_id == again.id


def test_renewal_submitted_anew_is_drawn_again(
    session: Session, kai: ServiceContext, line: FrameLine
) -> None:
    """Its first draw is discarded after it did not pass; both draws have a case of it."""
    first = draw_all(kai)
    discard_draw(kai, first.id, "A wrong share")
    audited = session.exec(select(Submission)).one()
    audited.state, audited.returned_at = "returned", SUBMITTED_AT
    session.flush()
    again = store_submission(session, line)
    second = draw_all(kai)
    cases = session.exec(select(AuditCase).order_by(col(AuditCase.id))).all()
    assert [(case.draw_id, case.submission_id) for case in cases] == [
        (first.id, audited.id),
        (second.id, again.id),
    ]
    for fixed in (first, second):
        assert list_drawn_elsewhere(session, fixed) == []


def test_renewals_audited_after_another_draw_are_named(
    session: Session, kai: ServiceContext
) -> None:
    names = {}
    for name in ("Ann", "Ben", "Cal"):
        line = store_submitted(session, name)
        earlier = line._replace(cycle_starts_on=date(2022, 1, 1))
        store_submission(session, earlier, ends_on=EARLIER_ENDS)
        names[line] = name
    draw_all(kai, replace(ALL, ends_from=EARLIER_ENDS, ends_through=EARLIER_ENDS))
    fixed = freeze_frame(kai, ALL)
    discard_draw(kai, fixed.id, "A wrong share")
    other = draw_all(kai, replace(ALL, amount=34))
    gone = next(line for line in names if line not in list_drawn(other))
    session.delete(find_submission(session, gone))
    # As it was when several draws could have the same list.
    fixed.discarded_at = None
    session.flush()
    assert draw_renewals(kai, fixed.id) == []
    assert [
        (each.line, each.case and each.case.draw_id, each.name)
        for each in list_drawn_elsewhere(session, fixed)
    ] == [
        (line, None, "") if line == gone else (line, other.id, names[line])
        for line in list_drawn(fixed)
    ]
