"""What is odd about a payment that is about to be recorded or removed, and is allowed anyway."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from sqlmodel import Session

from tracker.db.submissions import Submission
from tracker.rules.stages import Stage
from tracker.services.fees import FeeLine, PaidFor, PaymentInput, key_of_share
from tracker.services.submissions import list_last_submissions

# What was received earlier is more likely a slip of the pen than a payment found late.
_LONG_AGO = relativedelta(years=1)


class Oddity(StrEnum):
    """What is odd: more than is owed, nothing is owed, before the cycle, or long ago."""

    TOO_MUCH = "too much"
    PAID_ALREADY = "paid already"
    BEFORE_CYCLE = "before the cycle"
    LONG_AGO = "long ago"


class PaymentWarning(NamedTuple):
    """Something odd about a payment, and the fee that it is about (None: the payment itself).

    ``cents`` are what is paid beyond what is owed.
    """

    oddity: Oddity
    line: FeeLine | None = None
    cents: int = 0


class StayingRenewal(NamedTuple):
    """A renewal that stays accepted although its fee is not paid any more, and whose it is."""

    submission: Submission
    name: str


def find_oddities(
    new: PaymentInput, lines: Sequence[FeeLine], replaced: Mapping[str, int], today: date
) -> Iterator[PaymentWarning]:
    """What is odd about a payment.

    ``lines`` are the fees as they are now; ``replaced`` are the cents of them by key that the
    payment counts for now, and that it takes the place of.
    """
    if new.paid_on < today - _LONG_AGO:
        yield PaymentWarning(Oddity.LONG_AGO)
    by_key = {line.key: line for line in lines}
    for share in new.shares:
        line = by_key.get(key_of_share(share))
        if line is None:
            continue
        owed = max(0, line.due - line.account.paid + replaced.get(line.key, 0))
        if not owed:
            yield PaymentWarning(Oddity.PAID_ALREADY, line, share.cents)
        elif share.cents > owed:
            yield PaymentWarning(Oddity.TOO_MUCH, line, share.cents - owed)
        if new.paid_on < line.cycle_starts_on:
            yield PaymentWarning(Oddity.BEFORE_CYCLE, line)


def list_staying(
    session: Session, lines: Iterable[FeeLine], removed: Sequence[PaidFor]
) -> list[StayingRenewal]:
    """The accepted renewals whose fee is not paid any more without the shares ``removed``.

    ``lines`` are the fees as they are now.
    """
    by_key = {line.key: line for line in lines}
    last = list_last_submissions(session, {each.share.endorsement_id for each in removed})
    found = {}
    for each in removed:
        share = each.share
        line = by_key.get(key_of_share(share))
        submission = last.get((share.endorsement_id, share.cycle_starts_on))
        if line is None or submission is None or submission.state != Stage.ACCEPTED:
            continue
        if line.account.paid - share.cents < line.due:
            found[submission.id] = StayingRenewal(submission, each.person.name)
    return list(found.values())
