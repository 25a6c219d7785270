"""Waivers, later due dates, and leave that a coordinator records."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from tests.services.conftest import Act
from tests.support.absences import with_absences
from tests.support.cast import ALICE, BOB, CAROL, ERIN, NOW, Cast
from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Leave, Renewal, Waiver
from tracker.refusal_text import format_refusal
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.evaluation import parse_results
from tracker.services.grants import (
    add_leave,
    change_leave,
    grant_extension,
    grant_waiver,
)
from tracker.services.time_requests import Grant, RequestedDays

CYCLE, DUE = date(2026, 1, 1), date(2026, 12, 31)
LATER = date(2027, 1, 31)
DAY = timedelta(days=1)
# In New York it is November 22.
EVENING = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
OCCASION = "2026-11-22T17:00:00+00:00"
WINTER = RequestedDays(date(2026, 12, 1), date(2027, 2, 28))
MISSING = ("reason", "Enter a short reason")
NO_RENEWAL = ("cycle_starts_on", "Choose a renewal")
NO_EFFECT = "2025 closed on January 31, 2026, so leave that ends in it has no effect"


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


@pytest.fixture
def alice(cast: Cast) -> int:
    """Alice's endorsement."""
    return cast.endorsements[ALICE]


def problems(work: Callable[[], object]) -> list[tuple[str, str]]:
    """Each refused field with the sentence that people read there."""
    with pytest.raises(Refused) as refused:
        work()
    return [(each.field, format_refusal(each.code, each.facts)) for each in refused.value.refusals]


def standing(carol: ServiceContext, endorsement_id: int) -> StandingRow:
    query = select(StandingRow).filter_by(endorsement_id=endorsement_id, cycle_starts_on=CYCLE)
    return carol.session.exec(query.execution_options(populate_existing=True)).one()


def outcome(carol: ServiceContext, endorsement_id: int, requirement: str) -> str:
    results = parse_results(standing(carol, endorsement_id).requirements)
    return next(result.outcome for result in results if result.id == requirement)


def list_changes(carol: ServiceContext, table: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What the audit log has of a table: the values before and after each change."""
    query = select(AuditEvent).filter_by(table_name=table).order_by(col(AuditEvent.id))
    rows = carol.session.exec(query)
    return [(json.loads(row.before or "{}"), json.loads(row.after or "{}")) for row in rows]


def end(carol: ServiceContext, endorsement_id: int, day: date) -> None:
    carol.session.get_one(Endorsement, endorsement_id).ends_on = day
    carol.session.flush()


def settle(carol: ServiceContext, endorsement_id: int, **more: object) -> None:
    """Store that the cycle of 2026 is settled."""
    key = {"endorsement_id": endorsement_id, "cycle_starts_on": CYCLE}
    carol.session.add(
        SettledCycle(**key, settled_on=date(2026, 11, 1), content="{}", **more)  # type: ignore[arg-type]
    )
    carol.session.flush()


def test_a_waiver_moves_the_standing(carol: ServiceContext, alice: int) -> None:
    grant = grant_waiver(carol, alice, CYCLE, "training.deia", "Course was canceled")
    assert grant == Grant(alice, CYCLE, requirement="training.deia", occasion=OCCASION)
    assert outcome(carol, alice, "training.deia") == "waived"
    assert carol.session.exec(select(Waiver.reason)).all() == ["Course was canceled"]
    key = {"endorsement_id": alice, "cycle_starts_on": "2026-01-01"}
    assert list_changes(carol, "waiver") == [({}, {**key, "requirement": "training.deia"})]


def test_what_is_granted_again_has_its_own_letter(carol: ServiceContext, alice: int) -> None:
    first = grant_waiver(carol, alice, CYCLE, "rsc", "Ill")
    carol.session.delete(carol.session.exec(select(Waiver)).one())
    later = replace(carol, now=NOW.replace(hour=18))
    assert grant_waiver(later, alice, CYCLE, "rsc", "Ill").key != first.key


def test_an_extension_replaces_an_earlier_one(carol: ServiceContext, alice: int) -> None:
    last = date(2027, 3, 31)
    for day, reason in ((LATER, "Moved"), (last, "Ill")):
        grant = grant_extension(carol, alice, CYCLE, day, reason)
        assert grant == Grant(alice, CYCLE, day, is_extension=True, occasion=OCCASION)
        assert standing(carol, alice).due_on == day
    row = carol.session.exec(select(Renewal)).one()
    assert (row.extended_due_on, row.reason) == (last, "Ill")
    key = {"endorsement_id": alice, "cycle_starts_on": "2026-01-01"}
    first, second = ({**key, "extended_due_on": day} for day in ("2027-01-31", "2027-03-31"))
    assert list_changes(carol, "renewal") == [({}, first), (first, second)]


def test_an_extended_due_date_moves_only_later(carol: ServiceContext, alice: int) -> None:
    grant_extension(carol, alice, CYCLE, LATER, "Moved")
    assert problems(lambda: grant_extension(carol, alice, CYCLE, LATER, "Ill")) == [
        ("due_on", "The new due date must be after the current one, January 31, 2027")
    ]


@pytest.mark.parametrize("day", [DUE + DAY, date(2036, 11, 22)])
def test_a_due_date_moves_by_a_day_to_ten_years(
    carol: ServiceContext, alice: int, day: date
) -> None:
    assert grant_extension(carol, alice, CYCLE, day, "Moved").ends_on == day


def test_leave_is_stored_with_its_reason(carol: ServiceContext, alice: int) -> None:
    grant = add_leave(carol, alice, WINTER, "Parental")
    assert grant == Grant(alice, *WINTER, occasion=OCCASION)
    row = carol.session.exec(select(Leave)).one()
    assert (row.kind, row.starts_on, row.ends_on, row.reason) == ("leave", *WINTER, "Parental")
    days = {"starts_on": "2026-12-01", "ends_on": "2027-02-28"}
    stored = {"endorsement_id": alice, "kind": "leave", **days}
    assert list_changes(carol, "leave") == [({}, stored)]


def test_changed_leave_excuses_other_days(carol: ServiceContext, alice: int) -> None:
    add_leave(carol, alice, WINTER, "Parental")
    assert standing(carol, alice).status == "excused"
    leave = carol.session.exec(select(Leave)).one()
    change_leave(carol, leave.id, WINTER._replace(ends_on=date(2026, 12, 24)), "Back early")
    assert standing(carol, alice).status == "open"
    change_leave(carol, leave.id, WINTER._replace(ends_on=None), "Not back yet")
    assert standing(carol, alice).status == "excused"


def test_changed_leave_keeps_its_kind(carol: ServiceContext, alice: int) -> None:
    offering = replace(carol, rulebooks=with_absences({"kind": "inactive"}))
    assert add_leave(offering, alice, WINTER, "Moved", "inactive").kind == "inactive"
    leave = carol.session.exec(select(Leave)).one()
    days = RequestedDays(date(2026, 12, 2), date(2027, 2, 1))
    grant = change_leave(offering, leave.id, days, "Back early")
    assert grant == Grant(alice, *days, occasion=OCCASION, kind="inactive")
    assert (leave.kind, leave.starts_on, leave.ends_on) == ("inactive", *days)
    assert leave.reason == "Back early"
    before, after = list_changes(carol, "leave")[-1]
    assert before == {**after, "starts_on": "2026-12-01", "ends_on": "2027-02-28"}
    assert after["starts_on"] == "2026-12-02"


def test_a_refused_change_of_leave_says_every_reason(carol: ServiceContext, alice: int) -> None:
    add_leave(carol, alice, WINTER, "Parental")
    leave = carol.session.exec(select(Leave)).one()
    wrong = RequestedDays(DUE, DUE - DAY)
    assert problems(lambda: change_leave(carol, leave.id, wrong, "")) == [
        MISSING,
        ("ends_on", "The last day must be December 31, 2026 or later"),
    ]


def test_a_leave_changed_meanwhile_is_checked_anew(carol: ServiceContext, alice: int) -> None:
    add_leave(carol, alice, WINTER, "Parental")
    leave = carol.session.exec(select(Leave)).one()
    # As another transaction: the session does not know of it.
    unknown = {"synchronize_session": False}
    carol.session.exec(update(Leave).values(kind="inactive"), execution_options=unknown)
    assert problems(lambda: change_leave(carol, leave.id, WINTER, "Ill")) == [
        ("starts_on", "NCIMHA offers no inactive status that begins on this day")
    ]


def leave_in(first: date, last: date | None, reason: str = "Ill") -> Callable[..., Grant]:
    return lambda context, number: add_leave(context, number, RequestedDays(first, last), reason)


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        (lambda context, number: grant_waiver(context, number, CYCLE, "nothing", ""),
         [MISSING, ("requirement", "Choose a requirement of this renewal")]),
        (lambda context, number: grant_waiver(context, number, DUE, "rsc", "Ill"), [NO_RENEWAL]),
        (lambda context, number: grant_waiver(context, number, date(2020, 1, 1), "rsc", "Ill"),
         [NO_RENEWAL]),
        (lambda context, number: grant_extension(context, number, CYCLE, DUE, "Moved"),
         [("due_on", "The new due date must be after the current one, December 31, 2026")]),
        (lambda context, number: grant_extension(context, number, CYCLE, date(2036, 11, 23), ""),
         [MISSING, ("due_on", "The new due date must be November 22, 2036 or earlier")]),
        (leave_in(DUE, DUE - DAY, ""),
         [MISSING, ("ends_on", "The last day must be December 31, 2026 or later")]),
        (leave_in(date(2024, 2, 1), date(2024, 2, 29)),
         [("ends_on", "This leave ends before the endorsement began on March 1, 2024")]),
        (leave_in(date(2025, 11, 1), date(2025, 12, 1)), [("ends_on", NO_EFFECT)]),
    ],
)  # fmt: skip
def test_a_refused_grant_says_every_reason(
    carol: ServiceContext,
    cast: Cast,
    grant: Callable[[ServiceContext, int], Any],
    expected: list[tuple[str, str]],
) -> None:
    assert problems(lambda: grant(carol, cast.endorsements[BOB])) == expected


def test_a_category_without_requirements_has_no_renewal(carol: ServiceContext, alice: int) -> None:
    carol.session.get_one(Endorsement, alice).category = "IFA"
    carol.session.flush()
    assert problems(lambda: grant_waiver(carol, alice, CYCLE, "rsc", "Ill")) == [NO_RENEWAL]


def test_the_same_waiver_is_granted_once(carol: ServiceContext, alice: int) -> None:
    grant_waiver(carol, alice, CYCLE, "rsc", "Ill")
    assert problems(lambda: grant_waiver(carol, alice, CYCLE, "rsc", "Ill again")) == [
        ("requirement", "This requirement is already waived for this renewal")
    ]


@pytest.mark.parametrize(
    "days",
    [(date(2026, 11, 1), WINTER.starts_on), (WINTER.ends_on, None)],
    ids=["the first day", "the last day, and another leave"],
)
def test_two_leaves_never_share_a_day(
    carol: ServiceContext, alice: int, days: tuple[date, date | None]
) -> None:
    add_leave(carol, alice, RequestedDays(date(2027, 6, 1), None), "Ill")
    add_leave(carol, alice, WINTER, "Parental")
    sentence = (
        "There is already leave from December 1, 2026 that overlaps these days. "
        "Change that one instead."
    )
    expected = [("starts_on", sentence)]
    assert problems(lambda: add_leave(carol, alice, RequestedDays(*days), "Ill")) == expected


def test_nothing_follows_leave_without_an_end(carol: ServiceContext, alice: int) -> None:
    add_leave(carol, alice, WINTER._replace(ends_on=None), "Parental")
    june = leave_in(date(2027, 6, 1), date(2027, 6, 30))
    assert problems(lambda: june(carol, alice))[0][0] == "starts_on"


def test_leaves_can_follow_each_other_immediately(carol: ServiceContext, alice: int) -> None:
    add_leave(carol, alice, WINTER, "Parental")
    add_leave(carol, alice, RequestedDays(date(2026, 11, 1), date(2026, 11, 30)), "Ill")
    one_day = RequestedDays(date(2027, 3, 1), date(2027, 3, 1))
    add_leave(carol, alice, one_day, "Ill")
    assert len(carol.session.exec(select(Leave)).all()) == 3


def test_leave_can_end_on_the_endorsements_first_day(carol: ServiceContext, alice: int) -> None:
    carol.session.get_one(Endorsement, alice).starts_on = date(2026, 3, 1)
    carol.session.flush()
    assert leave_in(date(2026, 2, 1), date(2026, 3, 1))(carol, alice).ends_on == date(2026, 3, 1)


def test_leave_in_a_cycle_counts_until_it_closes(carol: ServiceContext, alice: int) -> None:
    grant = leave_in(date(2025, 11, 1), date(2025, 12, 1))
    closed = replace(carol, now=datetime(2026, 2, 1, 17, tzinfo=UTC))
    assert problems(lambda: grant(closed, alice)) == [("ends_on", NO_EFFECT)]
    still_open = replace(carol, now=datetime(2026, 1, 31, 17, tzinfo=UTC))
    assert grant(still_open, alice).ends_on == date(2025, 12, 1)


def test_an_extended_cycle_is_open_for_leave(carol: ServiceContext, alice: int) -> None:
    extended = date(2026, 11, 30)
    carol.session.add(
        Renewal(endorsement_id=alice, cycle_starts_on=date(2025, 1, 1), extended_due_on=extended,
                reason="Moved")
    )  # fmt: skip
    carol.session.flush()
    grant = leave_in(date(2025, 11, 1), date(2025, 12, 1))
    assert grant(carol, alice).ends_on == date(2025, 12, 1)


def test_the_limits_of_leave_count_the_others(
    carol: ServiceContext, alice: int, cast: Cast
) -> None:
    rule = {"kind": "leave", "most": 1, "within_cycles": 2, "longest_months": 12}
    limited = replace(carol, rulebooks=with_absences(rule))
    assert problems(lambda: leave_in(WINTER.starts_on, None)(limited, alice)) == [
        ("ends_on", "Leave lasts at most 12 months: enter a last day, November 30, 2027 or earlier")
    ]
    for number in (cast.endorsements[BOB], alice):
        add_leave(limited, number, WINTER, "Parental")
    own = carol.session.exec(select(Leave.id).where(Leave.endorsement_id == alice)).one()
    assert change_leave(limited, own, WINTER._replace(ends_on=LATER), "Back early").ends_on == LATER
    sentence = (
        "Leave is possible at most once in 2 cycles, and one that began on December 1, 2026 is on "
        "file"
    )
    again = leave_in(date(2027, 6, 1), date(2027, 6, 30))
    assert problems(lambda: again(limited, alice)) == [("starts_on", sentence)]


GRANTS = [
    lambda context, number: grant_waiver(context, number, CYCLE, "training", "Ill"),
    lambda context, number: grant_extension(context, number, CYCLE, LATER, "Moved"),
]


@pytest.mark.parametrize("grant", GRANTS, ids=["waiver", "extension"])
def test_nothing_changes_in_a_settled_cycle(
    carol: ServiceContext, alice: int, grant: Callable[[ServiceContext, int], Grant]
) -> None:
    settle(carol, alice)
    sentence = (
        "2026 was settled on November 1, 2026. Reopen it first, and settle it again afterward."
    )
    assert problems(lambda: grant(carol, alice)) == [("cycle_starts_on", sentence)]


@pytest.mark.parametrize("grant", GRANTS, ids=["waiver", "extension"])
def test_a_reopened_lapse_is_corrected_after_the_end(
    carol: ServiceContext, alice: int, grant: Callable[[ServiceContext, int], Grant]
) -> None:
    end(carol, alice, NOW.date() - DAY)
    settle(carol, alice, reopened_at=NOW, reopened_by=CAROL)
    assert grant(carol, alice).starts_on == CYCLE


@pytest.mark.parametrize(
    ("grant", "field"),
    [
        *((grant, "cycle_starts_on") for grant in GRANTS),
        (leave_in(NOW.date(), None), "starts_on"),
    ],
    ids=["waiver", "extension", "leave"],
)
def test_nothing_is_granted_once_an_endorsement_has_ended(
    carol: ServiceContext, alice: int, grant: Callable[[ServiceContext, int], Any], field: str
) -> None:
    evening = replace(carol, now=EVENING)
    end(carol, alice, date(2026, 11, 21))
    sentence = "This endorsement ended on November 21, 2026. There is nothing to renew."
    assert problems(lambda: grant(evening, alice)) == [(field, sentence)]
    end(carol, alice, date(2026, 11, 22))
    assert grant(evening, alice)


def test_a_waiver_can_be_meant_for_after_the_end(carol: ServiceContext, alice: int) -> None:
    end(carol, alice, NOW.date() - DAY)
    assert grant_waiver(carol, alice, CYCLE, "rsc", "Audit", after_end=True).requirement == "rsc"


def test_only_coordinators_of_the_association_grant(
    act: Act, carol: ServiceContext, cast: Cast, alice: int
) -> None:
    no_rulebook = replace(carol, rulebooks=replace(carol.rulebooks, associations={}))
    erin = cast.endorsements[ERIN]
    for context, number in (
        (act(BOB), alice),
        (carol, erin),
        (carol, 99_999),
        (no_rulebook, alice),
    ):
        with pytest.raises(NotFound):
            grant_waiver(context, number, CYCLE, "training", "Ill")
        with pytest.raises(NotFound):
            add_leave(context, number, WINTER, "Ill")


def test_leave_of_another_association_is_absent(
    carol: ServiceContext, cast: Cast, alice: int
) -> None:
    foreign = Leave(endorsement_id=cast.endorsements[ERIN], starts_on=DUE)
    carol.session.add(foreign)
    add_leave(carol, alice, WINTER, "Parental")
    for number in (foreign.id, 99_999):
        with pytest.raises(NotFound):
            change_leave(carol, number, WINTER, "Back early")


def test_nobody_grants_anything_to_themselves(act: Act, cast: Cast, alice: int) -> None:
    own = replace(act(ALICE), actor=Actor(ALICE, cast.people[ALICE], ("NCIMHA",)))
    ((field, sentence),) = problems(lambda: grant_waiver(own, alice, CYCLE, "rsc", "Ill"))
    assert (field, sentence.split(".")[0]) == ("", "You can't decide about yourself")
