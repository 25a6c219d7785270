"""Whom a reminder about a submission window, days away, or a limited term may concern."""

from collections.abc import Collection, Iterator
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, or_, select

from tracker.db.ledgers import EndorsementEnd, StandingRow
from tracker.db.people import Endorsement, Leave
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.stages import find_window
from tracker.rules.standing import Facts, Standing, Status
from tracker.rules.way_notices import list_window_steps
from tracker.services.endings import list_endings
from tracker.services.evaluation import DayOf
from tracker.services.notices import due_dates

_DAY = timedelta(days=1)
_CAN_BE_SUBMITTED = (Status.OPEN.value, Status.OVERDUE.value)


def list_people_by_way(
    session: Session,
    rulebooks: Rulebooks,
    config: NoticeConfig,
    association: str,
    last: date,
    as_of: date,
) -> set[int]:
    """People of an association whom a step may have reached since the run of ``last``."""
    people = set(_list_by_ends(session, Leave, config, association, last, as_of))
    people |= set(_list_by_ends(session, EndorsementEnd, config, association, last, as_of))
    schemes = rulebooks.associations[association].cycles
    if any(scheme.submission_opens is not None for scheme in schemes):
        people |= set(_list_by_windows(session, rulebooks, config, association, last, as_of))
    return people


def list_ending_terms(
    session: Session, rulebooks: Rulebooks, day_of: DayOf, endorsement_ids: Collection[int]
) -> Iterator[Standing]:
    """The limited terms among these endorsements that end before their renewal is due.

    There is nothing to judge, so their standings are open and have no results.
    """
    for association, names in rulebooks.ending_categories.items():
        rulebook = rulebooks.associations[association]
        limited = {name for name in names if rulebook.categories[name].term_years}
        endings = list_endings(
            session, rulebooks, association, day_of, endorsement_ids=endorsement_ids
        )
        for ending in endings:
            if ending.category not in limited:
                continue
            held = session.get_one(Endorsement, ending.endorsement_id)
            plan = rulebooks.plan_for(association, held.category, ending.cycle, held.starts_on)
            facts = Facts(
                ending.endorsement_id,
                held.person_id,
                ending.email,
                ending.name,
                held.starts_on,
                ending.ends_on,
                provides_rsc=False,
                minutes={},
            )
            yield Standing(facts, plan, Status.OPEN, ending.due_on, (), None)


def _list_by_ends(
    session: Session,
    table: type[Leave] | type[EndorsementEnd],
    config: NoticeConfig,
    association: str,
    last: date,
    as_of: date,
) -> Iterator[int]:
    """Those whose days away, or whose limited term, end so many days after a step."""
    ends = [
        col(table.ends_on).between(*due_dates(last, as_of, -days))
        for days in config.membership.before
    ]
    if ends:
        query = (
            select(Endorsement.person_id)
            .join(table)
            .where(Endorsement.association == association, or_(*ends))
        )
        yield from session.exec(query)


def _list_by_windows(
    session: Session,
    rulebooks: Rulebooks,
    config: NoticeConfig,
    association: str,
    last: date,
    as_of: date,
) -> Iterator[int]:
    query: Any = (
        select_columns(
            col(Endorsement.person_id),
            col(Endorsement.category),
            col(Endorsement.starts_on),
            col(StandingRow.cycle_starts_on),
            col(StandingRow.due_on),
        )
        .join(StandingRow)
        .where(
            col(StandingRow.association) == association,
            col(StandingRow.status).in_(_CAN_BE_SUBMITTED),
        )
    )
    rows = session.connection().execute(query).all()
    for person_id, category, starts_on, first, due_on in rows:
        plan = rulebooks.plan(association, category, starts_on, max(first, starts_on))
        cycle = plan.cycle if plan is not None and plan.is_submitted else None
        if cycle is None:
            continue
        has_last_day = cycle.closes_on is not None
        window = find_window(cycle, due_on)
        for _, day, steps in list_window_steps(config, window, due_on, has_last_day=has_last_day):
            if any(last < day + step * _DAY <= as_of for step in steps):
                yield person_id
