"""Evaluates renewals: reads facts, judges them, and stores the standings.

`judge_all` and `judge_current` only read. `evaluate_people` belongs into the transaction of every
write that can change a standing. Each night, `prepare_evaluation` finds what passing time changed,
and `evaluate_batch` judges it. The standing table holds the last standings of the current cycle and
of the one before.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, bindparam, delete
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, exists, func, or_, select, union

from tracker.clock import local_day
from tracker.db.engine import is_postgresql
from tracker.db.ledgers import StandingRow
from tracker.db.people import REMOVED, Endorsement, Person
from tracker.db.statements import in_chunks, insert_rows
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_before, cycle_containing
from tracker.rules.notices import last_membership
from tracker.rules.renewal import falls_behind_on, judge_renewal
from tracker.rules.requirement import HOURS
from tracker.rules.standing import Result, Standing, Status, is_too_late
from tracker.services.certificates import issue_certificates, reissue_certificates
from tracker.services.facts import Triple, Window, WindowsOf, read_facts
from tracker.services.notices import lock_people
from tracker.services.rsc_providers import (
    list_providers_of,
    list_supervised_people,
    refresh_provider_spans,
)
from tracker.services.rule_ends import refresh_rule_ends
from tracker.services.settlements import accept_complete, note_differences, settle_closed
from tracker.services.standing_history import StandingBefore, note_changes

# So many endorsements at a time: what is judged waits in memory until it is stored.
_BATCH = 1_000
_DEFERRED = "deferred_evaluation"
_DAY = timedelta(days=1)
DayOf = Callable[[str], date]


def days_at(rulebooks: Rulebooks, now: datetime) -> DayOf:
    """Return a function that gives each association's legal day at ``now``."""
    days = {name: local_day(now, a.time_zone) for name, a in rulebooks.associations.items()}
    return days.__getitem__


def judge_all(
    session: Session,
    rulebooks: Rulebooks,
    day_of: DayOf,
    *,
    cycle_day: date | None = None,
    association: str | None = None,
    endorsement_ids: Iterable[int] | None = None,
) -> Iterator[Standing]:
    """Stream the standings of the cycle that contains ``cycle_day`` (default: the as-of day).

    ``day_of`` gives each association's as-of day. Default: every endorsement.
    """

    def windows_of(triple: Triple) -> Iterable[Window]:
        name, category, endorsed_on = triple
        if name not in rulebooks.associations or association not in (None, name):
            return ()
        plan = rulebooks.plan(name, category, endorsed_on, cycle_day or day_of(name))
        return (Window(plan, endorsed_on, day_of(name)),) if plan else ()

    return _judge(session, rulebooks, windows_of, endorsement_ids)


def judge_current(
    session: Session,
    rulebooks: Rulebooks,
    day_of: DayOf,
    *,
    endorsement_ids: Iterable[int] | None = None,
    also: Callable[[Triple], Iterable[date]] = lambda _: (),
) -> Iterator[Standing]:
    """Stream the standings of each endorsement's current cycle and of the one before it.

    ``also`` gives the first days of other cycles to judge.
    """

    def windows_of(triple: Triple) -> Iterable[Window]:
        if triple[0] not in rulebooks.associations:
            return ()
        today = day_of(triple[0])
        windows = list(current_windows(rulebooks, triple, today))
        for first in sorted(also(triple)):
            if (plan := rulebooks.plan(*triple, first)) is not None:
                windows.append(Window(plan, triple[2], today))
        return dict.fromkeys(windows)

    return _judge(session, rulebooks, windows_of, endorsement_ids)


# People endorsed on the same day share these, and a person's do not change within a day.
@lru_cache(maxsize=8_192)
def current_windows(rulebooks: Rulebooks, triple: Triple, day: date) -> tuple[Window, ...]:
    """The cycle of an endorsement on a day, and the one before it."""
    name, category, endorsed_on = triple
    plan = rulebooks.plan(name, category, endorsed_on, day)
    if plan is None:
        return ()
    window = Window(plan, endorsed_on, day)
    schemes = rulebooks.associations[name].cycles
    before = cycle_before(schemes, endorsed_on, plan.cycle) if plan.cycle else None
    if before is None:
        return (window,)
    return window, Window(rulebooks.plan_for(name, category, before, endorsed_on), endorsed_on, day)


def _judge(
    session: Session,
    rulebooks: Rulebooks,
    windows_of: WindowsOf,
    endorsement_ids: Iterable[int] | None,
) -> Iterator[Standing]:
    for window, facts in read_facts(session, rulebooks, windows_of, endorsement_ids):
        standing = judge_renewal(window.plan, facts, window.as_of)
        if standing is not None:
            yield standing


def evaluate_people(
    session: Session,
    rulebooks: Rulebooks,
    person_ids: Iterable[int],
    now: datetime,
    *,
    named_providers: Collection[int] | None = None,
) -> None:
    """Judge and store every standing that a change to these people may have moved.

    That includes everyone who was ever supervised by one of them, if the days on which they
    qualify as a provider have changed. If only their entries changed, ``named_providers`` are the
    providers of those entries. Call it inside the writing transaction. In `deferred_evaluation`
    it is done at the end.
    """
    people = set(person_ids)
    deferred: list[_Evaluation] | None = session.info.get(_DEFERRED)
    if deferred is not None:
        deferred.append(_Evaluation(rulebooks, people, now, named_providers))
        return
    session.flush()
    if named_providers is None:
        refresh_rule_ends(session, rulebooks, people)
        providers = people | list_providers_of(session, people)
    else:
        providers = set()
        if named_providers:
            named = {"ids": sorted(named_providers)}
            providers.update(session.connection().scalars(_UNLISTED, named))
    if providers:
        changed = refresh_provider_spans(session, rulebooks, person_ids=providers)
        people |= list_supervised_people(session, changed)
    endorsement_ids: list[int] = []
    for ids in in_chunks(sorted(people), _BATCH):
        endorsement_ids += session.connection().scalars(_ENDORSEMENTS_OF, {"ids": ids})
    _evaluate(session, rulebooks, endorsement_ids, now)


class _Evaluation(NamedTuple):
    """The arguments of `evaluate_people`."""

    rulebooks: Rulebooks
    people: set[int]
    now: datetime
    named_providers: Collection[int] | None


@contextmanager
def deferred_evaluation(session: Session) -> Iterator[None]:
    """Evaluate at the end of the block everyone whom `evaluate_people` is called for within it.

    So people whom several saves of one transaction touch are evaluated once. Until then the
    standing table is behind: for pages, which do not read it in the transaction that writes.
    Within another such block, it is done at the end of that one.
    """
    if _DEFERRED in session.info:
        yield
        return
    deferred: list[_Evaluation] = []
    session.info[_DEFERRED] = deferred
    try:
        yield
    finally:
        del session.info[_DEFERRED]
    if not deferred:
        return
    people: set[int] = set()
    providers: set[int] | None = set()
    for evaluation in deferred:
        people |= evaluation.people
        if providers is None or evaluation.named_providers is None:
            providers = None
        else:
            providers.update(evaluation.named_providers)
    now = max(evaluation.now for evaluation in deferred)
    evaluate_people(session, deferred[0].rulebooks, people, now, named_providers=providers)


@contextmanager
def immediate_evaluation(session: Session) -> Iterator[None]:
    """Evaluate within the block at once, also inside of `deferred_evaluation`."""
    deferred = session.info.pop(_DEFERRED, None)
    try:
        yield
    finally:
        if deferred is not None:
            session.info[_DEFERRED] = deferred


class DueEvaluation(NamedTuple):
    """The endorsements that an evaluation has to judge.

    ``is_of_all``: the rulebook is new, so all of them count, whatever is stored.
    """

    association: str
    endorsement_ids: Sequence[int]
    is_of_all: bool

    @property
    def batches(self) -> Iterator[list[int]]:
        """The endorsements in batches, each for one call of `evaluate_batch`."""
        return in_chunks(self.endorsement_ids, _BATCH)


def prepare_evaluation(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    now: datetime,
    *,
    since: date | None = None,
) -> DueEvaluation:
    """Find what passing time, or a changed rulebook, may have moved, for `evaluate_batch`.

    That is what is due, and every endorsement without a standing. ``since`` is the local date of
    the last evaluation (None: there was none).

    Each batch may have a transaction of its own, in any order, and may be done again. What a
    changed rulebook moves at other associations is done here: providers of theirs may qualify on
    other days, and endorsements continue from those of this one, which may end on others.
    """
    today = local_day(now, rulebooks.associations[association].time_zone)
    begun = select(Endorsement.id).where(
        Endorsement.association == association, col(Endorsement.starts_on) <= today
    )
    stored = select(StandingRow.endorsement_id).where(StandingRow.association == association)
    is_of_all = since is None or _rules_changed(session, rulebooks, association)
    if is_of_all:
        ended = refresh_rule_ends(session, rulebooks)
        providers = refresh_provider_spans(session, rulebooks)
        people = list_supervised_people(session, providers) | _list_holders(session, ended)
        _evaluate_elsewhere(session, rulebooks, association, people, now)
    else:
        # Whatever the reason was that they had none: the endorsement, its first cycle, or the
        # association's records begin later, or the rules were others.
        has_not_ended = or_(col(Endorsement.ends_on).is_(None), col(Endorsement.ends_on) >= since)
        begun = begun.where(~_has_standing(), has_not_ended)
        stored = stored.where(col(StandingRow.recheck_on) <= today)
    due = session.connection().scalars(union(begun, stored)).all()
    reissue_certificates(session, rulebooks, now, association=association)
    return DueEvaluation(association, sorted(due), is_of_all)


def evaluate_batch(
    session: Session,
    rulebooks: Rulebooks,
    due: DueEvaluation,
    endorsement_ids: Collection[int],
    now: datetime,
    *,
    since: date | None = None,
) -> int:
    """Judge and store some endorsements of ``due``; return how many.

    Those that somebody else has judged meanwhile are not due any more.
    """
    _lock_holders(session, endorsement_ids)
    if not due.is_of_all:
        today = local_day(now, rulebooks.associations[due.association].time_zone)
        is_due = exists().where(
            col(StandingRow.endorsement_id) == Endorsement.id, col(StandingRow.recheck_on) <= today
        )
        still = select(Endorsement.id).where(
            col(Endorsement.id).in_(endorsement_ids), is_due | ~_has_standing()
        )
        endorsement_ids = session.exec(still).all()
    return _evaluate(session, rulebooks, endorsement_ids, now, since=since)


def _has_standing() -> ColumnElement[bool]:
    return exists().where(col(StandingRow.endorsement_id) == Endorsement.id)


def _evaluate_elsewhere(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    people: Collection[int],
    now: datetime,
) -> None:
    """Judge what these people hold at other associations."""
    for ids in in_chunks(sorted(people), _BATCH):
        query = select(Endorsement.id).where(
            col(Endorsement.person_id).in_(ids), Endorsement.association != association
        )
        _evaluate(session, rulebooks, session.exec(query), now)


def _list_holders(session: Session, endorsement_ids: Collection[int]) -> set[int]:
    people = set[int]()
    for ids in in_chunks(sorted(endorsement_ids), _BATCH):
        people.update(
            session.exec(select(Endorsement.person_id).where(col(Endorsement.id).in_(ids)))
        )
    return people


def evaluate_association(
    session: Session, rulebooks: Rulebooks, association: str, now: datetime
) -> None:
    """Judge and store every standing of an association."""
    session.flush()
    query = select(Endorsement.id).where(Endorsement.association == association)
    endorsement_ids = session.exec(query).all()
    _lock_holders(session, endorsement_ids)
    _evaluate(session, rulebooks, endorsement_ids, now)


def _rules_changed(session: Session, rulebooks: Rulebooks, association: str) -> bool:
    """Whether a stored standing comes of another rulebook; the index's two ends tell."""
    for end in (func.min, func.max):
        query = select(end(StandingRow.rules_digest)).where(StandingRow.association == association)
        if session.exec(query).one() not in (None, rulebooks.digest_of(association)):
            return True
    return False


def _evaluate(
    session: Session,
    rulebooks: Rulebooks,
    endorsement_ids: Iterable[int],
    now: datetime,
    *,
    since: date | None = None,
) -> int:
    """Judge and store endorsements; settle the cycles that closed ``since`` (None: none)."""
    day_of = days_at(rulebooks, now)
    count = 0
    for ids in in_chunks(sorted(endorsement_ids), _BATCH):
        _lock_endorsements(session, ids)
        standings = list(judge_current(session, rulebooks, day_of, endorsement_ids=ids))
        kept = leave_out_removed(session, standings)
        store_standings(session, kept, day_of, rulebooks, endorsement_ids=ids)
        submitted = [standing for standing in standings if standing.facts.submitted]
        if submitted:
            accept_complete(session, rulebooks, submitted, now)
        if since is not None:
            settle_closed(session, rulebooks, standings, since, day_of)
        settled = [standing for standing in standings if standing.facts.settlement]
        if settled:
            note_differences(session, rulebooks, settled, day_of)
        issue_certificates(session, rulebooks, ids, now)
        count += len(ids)
    return count


def _lock_holders(session: Session, endorsement_ids: Collection[int]) -> None:
    """Lock the people before their endorsements, as everyone who writes for one of them does."""
    for people in in_chunks(sorted(_list_holders(session, endorsement_ids)), _BATCH):
        lock_people(session, people)


def _lock_endorsements(session: Session, ids: Sequence[int]) -> None:
    """Let one transaction at a time judge and store endorsements, until it ends.

    Otherwise one that read before another one saved could store its result after it. They are
    locked after their people (`lock_person`), in the order of their ids.
    """
    if is_postgresql(session):
        session.connection().execute(_LOCK, {"ids": ids})


def leave_out_removed(session: Session, standings: Sequence[Standing]) -> Sequence[Standing]:
    """The standings of endorsements that were not removed: nobody has to act on the others."""
    lapsed = {s.facts.subject_id for s in standings if s.status is Status.LAPSED}
    if not lapsed:
        return standings
    query = select(Endorsement.id).where(
        col(Endorsement.id).in_(lapsed), Endorsement.ended_as == REMOVED
    )
    removed = set(session.exec(query))
    return [standing for standing in standings if standing.facts.subject_id not in removed]


_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
# Built once, because building a statement takes as long as running it.
# Not the key: rows that refer to them may be saved meanwhile.
_LOCK = (
    select(Endorsement.id)
    .where(col(Endorsement.id).in_(_IDS))
    .order_by(col(Endorsement.id))
    .with_for_update(key_share=True)
)
_ENDORSEMENTS_OF = select(Endorsement.id).where(col(Endorsement.person_id).in_(_IDS))
# Providers who do not say that they provide RSC: their spans are stored only once an entry names
# them, so they may be missing.
_UNLISTED = select(Person.id).where(col(Person.id).in_(_IDS), ~col(Person.provides_rsc))
_STORED = select_columns(
    col(StandingRow.endorsement_id),
    col(StandingRow.cycle_starts_on),
    col(StandingRow.status),
    col(StandingRow.status_since),
    col(StandingRow.due_on),
    col(StandingRow.requirements),
).where(col(StandingRow.endorsement_id).in_(_IDS))
_FORGET = delete(StandingRow).where(col(StandingRow.endorsement_id).in_(_IDS))


class StoredResult(NamedTuple):
    """One requirement of a stored standing, in minutes.

    Of a membership in days, of a spread in months, and otherwise a number.

    ``label`` is what people call it, ``counts`` the activity that it counts and ``topic`` a topic
    within it (None: all of it). ``short`` is 0 where nothing is missing. ``unit`` is ``months``
    for a spread. ``year`` is the year of the cycle that it is about (0: all of it); ``formats``
    are those of the sessions that it alone counts, comma-separated. ``too_late``: as in
    `is_too_late`.
    """

    id: str
    label: str
    counts: str
    topic: str | None
    required: int
    counted: int
    short: int
    outcome: str
    unit: str = "hours"
    year: int = 0
    formats: str = ""
    too_late: bool = False

    @property
    def is_hours(self) -> bool:
        """Whether the amounts are in minutes."""
        return self.counts in HOURS and self.unit == "hours"


def parse_results(requirements: str) -> list[StoredResult]:
    """Read the column ``requirements`` of the standing table."""
    return [StoredResult(**result) for result in json.loads(requirements)]


# Many renewals have the same results: nothing counted yet, or everything complete.
@lru_cache(maxsize=4_096)
def format_results(results: tuple[Result, ...]) -> str:
    """Write the column ``requirements`` of the standing table."""
    stored = []
    for result in results:
        requirement = result.requirement
        stored.append(
            {
                "id": requirement.id,
                "label": requirement.label,
                "counts": requirement.counts,
                "topic": requirement.topic,
                "required": result.required,
                "counted": result.counted,
                "short": result.short,
                "outcome": result.outcome.value,
                **_describe_part(result),
            }
        )
    return json.dumps(stored)


def _describe_part(result: Result) -> dict[str, Any]:
    """What a stored result has only if it is about a part of the hours, or their spread."""
    part: dict[str, Any] = {}
    requirement = result.requirement
    if requirement.is_spread:
        part["unit"] = requirement.unit
    if requirement.year:
        part["year"] = requirement.year.number
    if requirement.own_formats:
        part["formats"] = ",".join(requirement.own_formats)
    if is_too_late(result):
        part["too_late"] = True
    return part


def store_standings(
    session: Session,
    standings: Iterable[Standing],
    day_of: Callable[[str], date],
    rulebooks: Rulebooks,
    *,
    endorsement_ids: Sequence[int],
) -> None:
    """Replace all standings of these endorsements with ``standings``.

    A status that stays keeps the day since when it has been so, and what changes is noted in the
    history. Older cycles are forgotten: `tracker standing --cycle` evaluates any of them anew.
    """
    before = {}
    connection, these = session.connection(), {"ids": endorsement_ids}
    for stored in connection.execute(_STORED, these):
        key = stored.endorsement_id, stored.cycle_starts_on
        before[key] = StandingBefore._make(stored[2:])
    rows = []
    for standing in standings:
        row = _row(standing, day_of(standing.plan.association), rulebooks)
        last = before.get((row["endorsement_id"], row["cycle_starts_on"]))
        if last is not None and last.status == row["status"]:
            row["status_since"] = last.status_since
        rows.append(row)
    connection.execute(_FORGET, these)
    insert_rows(session, StandingRow, rows)
    note_changes(session, before, rows)


def _row(standing: Standing, today: date, rulebooks: Rulebooks) -> dict[str, Any]:
    cycle = standing.plan.cycle
    short_minutes = 0
    for result in standing.results:
        if result.requirement.is_hours:
            short_minutes += result.short
    return {
        "endorsement_id": standing.facts.subject_id,
        "cycle_starts_on": cycle.starts_on if cycle else standing.facts.starts_on,
        "association": standing.plan.association,
        "cycle_ends_on": cycle.ends_on if cycle else None,
        "due_on": standing.due_on,
        "status": standing.status.value,
        "status_since": today,
        "falls_behind_on": falls_behind_on(standing),
        "membership_until": standing.covered_until or last_membership(standing, today),
        "short_minutes": short_minutes,
        "requirements": format_results(standing.results),
        "recheck_on": _recheck_on(standing, today, rulebooks),
        "judged_on": today,
        "rules_digest": rulebooks.digest_of(standing.plan.association),
    }


def _recheck_on(standing: Standing, today: date, rulebooks: Rulebooks) -> date | None:
    """When to look again: at the next change, or when the current cycle gives way to the next."""
    own = current = standing.plan.cycle
    if current and current.ends_on < today:
        # If the endorsement has ended there may be no row of the current cycle to do this.
        schemes = rulebooks.associations[standing.plan.association].cycles
        current = cycle_containing(schemes, standing.facts.starts_on, current.ends_on + _DAY)
    days = [standing.next_change_on, current.ends_on + _DAY if current else None]
    if own and standing.due_on and own.grace_ends_on(standing.due_on) >= today:
        # It is settled on the day after.
        days.append(own.grace_ends_on(standing.due_on) + _DAY)
    return min((day for day in days if day), default=None)
