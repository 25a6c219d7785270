"""Who may request and decide leave and extensions, whatever adapter asks."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from tests.services.conftest import Act
from tests.support.absences import with_absences
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, NOW, Cast
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Leave, Renewal, TimeRequest
from tracker.services.context import (
    MAX_TEXT_LENGTH,
    Actor,
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
)
from tracker.services.time_requests import (
    NewTimeRequest,
    RequestedDays,
    decline_request,
    get_request,
    grant_request,
    request_extension,
    request_leave,
    withdraw_request,
)

Create = Callable[[ServiceContext, NewTimeRequest], int]
WINTER = RequestedDays(date(2026, 12, 1), date(2027, 2, 28))
IN_MARCH = RequestedDays(date(2026, 1, 1), date(2027, 3, 31))


@pytest.fixture
def new(cast: Cast) -> Callable[..., NewTimeRequest]:
    def build(days: RequestedDays, reason: str = "Moved", key: str = "a") -> NewTimeRequest:
        return NewTimeRequest(cast.endorsements[ALICE], days, reason, key)

    return build


New = Callable[..., NewTimeRequest]


def list_changes(context: ServiceContext) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The tables of the audit events, with the values before and after."""
    events = context.session.exec(select(AuditEvent).order_by(col(AuditEvent.id)))
    return [
        (each.table_name, json.loads(each.before or "{}"), json.loads(each.after or "{}"))
        for each in events
    ]


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str]]:
    return [(refusal.field, refusal.code) for refusal in refused.value.refusals]


@pytest.mark.parametrize(
    ("create", "email", "days", "reason", "expected"),
    [
        (request_leave, ALICE, WINTER, "", [("reason", "reason-missing")]),
        (request_leave, ALICE, WINTER, "x" * (MAX_TEXT_LENGTH + 1), [("reason", "text-too-long")]),
        (request_leave, BOB, WINTER, "", [("reason", "reason-missing"),
         ("endorsement_id", "endorsement-not-yours")]),
        (request_leave, ALICE, RequestedDays(date(2026, 12, 2), date(2026, 12, 1)), "Moved",
         [("ends_on", "ends-before-start")]),
        (request_leave, ALICE, RequestedDays(date(2020, 1, 1), date(2024, 2, 29)), "Moved",
         [("ends_on", "leave-before-endorsement")]),
        (request_leave, ALICE, RequestedDays(date(2023, 1, 1), date(2024, 3, 1)), "Moved",
         [("ends_on", "leave-in-closed-cycle")]),
        (request_extension, ALICE, IN_MARCH, "", [("reason", "reason-missing")]),
        (request_extension, ALICE, IN_MARCH._replace(ends_on=None), "Moved",
         [("ends_on", "due-date-not-later")]),
        (request_extension, BOB, IN_MARCH, "Moved", [("endorsement_id", "renewal-not-yours")]),
        (request_extension, ALICE, IN_MARCH._replace(ends_on=date(2026, 12, 31)), "Moved",
         [("ends_on", "due-date-not-later")]),
        (request_extension, ALICE, RequestedDays(date(2026, 1, 2), date(2027, 3, 31)), "Moved",
         [("endorsement_id", "renewal-not-yours")]),
    ],
)  # fmt: skip
def test_every_reason_is_given_at_once(
    act: Act,
    new: New,
    create: Create,
    email: str,
    days: RequestedDays,
    reason: str,
    expected: list[tuple[str, str]],
) -> None:
    with pytest.raises(Refused) as refused:
        create(act(email), new(days, reason))
    assert codes(refused) == expected


def test_coordinators_of_other_associations_cannot_decide(act: Act, new: New) -> None:
    number = request_leave(act(ALICE), new(WINTER))
    for other in (ALICE, BOB):
        with pytest.raises(NotFound):
            grant_request(act(other), number, WINTER, "")
        with pytest.raises(NotFound):
            decline_request(act(other), number, "No")


def test_only_the_endorsee_withdraws(act: Act, new: New) -> None:
    number = request_leave(act(ALICE), new(WINTER))
    for other in (BOB, CAROL):
        with pytest.raises(NotFound):
            withdraw_request(act(other), number)
    withdraw_request(act(ALICE), number)
    with pytest.raises(Refused) as refused:
        grant_request(act(CAROL), number, WINTER, "")
    assert codes(refused) == [("state", "request-decided")]


def test_the_decision_keeps_what_was_requested(act: Act, new: New) -> None:
    number = request_extension(act(ALICE), new(IN_MARCH))
    carol = act(CAROL)
    february = RequestedDays(date(1999, 1, 1), date(2027, 2, 15))
    decided = grant_request(carol, number, february, "")
    assert decided.requested == IN_MARCH
    assert decided.granted == IN_MARCH._replace(ends_on=date(2027, 2, 15))
    assert decided.hours_until == date(2026, 12, 31)
    assert decided.submitted.request.id == number
    [renewal] = carol.session.exec(select(Renewal)).all()
    assert (renewal.cycle_starts_on, renewal.extended_due_on) == decided.granted


def test_a_second_leave_replaces_one_with_the_same_start(act: Act, new: New) -> None:
    carol = act(CAROL)
    for key, last_day in (("a", date(2027, 1, 31)), ("b", date(2027, 2, 28))):
        days = WINTER._replace(ends_on=last_day)
        grant_request(carol, request_leave(act(ALICE), new(days, key=key)), days, "")
    [leave] = carol.session.exec(select(Leave)).all()
    assert leave.ends_on == date(2027, 2, 28)


def test_a_granted_request_holds_the_granted_days(act: Act, new: New) -> None:
    number = request_leave(act(ALICE), new(WINTER))
    carol = act(CAROL)
    shorter = WINTER._replace(ends_on=date(2026, 12, 24))
    grant_request(carol, number, shorter, "Happy holidays")
    stored = get_request(carol.session, number, ["NCIMHA"])
    assert (stored.days, stored.request.answer) == (shorter, "Happy holidays")


@pytest.mark.parametrize(
    ("create", "days", "facts"),
    [
        (request_leave, RequestedDays(date(2026, 12, 2), date(2026, 12, 1)),
         {"starts_on": date(2026, 12, 2)}),
        (request_leave, RequestedDays(date(2020, 1, 1), date(2024, 2, 29)),
         {"starts_on": date(2024, 3, 1)}),
        (request_leave, RequestedDays(date(2023, 1, 1), date(2025, 12, 31)),
         {"association": "NCIMHA", "starts_on": date(2025, 1, 1), "ends_on": date(2025, 12, 31),
          "grace_ends_on": date(2026, 1, 31)}),
        (request_extension, IN_MARCH._replace(ends_on=date(2026, 12, 31)),
         {"due_on": date(2026, 12, 31)}),
    ],
)  # fmt: skip
def test_refusals_name_the_days(
    act: Act, new: New, create: Create, days: RequestedDays, facts: dict[str, date]
) -> None:
    with pytest.raises(Refused) as refused:
        create(act(ALICE), new(days))
    assert [each.facts for each in refused.value.refusals] == [facts]


@pytest.mark.parametrize(
    ("create", "days"),
    [
        (request_leave, RequestedDays(date(2026, 12, 1), date(2026, 12, 1))),
        (request_leave, RequestedDays(date(2020, 1, 1), None)),
        (request_extension, IN_MARCH._replace(ends_on=date(2027, 1, 1))),
    ],
    ids=["one day", "no last day", "a day later"],
)
def test_the_smallest_request_is_stored(
    act: Act, new: New, create: Create, days: RequestedDays
) -> None:
    alice = act(ALICE)
    request = alice.session.get_one(TimeRequest, create(alice, new(days, "x" * MAX_TEXT_LENGTH)))
    assert (request.starts_on, request.ends_on) == days
    assert (request.reason, request.asked_at, request.state) == (
        "x" * MAX_TEXT_LENGTH,
        NOW,
        "asked",
    )


def test_leave_can_be_requested_through_the_grace_period(act: Act, new: New) -> None:
    days = RequestedDays(date(2025, 12, 1), date(2025, 12, 31))
    last, after = (datetime(2026, 2, 1, 4, 59, tzinfo=UTC), datetime(2026, 2, 1, 5, tzinfo=UTC))
    with pytest.raises(Refused) as refused:
        request_leave(replace(act(ALICE), now=after), new(days))
    assert codes(refused) == [("ends_on", "leave-in-closed-cycle")]
    assert request_leave(replace(act(ALICE), now=last), new(days))


def test_the_audit_log_does_not_repeat_the_reason(act: Act, new: New, cast: Cast) -> None:
    carol, held = act(CAROL), cast.endorsements[ALICE]
    shorter = WINTER._replace(ends_on=date(2026, 12, 24))
    request_id = request_leave(act(ALICE), new(WINTER))
    grant_request(carol, request_id, shorter, "Happy holidays")
    days = {"starts_on": "2026-12-01", "ends_on": "2026-12-24"}
    leave = {"endorsement_id": held, "kind": "leave", **days}
    assert list_changes(carol) == [
        ("time_request", {}, {**leave, "ends_on": "2027-02-28"}),
        ("time_request", {"state": "asked"}, {"state": "granted"}),
        ("leave", {}, leave),
    ]
    assert carol.session.exec(select(Leave.reason)).all() == ["Moved"]


def test_a_second_extension_replaces_the_first(act: Act, new: New, cast: Cast) -> None:
    carol = act(CAROL)
    key: dict[str, Any] = {
        "endorsement_id": cast.endorsements[ALICE],
        "cycle_starts_on": IN_MARCH.starts_on,
    }
    other = {**key, "endorsement_id": cast.endorsements[BOB]}
    for values in (other, {**key, "cycle_starts_on": date(2025, 1, 1)}):
        carol.session.add(Renewal(**values, extended_due_on=date(2027, 1, 5), reason="Flood"))
    for form, month in (("a", 2), ("b", 3)):
        days = IN_MARCH._replace(ends_on=date(2027, month, 15))
        request = new(days, f"Reason {form}", form)
        grant_request(carol, request_extension(act(ALICE), request), days, "")
    first, second = [
        {**key, "cycle_starts_on": "2026-01-01", "extended_due_on": f"2027-0{month}-15"}
        for month in (2, 3)
    ]
    changes = [each for each in list_changes(carol) if each[0] == "renewal"]
    assert changes == [("renewal", {}, first), ("renewal", first, second)]
    rows = [(row.extended_due_on, row.reason) for row in carol.session.exec(select(Renewal))]
    assert sorted(rows) == [
        *[(date(2027, 1, 5), "Flood")] * 2,
        (date(2027, 3, 15), "Reason b"),
    ]


@pytest.mark.parametrize(
    ("decide", "state", "answer"),
    [
        (lambda carol, number: grant_request(carol, number, WINTER, ""), "granted", None),
        (lambda carol, number: decline_request(carol, number, "Later"), "declined", "Later"),
    ],
)
def test_a_decided_request_names_its_coordinator(
    act: Act,
    new: New,
    decide: Callable[[ServiceContext, int], object],
    state: str,
    answer: str | None,
) -> None:
    number, later = request_leave(act(ALICE), new(WINTER)), NOW + timedelta(hours=1)
    carol = replace(act(CAROL), now=later)
    decide(carol, number)
    row = carol.session.get_one(TimeRequest, number)
    assert (row.state, row.answer, row.decided_at, row.decided_by) == (state, answer, later, CAROL)
    with pytest.raises(Refused) as refused:
        decide(carol, number)
    assert refused.value.refusals == (Refusal("state", "request-decided"),)


def test_a_withdrawn_request_names_its_endorsee(act: Act, new: New) -> None:
    alice = act(ALICE)
    number = request_leave(alice, new(WINTER))
    withdraw_request(alice, number)
    row = alice.session.get_one(TimeRequest, number)
    assert (row.state, row.answer, row.decided_at, row.decided_by) == (
        *("withdrawn", None, NOW),
        ALICE,
    )
    for wrong in (number, number + 1):
        with pytest.raises(NotFound):
            withdraw_request(alice, wrong)


def test_a_declined_request_grants_nothing(act: Act, new: New) -> None:
    carol, number = act(CAROL), request_leave(act(ALICE), new(WINTER))
    for answer, code in (("", "answer-missing"), ("x" * (MAX_TEXT_LENGTH + 1), "text-too-long")):
        with pytest.raises(Refused) as refused:
            decline_request(carol, number, answer)
        assert codes(refused) == [("answer", code)]
    decided = decline_request(carol, number, "Later")
    assert (decided.requested, decided.granted, decided.hours_until) == (WINTER, None, None)
    assert decided.submitted.request.id == number
    assert carol.session.exec(select(Leave)).all() == []


@pytest.mark.parametrize(
    ("create", "days", "granted", "answer", "expected"),
    [
        (request_leave, WINTER, RequestedDays(date(2026, 12, 2), date(2026, 12, 1)), "",
         [("ends_on", "ends-before-start")]),
        (request_leave, WINTER, WINTER, "x" * (MAX_TEXT_LENGTH + 1), [("answer", "text-too-long")]),
        (request_extension, IN_MARCH, IN_MARCH._replace(ends_on=date(2026, 12, 31)), "",
         [("ends_on", "due-date-not-later")]),
        (request_extension, IN_MARCH, IN_MARCH._replace(ends_on=None), "x" * 501,
         [("answer", "text-too-long"), ("ends_on", "due-date-not-later")]),
    ],
)  # fmt: skip
def test_impossible_days_cannot_be_granted(
    act: Act,
    new: New,
    create: Create,
    days: RequestedDays,
    granted: RequestedDays,
    answer: str,
    expected: list[tuple[str, str]],
) -> None:
    carol, number = act(CAROL), create(act(ALICE), new(days))
    with pytest.raises(Refused) as refused:
        grant_request(carol, number, granted, answer)
    assert codes(refused) == expected
    assert carol.session.get_one(TimeRequest, number).state == "asked"


def test_coordinators_do_not_decide_their_own_request(act: Act, new: New, cast: Cast) -> None:
    number = request_leave(act(ALICE), new(WINTER))
    own = replace(act(CAROL), actor=Actor(ALICE, cast.people[ALICE], ("NCIMHA",)))
    with pytest.raises(Refused) as refused:
        grant_request(own, number, WINTER, "")
    assert codes(refused) == [("", "own-decision")]


def test_granted_leave_moves_the_standing(act: Act, new: New, cast: Cast) -> None:
    carol = act(CAROL)
    decided = grant_request(carol, request_leave(act(ALICE), new(WINTER)), WINTER, "")
    assert (decided.granted, decided.hours_until) == (WINTER, None)
    key = {"endorsement_id": cast.endorsements[ALICE], "cycle_starts_on": date(2026, 1, 1)}
    query = select(StandingRow.status).filter_by(**key)
    assert carol.session.exec(query).one() == "excused"


@pytest.mark.parametrize("days", [WINTER, WINTER._replace(ends_on=date(2027, 3, 1))])
def test_one_request_of_a_kind_is_pending(
    act: Act, new: New, cast: Cast, days: RequestedDays
) -> None:
    alice = act(ALICE)
    number = request_leave(alice, new(WINTER))
    assert request_leave(alice, new(WINTER)) == number
    with pytest.raises(Refused) as refused:
        request_leave(alice, new(days, "Another", "b"))
    assert refused.value.refusals == (Refusal("endorsement_id", "request-open"),)
    extension = request_extension(alice, new(IN_MARCH))
    assert extension != number
    assert request_extension(alice, new(IN_MARCH)) == extension
    bob = NewTimeRequest(cast.endorsements[BOB], WINTER, "Moved", "a")
    assert request_leave(act(BOB), bob) not in (number, extension)


@pytest.mark.parametrize(
    "changed",
    [{"days": WINTER._replace(starts_on=date(2026, 12, 2))},
     {"days": WINTER._replace(ends_on=date(2027, 3, 1))}, {"reason": "Another"}],
    ids=["first day", "last day", "reason"],
)  # fmt: skip
def test_a_changed_form_is_another_request(act: Act, new: New, changed: dict[str, Any]) -> None:
    alice = act(ALICE)
    number = request_leave(alice, new(WINTER))
    withdraw_request(alice, number)
    assert request_leave(alice, new(WINTER)) == number
    another = request_leave(alice, replace(new(WINTER), **changed))
    keys = alice.session.exec(select(TimeRequest.form_key).order_by(col(TimeRequest.id))).all()
    assert another != number
    assert request_leave(alice, replace(new(WINTER), **changed)) == another
    assert keys[0] == "a"
    assert len(keys[1]) == 32
    withdraw_request(alice, another)
    third = request_leave(alice, new(WINTER, "Third", "c"))
    assert alice.session.get_one(TimeRequest, third).form_key == "c"


def test_an_old_cycle_can_be_extended_without_a_standing(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    request = TimeRequest(
        endorsement_id=cast.endorsements[ALICE],
        kind="extension",
        starts_on=date(2024, 1, 1),
        ends_on=date(2025, 3, 31),
        reason="Flood",
        form_key="a",
        asked_at=NOW,
    )
    carol.session.add(request)
    carol.session.flush()
    days = RequestedDays(date(2024, 1, 1), date(2025, 3, 1))
    decided = grant_request(carol, request.id, days, "")
    assert (decided.granted, decided.hours_until) == (days, None)


def test_leave_is_granted_without_a_rulebook(act: Act, new: New) -> None:
    number = request_leave(act(ALICE), new(WINTER))
    others = {name: book for name, book in BOOKS.associations.items() if name != "NCIMHA"}
    carol = replace(act(CAROL), rulebooks=replace(BOOKS, associations=others))
    assert grant_request(carol, number, WINTER, "").granted == WINTER


def test_granting_ignores_the_leave_that_it_replaces(act: Act, new: New, cast: Cast) -> None:
    rules = with_absences({"kind": "leave", "most": 1, "within_years": 3})
    number = request_leave(act(ALICE), new(WINTER))
    carol, held = replace(act(CAROL), rulebooks=rules), cast.endorsements[ALICE]
    carol.session.add(Leave(endorsement_id=held, starts_on=WINTER.starts_on))
    carol.session.flush()
    later = WINTER._replace(starts_on=date(2026, 12, 2))
    with pytest.raises(Refused) as refused:
        grant_request(carol, number, later, "")
    assert codes(refused) == [("starts_on", "absence-too-often")]
    grant_request(carol, number, WINTER, "")
    [leave] = carol.session.exec(select(Leave)).all()
    assert leave.ends_on == WINTER.ends_on
    with pytest.raises(Refused) as refused:
        request_leave(replace(act(ALICE), rulebooks=rules), new(later, key="b"))
    assert codes(refused) == [("starts_on", "absence-too-often")]


def test_inactive_status_is_limited_by_cycles(act: Act, new: New, cast: Cast) -> None:
    rules = with_absences({"kind": "inactive", "most": 1, "within_cycles": 2})
    alice, carol = (replace(act(email), rulebooks=rules) for email in (ALICE, CAROL))
    number = request_leave(alice, new(WINTER), "inactive")
    earlier = date(2025, 2, 1)
    alice.session.add(
        Leave(
            endorsement_id=cast.endorsements[ALICE],
            kind="inactive",
            starts_on=earlier,
            ends_on=earlier,
        )
    )
    alice.session.flush()
    for work in (
        lambda: request_leave(alice, new(WINTER, key="b"), "inactive"),
        lambda: grant_request(carol, number, WINTER, ""),
    ):
        with pytest.raises(Refused) as refused:
            work()
        assert codes(refused) == [("starts_on", "absence-too-often")]


def test_an_extended_cycle_is_open_for_leave(act: Act, new: New, cast: Cast) -> None:
    alice, key = act(ALICE), {"endorsement_id": cast.endorsements[ALICE]}
    due_on = date(2026, 12, 15)
    alice.session.add(
        Renewal(**key, cycle_starts_on=date(2025, 1, 1), extended_due_on=due_on, reason="Flood")
    )
    alice.session.flush()
    assert request_leave(alice, new(RequestedDays(date(2025, 12, 1), date(2025, 12, 31))))


def test_leave_without_an_end_has_limits(act: Act, new: New) -> None:
    rules = with_absences({"kind": "leave", "longest_months": 12})
    alice, carol = (replace(act(email), rulebooks=rules) for email in (ALICE, CAROL))
    endless = WINTER._replace(ends_on=None)
    with pytest.raises(Refused) as refused:
        request_leave(alice, new(endless))
    assert codes(refused) == [("ends_on", "absence-needs-end")]
    number = request_leave(alice, new(WINTER))
    with pytest.raises(Refused) as refused:
        grant_request(carol, number, endless, "")
    assert codes(refused) == [("ends_on", "absence-needs-end")]


def test_leave_is_requested_for_a_current_endorsement(act: Act, new: New, cast: Cast) -> None:
    alice = act(ALICE)
    alice.session.get_one(Endorsement, cast.endorsements[ALICE]).ends_on = date(2026, 11, 21)
    alice.session.flush()
    with pytest.raises(Refused) as refused:
        request_leave(alice, new(WINTER))
    assert codes(refused) == [("endorsement_id", "endorsement-not-yours")]
