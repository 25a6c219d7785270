"""Who may request and decide leave and extensions, whatever adapter asks."""

from collections.abc import Callable
from datetime import date

import pytest
from sqlmodel import select

from tests.support.cast import ALICE, BOB, CAROL, Cast
from tracker.db.people import Leave, Renewal
from tracker.services.context import MAX_TEXT_LENGTH, NotFound, Refused, ServiceContext
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

Act = Callable[[str], ServiceContext]
Create = Callable[[ServiceContext, NewTimeRequest], int]
WINTER = RequestedDays(date(2026, 12, 1), date(2027, 2, 28))
IN_MARCH = RequestedDays(date(2026, 1, 1), date(2027, 3, 31))


@pytest.fixture
def new(cast: Cast) -> Callable[..., NewTimeRequest]:
    def build(days: RequestedDays, reason: str = "Moved", key: str = "a") -> NewTimeRequest:
        return NewTimeRequest(cast.endorsements[ALICE], days, reason, key)

    return build


New = Callable[..., NewTimeRequest]


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
