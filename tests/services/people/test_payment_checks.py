"""What is odd about a payment, and which accepted renewals lose their payment."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import Session

from tests.services.people.test_fee_lines import CYCLE, CYCLE_ENDS, SUMMER, pay, view_line
from tests.support.cast import ALICE, BOB, ERIN, NOW, PAYING, Cast
from tracker.db.payments import PaymentShare
from tracker.db.people import Person
from tracker.db.submissions import Submission
from tracker.services.fees import FeeLine, PaidFor, PaymentInput, ShareInput
from tracker.services.payment_checks import Oddity, PaymentWarning, find_oddities, list_staying

DAY = timedelta(days=1)
DUE = 7500
SHARE = ShareInput(1, CYCLE, "renewal", DUE)
PAYMENT = PaymentInput(PAYING, SUMMER, DUE, "Family Agency", "", "", (SHARE,), "a" * 32)


@pytest.mark.parametrize(
    ("paid", "replaced", "cents", "warning"),
    [
        (0, 0, DUE, None),
        (0, 0, DUE + 1, (Oddity.TOO_MUCH, 1)),
        (2500, 0, 5000, None),
        (2500, 0, 5100, (Oddity.TOO_MUCH, 100)),
        (DUE - 1, 0, 2, (Oddity.TOO_MUCH, 1)),
        (DUE, 0, 100, (Oddity.PAID_ALREADY, 100)),
        (DUE + 500, 0, 100, (Oddity.PAID_ALREADY, 100)),
        # A correction: what the payment counted for until now is owed again.
        (DUE, 2500, 2500, None),
        (DUE, 2500, 2600, (Oddity.TOO_MUCH, 100)),
    ],
)
def test_paying_more_than_owed_is_odd(
    paid: int, replaced: int, cents: int, warning: tuple[Oddity, int] | None
) -> None:
    line = view_line(SUMMER, pay(paid))
    new = replace(PAYMENT, shares=(replace(SHARE, cents=cents),))
    expected = [PaymentWarning(warning[0], line, warning[1])] if warning else []
    by_key = {line.key: replaced} if replaced else {}
    assert list(find_oddities(new, [line], by_key, SUMMER)) == expected


@pytest.mark.parametrize(
    ("paid_on", "today", "oddities"),
    [
        (CYCLE, CYCLE, []),
        (CYCLE - DAY, CYCLE, [Oddity.BEFORE_CYCLE]),
        (SUMMER, date(2027, 6, 1), []),
        (SUMMER, date(2027, 6, 2), [Oddity.LONG_AGO]),
        (CYCLE - DAY, SUMMER + timedelta(days=365), [Oddity.LONG_AGO, Oddity.BEFORE_CYCLE]),
    ],
)
def test_early_and_old_payments_are_odd(paid_on: date, today: date, oddities: list[Oddity]) -> None:
    line = view_line()
    found = list(find_oddities(replace(PAYMENT, paid_on=paid_on), [line], {}, today))
    about = {Oddity.LONG_AGO: None, Oddity.BEFORE_CYCLE: line}
    assert found == [PaymentWarning(oddity, about[oddity], 0) for oddity in oddities]


def test_each_share_of_a_payment_is_checked() -> None:
    mine = view_line()
    theirs = mine._replace(endorsement_id=2)
    unknown = replace(SHARE, endorsement_id=3)
    shares = (
        unknown,
        replace(SHARE, cents=DUE + 1),
        replace(SHARE, endorsement_id=2, cents=DUE + 2),
    )
    found = list(find_oddities(replace(PAYMENT, shares=shares), [mine, theirs], {}, SUMMER))
    assert found == [
        PaymentWarning(Oddity.TOO_MUCH, mine, 1),
        PaymentWarning(Oddity.TOO_MUCH, theirs, 2),
    ]


def add_submission(session: Session, endorsement_id: int, state: str, form_key: str) -> Submission:
    submission = Submission(
        endorsement_id=endorsement_id,
        cycle_starts_on=CYCLE,
        cycle_ends_on=CYCLE_ENDS,
        form_key=form_key,
        state=state,
        submitted_at=NOW,
        signed_name="A name",
        statements="[]",
        content="{}",
        accepted_at=NOW if state == "accepted" else None,
        returned_at=NOW if state == "returned" else None,
    )
    session.add(submission)
    session.flush()
    return submission


def test_accepted_renewals_that_lose_their_fee_are_listed(session: Session, cast: Cast) -> None:
    line = view_line(SUMMER, pay(DUE))
    ids = {email: cast.endorsements[email] for email in (ALICE, BOB, ERIN)}
    lines = [line._replace(endorsement_id=each) for each in ids.values()]
    second_fee = lines[0]._replace(fee=replace(line.fee, id="second"))
    add_submission(session, ids[BOB], "submitted", "a")
    add_submission(session, ids[ALICE], "returned", "b")
    mine = add_submission(session, ids[ALICE], "accepted", "c")
    theirs = add_submission(session, ids[ERIN], "accepted", "d")

    def staying(*lines: FeeLine, cents: int = 1) -> list[tuple[int, str]]:
        removed = []
        for email, fee, day in (
            (ALICE, "gone", CYCLE),
            (BOB, "renewal", CYCLE),
            (ERIN, "renewal", CYCLE + DAY),
            (ALICE, "renewal", CYCLE),
            (ALICE, "second", CYCLE),
            (ERIN, "renewal", CYCLE),
        ):
            share = PaymentShare(
                payment_id=1, endorsement_id=ids[email], cycle_starts_on=day, fee=fee, cents=cents
            )
            removed.append(
                PaidFor(share, Person(email=email, name=email), "IFS", is_reinstatement=False)
            )
        return [(each.submission.id, each.name) for each in list_staying(session, lines, removed)]

    assert staying(*lines, second_fee) == [(mine.id, ALICE), (theirs.id, ERIN)]
    # More was paid than is due: the rest is enough.
    more = line.account._replace(paid=DUE + 1)
    paid_twice = [each._replace(account=more) for each in lines]
    assert staying(*paid_twice, cents=1) == []
    assert len(staying(*paid_twice, cents=2)) == 2
