"""Waivers, later due dates, and leave that a coordinator records."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import select

from tests.support.cast import ALICE, BOB, CAROL, ERIN, NOW, Cast
from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Leave, Renewal, Waiver
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.evaluation import parse_results
from tracker.services.grants import (
    add_leave,
    change_leave,
    grant_extension,
    grant_waiver,
)
from tracker.services.time_requests import RequestedDays

Act = Callable[[str], ServiceContext]
CYCLE, DUE = date(2026, 1, 1), date(2026, 12, 31)
WINTER = RequestedDays(date(2026, 12, 1), date(2027, 2, 28))


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(refusal.field, refusal.code) for refusal in refused.value.refusals]


def standing(carol: ServiceContext, endorsement_id: int) -> StandingRow:
    query = select(StandingRow).filter_by(endorsement_id=endorsement_id, cycle_starts_on=CYCLE)
    return carol.session.exec(query.execution_options(populate_existing=True)).one()


def outcome(carol: ServiceContext, endorsement_id: int, requirement: str) -> str:
    results = parse_results(standing(carol, endorsement_id).requirements)
    return next(result.outcome for result in results if result.id == requirement)


def events(carol: ServiceContext, table: str) -> list[tuple[bool, bool]]:
    """Of each audit event of a table, whether it has values before and after."""
    rows = carol.session.exec(select(AuditEvent).filter_by(table_name=table)).all()
    return [(row.before is not None, row.after is not None) for row in rows]


def test_a_waiver_moves_the_standing(act: Act, cast: Cast) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    grant = grant_waiver(carol, alice, CYCLE, "training.deia", "Course was canceled")
    assert (grant.requirement, grant.starts_on) == ("training.deia", CYCLE)
    assert outcome(carol, alice, "training.deia") == "waived"
    assert events(carol, "waiver") == [(False, True)]


def test_what_is_granted_again_has_its_own_letter(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    given = (cast.endorsements[ALICE], CYCLE, "rsc", "Ill")
    first = grant_waiver(carol, *given)
    carol.session.delete(carol.session.exec(select(Waiver)).one())
    later = replace(carol, now=NOW.replace(hour=18))
    assert grant_waiver(later, *given).key != first.key


def test_an_extension_replaces_an_earlier_one(act: Act, cast: Cast) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    for day in (date(2027, 1, 31), date(2027, 3, 31)):
        grant = grant_extension(carol, alice, CYCLE, day, "Moved")
        assert grant.is_extension
        assert standing(carol, alice).due_on == day
    assert len(carol.session.exec(select(Renewal)).all()) == 1
    assert events(carol, "renewal") == [(False, True), (True, True)]


def test_changed_leave_excuses_other_days(act: Act, cast: Cast) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    add_leave(carol, alice, WINTER, "Parental")
    assert standing(carol, alice).status == "excused"
    leave = carol.session.exec(select(Leave)).one()
    change_leave(carol, leave.id, WINTER._replace(ends_on=date(2026, 12, 24)), "Back early")
    assert standing(carol, alice).status == "open"
    change_leave(carol, leave.id, WINTER._replace(ends_on=None), "Not back yet")
    assert standing(carol, alice).status == "excused"


def leave_in(first: date, last: date | None) -> Callable[[ServiceContext, int], Any]:
    return lambda context, number: add_leave(
        context, number, RequestedDays(first, last), "Parental"
    )


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        (lambda context, number: grant_waiver(context, number, CYCLE, "nothing", ""),
         [("reason", "reason-missing"), ("requirement", "requirement-not-offered")]),
        (lambda context, number: grant_waiver(context, number, DUE, "rsc", "Ill"),
         [("cycle_starts_on", "renewal-not-yours")]),
        (lambda context, number: grant_extension(context, number, CYCLE, DUE, "Moved"),
         [("due_on", "due-date-not-later")]),
        (lambda context, number: grant_extension(context, number, CYCLE, date(2099, 1, 1), ""),
         [("reason", "reason-missing"), ("due_on", "due-date-too-late")]),
        (leave_in(DUE, CYCLE), [("ends_on", "ends-before-start")]),
        (leave_in(date(2024, 2, 1), date(2024, 2, 29)),
         [("ends_on", "granted-leave-before-endorsement")]),
        (leave_in(date(2025, 11, 1), date(2025, 12, 1)),
         [("ends_on", "granted-leave-in-closed-cycle")]),
    ],
)  # fmt: skip
def test_a_refused_grant_says_every_reason(
    act: Act,
    cast: Cast,
    grant: Callable[[ServiceContext, int], Any],
    expected: list[tuple[str, str]],
) -> None:
    with pytest.raises(Refused) as refused:
        grant(act(CAROL), cast.endorsements[BOB])
    assert codes(refused) == expected


def test_the_same_waiver_is_granted_once(act: Act, cast: Cast) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    grant_waiver(carol, alice, CYCLE, "rsc", "Ill")
    with pytest.raises(Refused) as refused:
        grant_waiver(carol, alice, CYCLE, "rsc", "Ill again")
    assert codes(refused) == [("requirement", "already-waived")]


def test_two_leaves_of_an_endorsement_never_overlap(act: Act, cast: Cast) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    add_leave(carol, alice, WINTER._replace(ends_on=None), "Parental")
    with pytest.raises(Refused) as refused:
        add_leave(carol, alice, RequestedDays(date(2027, 6, 1), date(2027, 6, 30)), "Ill")
    assert codes(refused) == [("starts_on", "leave-overlaps")]


def test_nothing_changes_in_a_settled_cycle(act: Act, cast: Cast) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    grant_waiver(carol, alice, CYCLE, "rsc", "Ill")
    settled = SettledCycle(
        endorsement_id=alice, cycle_starts_on=CYCLE, settled_on=date(2026, 11, 1), content="{}"
    )
    carol.session.add(settled)
    carol.session.flush()
    changes: list[Callable[[], Any]] = [
        lambda: grant_waiver(carol, alice, CYCLE, "training", "Ill"),
        lambda: grant_extension(carol, alice, CYCLE, date(2027, 1, 31), "Moved"),
    ]
    for change in changes:
        with pytest.raises(Refused) as refused:
            change()
        assert codes(refused) == [("cycle_starts_on", "cycle-settled")]


@pytest.mark.parametrize(
    ("grant", "field"),
    [
        (lambda context, number: grant_waiver(context, number, CYCLE, "rsc", "Ill"),
         "cycle_starts_on"),
        (lambda context, number: grant_extension(context, number, CYCLE, date(2027, 1, 31), "Ill"),
         "cycle_starts_on"),
        (leave_in(DUE, None), "starts_on"),
    ],
    ids=["waiver", "extension", "leave"],
)  # fmt: skip
def test_nothing_is_granted_once_an_endorsement_has_ended(
    act: Act, cast: Cast, grant: Callable[[ServiceContext, int], Any], field: str
) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    held = carol.session.get_one(Endorsement, alice)
    held.ends_on = NOW.date() - timedelta(days=1)
    carol.session.flush()
    with pytest.raises(Refused) as refused:
        grant(carol, alice)
    assert codes(refused) == [(field, "endorsement-has-ended")]


def test_only_coordinators_of_the_association_grant(act: Act, cast: Cast) -> None:
    carol, alice = act(CAROL), cast.endorsements[ALICE]
    for context, number in ((act(BOB), alice), (carol, cast.endorsements[ERIN]), (carol, 99_999)):
        with pytest.raises(NotFound):
            grant_waiver(context, number, CYCLE, "training", "Ill")
        with pytest.raises(NotFound):
            add_leave(context, number, WINTER, "Ill")


def test_nobody_grants_anything_to_themselves(act: Act, cast: Cast) -> None:
    actor = Actor(ALICE, cast.people[ALICE], ("NCIMHA",))
    own = replace(act(ALICE), actor=actor)
    with pytest.raises(Refused) as refused:
        grant_waiver(own, cast.endorsements[ALICE], CYCLE, "rsc", "Ill")
    assert codes(refused) == [("", "own-decision")]
