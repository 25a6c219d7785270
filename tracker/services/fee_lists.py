"""Lists of fees: who owes what by when, and what was paid, of current and of earlier renewals."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta
from sqlalchemy import select
from sqlmodel import Session, col

from tracker.db.applications import UNDECIDED
from tracker.db.ledgers import SettledCycle
from tracker.db.people import Endorsement
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.fees import PaidShare, settle_fee
from tracker.rules.plan import RenewalPlan
from tracker.rules.standing import Standing
from tracker.services.evaluation import DayOf, current_windows, judge_current
from tracker.services.facts import Triple
from tracker.services.fees import FeeLine, find_state, view_fees
from tracker.services.payment_facts import Payments, read_payments
from tracker.services.reinstatement_facts import AskedReturn, list_asked_returns

# How long a fee that was paid stays in the list that opens first.
_RECENT = relativedelta(years=1)
# A renewal: an endorsement, and the first day of its cycle.
_Key = tuple[int, date]


class FeePeriod(NamedTuple):
    """Which fees a list has; without anything, all of them.

    Those of one ``year`` (`FeeLine.year`). Or what is owed, and whose cycle ended on or after
    ``since``, or that were paid since.
    """

    since: date | None = None
    year: int | None = None

    def includes(
        self, year: int, ends_on: date, paid: Iterable[PaidShare], *, is_owed: bool
    ) -> bool:
        """Whether a list has a fee whose "cycle" ends on a day and belongs to a year."""
        if self.year is not None:
            return year == self.year
        if self.since is None or is_owed or ends_on >= self.since:
            return True
        return any(each.on >= self.since for each in paid)


def recent_fees(today: date) -> FeePeriod:
    """What is owed, and the fees of renewals that run, or were paid for, within the last year."""
    return FeePeriod(since=today - _RECENT)


@dataclass(frozen=True, slots=True)
class _Held:
    """The endorsements whose fees are listed, and what was paid for them."""

    triples: Mapping[int, Triple]
    payments: Payments
    settled: frozenset[_Key]

    def list_past(self, rulebooks: Rulebooks) -> Iterator[tuple[_Key, RenewalPlan, Cycle]]:
        """The renewals that were paid for, or are settled, as far as they have a fee."""
        for key in sorted(self.settled | self.payments.keys()):
            triple = self.triples[key[0]]
            plan = rulebooks.plan(*triple, key[1])
            if plan is not None and plan.fees and plan.cycle and plan.cycle.starts_on == key[1]:
                yield key, plan, plan.cycle


def list_association_fees(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    day_of: DayOf,
    period: FeePeriod | None = None,
    *,
    endorsement_ids: Iterable[int] | None = None,
) -> list[FeeLine]:
    """The fees of an association that are owed or were paid (default: `recent_fees`), by name.

    None if its rulebook has no fees. ``endorsement_ids`` limits them to these endorsements.
    """
    held = _read_held(session, rulebooks, association, endorsement_ids)
    if not held.triples:
        return []
    today = day_of(association)
    if period is None:
        period = recent_fees(today)
    lines = [
        *_view_renewal_fees(session, rulebooks, day_of, held, period),
        *_view_return_fees(session, rulebooks, held, today),
    ]
    shown = []
    for line in lines:
        paid = held.payments.get((line.endorsement_id, line.cycle_starts_on), ())
        if period.includes(line.year, line.cycle_ends_on, paid, is_owed=bool(line.owed)):
            shown.append(line)
    return sorted(shown, key=lambda line: (line.name.casefold(), line.person_id, line.due_on))


def list_fee_years(
    session: Session, rulebooks: Rulebooks, association: str, lines: Iterable[FeeLine]
) -> list[int]:
    """The years for which an association has fees, also those of ``lines``; the latest first."""
    held = _read_held(session, rulebooks, association, None)
    years = {line.year for line in lines}
    years |= {cycle.ends_on.year for _, _, cycle in held.list_past(rulebooks)}
    return sorted(years, reverse=True)


def _read_held(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    endorsement_ids: Iterable[int] | None,
) -> _Held:
    rulebook = rulebooks.associations[association]
    categories = {category for fee in rulebook.fees for category in fee.categories}
    if not categories:
        return _Held({}, {}, frozenset())
    own: list[Any] = [
        Endorsement.association == association,
        col(Endorsement.category).in_(categories),
    ]
    if endorsement_ids is not None:
        own.append(col(Endorsement.id).in_(sorted(endorsement_ids)))
    connection = session.connection()
    query: Any = select(
        col(Endorsement.id), col(Endorsement.category), col(Endorsement.starts_on)
    ).where(*own)
    rows = connection.execute(query).all()
    triples = {number: (association, category, first) for number, category, first in rows}
    closed: Any = (
        select(col(SettledCycle.endorsement_id), col(SettledCycle.cycle_starts_on))
        .join(Endorsement, col(Endorsement.id) == SettledCycle.endorsement_id)
        .where(*own)
    )
    settled = frozenset((number, first) for number, first in connection.execute(closed))
    return _Held(triples, read_payments(session, sorted(triples)), settled)


def _view_renewal_fees(
    session: Session, rulebooks: Rulebooks, day_of: DayOf, held: _Held, period: FeePeriod
) -> Iterator[FeeLine]:
    """The fees of current renewals and of those before; of earlier ones, what was paid or is owed.

    The others are not judged: most are paid, and long over.
    """
    earlier = defaultdict[Triple, set[date]](set)
    for key, plan, cycle in held.list_past(rulebooks):
        if _may_be_listed(plan, cycle.ends_on, held.payments.get(key, ()), period):
            earlier[held.triples[key[0]]].add(cycle.starts_on)
    judged = judge_current(
        session,
        rulebooks,
        day_of,
        endorsement_ids=held.triples,
        also=lambda triple: earlier[triple],
    )
    for standing in judged:
        today, judged_cycle = day_of(standing.plan.association), standing.plan.cycle
        if judged_cycle is None or not _is_own(rulebooks, held, standing, judged_cycle, today):
            continue
        for line in view_fees(standing, held.payments, today):
            if judged_cycle.ends_on >= today or line.account.paid or line.owed:
                yield line


def _is_own(
    rulebooks: Rulebooks, held: _Held, standing: Standing, cycle: Cycle, today: date
) -> bool:
    """Whether a renewal is judged for itself, not for that of another who began on the same day."""
    number = standing.facts.subject_id
    key = (number, cycle.starts_on)
    if key in held.settled or key in held.payments:
        return True
    current = current_windows(rulebooks, held.triples[number], today)
    return cycle in {window.plan.cycle for window in current}


def _may_be_listed(
    plan: RenewalPlan, last: date, paid: Iterable[PaidShare], period: FeePeriod
) -> bool:
    """Whether a list may have the fees of an earlier renewal, judged by what was paid alone."""
    is_owed = any(not settle_fee(fee, last, paid, date.max).is_paid for fee in plan.fees)
    return period.includes(last.year, last, paid, is_owed=is_owed)


def _view_return_fees(
    session: Session, rulebooks: Rulebooks, held: _Held, today: date
) -> Iterator[FeeLine]:
    """The fees of reinstatements that are asked for, and what was paid of those decided since."""
    books = rulebooks.associations
    names = {triple[0] for triple in held.triples.values()}
    if not any(fee.of == "reinstatement" for name in names for fee in books[name].fees):
        return
    for asked in list_asked_returns(session, held.triples):
        yield from _view_return(rulebooks, asked, held.payments, today)


def _view_return(
    rulebooks: Rulebooks, asked: AskedReturn, payments: Payments, today: date
) -> Iterator[FeeLine]:
    """The fees of one reinstatement; once it is decided, nothing more is owed of them."""
    application, person, removed = asked
    named = (application.association, application.category)
    plan = rulebooks.application_plan(
        *named, application.submitted_on or today, application.plan_purpose
    )
    rule = rulebooks.reinstatement_rule(*named, removed.removed_on)
    latest_on = (rule.latest_on(removed.removed_on) if rule else None) or today
    paid = payments.get((removed.endorsement_id, removed.removed_on), ())
    is_decided = application.state not in UNDECIDED
    for fee in plan.fees:
        account = settle_fee(fee, latest_on, paid, today)
        if is_decided and not account.paid:
            continue
        yield FeeLine(
            person.id,
            person.name,
            removed.endorsement_id,
            *named,
            removed.removed_on,
            latest_on,
            latest_on,
            fee,
            account,
            find_state(account, is_freed=is_decided),
            plan.rulebook.currency_code,
            is_reinstatement=True,
        )
