"""What a person's other endorsements mean for one of theirs. Every last day is included."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from tracker.rules.cycles import Cycle, begin_cycle, find_ordinary_due_date, make_ordinary
from tracker.rules.model import CycleScheme, EarlierEndorsement

_DAY = timedelta(days=1)


class EndorsementTerm(NamedTuple):
    """An endorsement, at any association; without a last day, ``ends_on`` is ``date.max``."""

    association: str
    category: str
    starts_on: date
    ends_on: date = date.max


def scheme_of(schemes: Sequence[CycleScheme], cycle: Cycle) -> CycleScheme:
    """The scheme by which a cycle runs."""
    return [scheme for scheme in schemes if scheme.starts_from <= cycle.starts_on][-1]


def count_from_application(
    schemes: Sequence[CycleScheme], cycle: Cycle, applied_on: date | None
) -> Cycle:
    """The cycle in which an endorsement began, counted from the day of its application.

    It is an ordinary one if that was before it. Without an application, or where the scheme does
    not count from it, it stays as it is.
    """
    if applied_on is None or scheme_of(schemes, cycle).first_cycle_from != "application":
        return cycle
    if applied_on < cycle.starts_on:
        return make_ordinary(schemes, cycle)
    return begin_cycle(schemes, cycle, applied_on)


def continue_cycle(
    schemes: Sequence[CycleScheme],
    cycle: Cycle,
    endorsement: EndorsementTerm,
    others: Iterable[EndorsementTerm],
) -> Cycle:
    """The cycle in which an endorsement began, as an ordinary one if it continues an earlier one.

    An earlier one that is still renewed in this cycle is not continued: the new one is
    additional.
    """
    scheme = scheme_of(schemes, cycle)
    if scheme.continues_from and cycle.starts_on < scheme.continues_from:
        return cycle
    endorsed_on = endorsement.starts_on
    first_day = endorsed_on - timedelta(days=scheme.continues_within_days + 1)
    # An endorsement that began after the due date has a later one; the earlier one had not.
    due_on = find_ordinary_due_date(schemes, cycle)
    for term in others:
        is_earlier = term.starts_on < endorsed_on
        kind = _compare_terms(endorsement, term)
        if is_earlier and kind in scheme.continues and first_day <= term.ends_on < due_on:
            # It was held in the years before, too.
            return replace(make_ordinary(schemes, cycle), years_before=0)
    return cycle


def find_held_since(
    scheme: CycleScheme, endorsement: EndorsementTerm, others: Iterable[EndorsementTerm]
) -> date:
    """Since when an endorsement has been held, with those before it that count as the same.

    A break of more than the scheme's ``held_break_days`` ends the count backward.
    """
    since = endorsement.starts_on
    most = timedelta(days=scheme.held_break_days + 1)
    # From the last to the first that ended, so that each is compared with all that came after it.
    for term in sorted(others, key=lambda term: term.ends_on, reverse=True):
        if _compare_terms(endorsement, term) in scheme.held_counts and term.ends_on >= since - most:
            since = min(since, term.starts_on)
    return since


def count_years(since: date, day: date) -> int:
    """The whole years from a day to another; 0 if it is later.

    A year from February 29 is over on February 28, as cycles and memberships are.
    """
    years = max(0, day.year - since.year)
    return years - (years > 0 and since + relativedelta(years=years) > day)


def _compare_terms(new: EndorsementTerm, other: EndorsementTerm) -> EarlierEndorsement:
    if new.association != other.association:
        return "other association"
    return "same category" if new.category == other.category else "other category"
