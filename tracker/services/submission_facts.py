"""Reads which renewals were submitted, as facts for judging them."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from tracker.clock import local_day
from tracker.db.submissions import Submission
from tracker.plain_text import plain_name
from tracker.rules.plan import RenewalPlan
from tracker.rules.standing import Submitted

_WORD = re.compile(r"[^\W\d_]+")


def read_submissions(session: Session, ids: Sequence[int] | None) -> Mapping[int, Sequence[Any]]:
    """The submissions of these endorsements, in force or returned."""
    found: defaultdict[int, list[Any]] = defaultdict(list)
    query = _SUBMISSIONS
    if ids is not None:
        query = query.where(col(Submission.endorsement_id).in_(ids))
    for submission in session.connection().execute(query):
        found[submission.endorsement_id].append(submission)
    return found


_SUBMISSIONS = select(
    col(Submission.endorsement_id),
    col(Submission.cycle_starts_on),
    col(Submission.submitted_at),
    col(Submission.returned_at),
    col(Submission.statements),
).order_by(col(Submission.id))


def find_submitted(plan: RenewalPlan, as_of: date, submissions: Sequence[Any]) -> Submitted | None:
    """What was submitted for a plan's cycle, and not returned, by a day (included)."""
    zone = plan.rulebook.time_zone
    for one in _list_of_cycle(plan, submissions):
        submitted_on = local_day(one.submitted_at, zone)
        is_in_force = one.returned_at is None or local_day(one.returned_at, zone) > as_of
        if submitted_on <= as_of and is_in_force:
            return Submitted(submitted_on, frozenset(parse_statements(one.statements)))
    return None


def list_submission_days(plan: RenewalPlan, submissions: Sequence[Any]) -> Iterator[date]:
    """The days on which a plan's cycle was submitted, and returned."""
    for one in _list_of_cycle(plan, submissions):
        for at in (one.submitted_at, one.returned_at):
            if at is not None:
                yield local_day(at, plan.rulebook.time_zone)


def _list_of_cycle(plan: RenewalPlan, submissions: Sequence[Any]) -> list[Any]:
    starts_on = plan.cycle.starts_on if plan.cycle else None
    return [one for one in submissions if one.cycle_starts_on == starts_on]


def is_signed_by_another(statements: str, signed_name: str, name: str) -> bool:
    """Whether statements are signed under another name than the one on record.

    The letters of each word are compared, in any order of the words, without case and accents.
    """
    return bool(parse_statements(statements)) and _list_words(signed_name) != _list_words(name)


def _list_words(name: str) -> list[str]:
    return sorted(_WORD.findall(plain_name(name)))


def parse_statements(statements: str) -> dict[str, str]:
    """Read the column ``statements`` of the table submission: the words signed, by key."""
    return dict(json.loads(statements))
