"""Evaluation: facts read, judged, and (for the standing table) stored.

`judge_all` only reads. `evaluate_people` belongs into the transaction of every write that can
change a standing; `evaluate_due` is the nightly pass over what passing time has changed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import text
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.audit import DeferredWork, deferred_work, leave, write_events
from tracker.db.statements import among, as_date, run
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_before
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Standing
from tracker.services.facts import Few, Triple, Window, make_id_table, read_facts
from tracker.services.rsc_providers import (
    newly_named,
    people_supervised_by,
    providers_of,
    refresh_provider_spans,
)
from tracker.services.standings import store_standings

# So many endorsements at a time: what is judged waits in memory until it is stored.
_BATCH = 4_000
# Up to so many are named in the query itself: for them a temporary table costs more than the rest.
_FEW = 100
DayOf = Callable[[str], date]


class _Days(dict[str, date]):
    """The day at each association, worked out when it is first asked."""

    def __init__(self, rulebooks: Rulebooks, instant: datetime) -> None:
        super().__init__()
        self._books = rulebooks
        self._instant = instant

    def __missing__(self, association: str) -> date:
        day = local_day(self._instant, self._books.associations[association].time_zone)
        self[association] = day
        return day


def days_at(rulebooks: Rulebooks, instant: datetime) -> DayOf:
    """The legal day that ``instant`` is in each association's time zone."""
    return _Days(rulebooks, instant).__getitem__


def judge_all(
    session: Session,
    rulebooks: Rulebooks,
    day_of: DayOf,
    *,
    cycle_day: date | None = None,
    association: str | None = None,
    only: str | Few | None = None,
) -> Iterator[Standing]:
    """Stream the standings of the cycle that contains ``cycle_day`` (default: the as-of day).

    ``day_of`` gives each association's as-of date, ``only`` is as of `read_facts`.
    """

    def windows(rulebooks: Rulebooks, triple: Triple) -> Iterable[Window]:
        name, category, endorsed_on = triple
        if name not in rulebooks.associations or association not in (None, name):
            return ()
        plan = rulebooks.plan(name, category, endorsed_on, cycle_day or day_of(name))
        return (Window(plan, endorsed_on, day_of(name)),) if plan else ()

    for window, facts in read_facts(session, rulebooks, windows, only=only):
        standing = judge_renewal(window.plan, facts, window.as_of)
        if standing is not None:
            yield standing


def judge_current(
    session: Session,
    rulebooks: Rulebooks,
    day_of: DayOf,
    *,
    only: str | Few | None = None,
) -> Iterator[Standing]:
    """Stream the standings of each endorsement's current cycle and of the one before it.

    ``only`` is as of `read_facts`: a temporary table, or a few endorsements.
    """

    def windows(rulebooks: Rulebooks, triple: Triple) -> Iterable[Window]:
        name = triple[0]
        return (
            _current_windows(rulebooks, triple, day_of(name))
            if name in rulebooks.associations
            else ()
        )

    for window, facts in read_facts(session, rulebooks, windows, only=only):
        standing = judge_renewal(window.plan, facts, window.as_of)
        if standing is not None:
            yield standing


# The same for many people, and again for each hour that one of them logs on a day.
@lru_cache(maxsize=8_192)
def _current_windows(rulebooks: Rulebooks, triple: Triple, day: date) -> tuple[Window, ...]:
    name, category, endorsed_on = triple
    plan = rulebooks.plan(name, category, endorsed_on, day)
    if plan is None:
        return ()
    window = Window(plan, endorsed_on, day)
    before = plan.cycle and cycle_before(
        rulebooks.associations[name].cycles, endorsed_on, plan.cycle
    )
    if not before:
        return (window,)
    return window, Window(rulebooks.plan_for(name, category, before), endorsed_on, day)


def evaluate_people(
    session: Session,
    rulebooks: Rulebooks,
    person_ids: Iterable[int],
    instant: datetime,
    *,
    providers: Collection[int] | None = None,
) -> None:
    """Judge anew, and store, every standing that a change to these people may have moved.

    That includes everyone who was ever supervised by one of them, should the days on which
    they qualify as a provider have changed. Where nothing but their entries changed,
    ``providers`` are those whom these entries name. Call it inside the writing transaction.
    """
    people = set(person_ids)
    if providers is None:
        unsure = people | providers_of(session, people)
    else:
        unsure = newly_named(session, providers)
    changed = refresh_provider_spans(session, rulebooks, only=unsure) if unsure else ()
    people |= people_supervised_by(session, changed)
    chosen = among(session, people)
    rows = run(
        session,
        f"""
        SELECT id, association, category, starts_on FROM endorsement
        WHERE person_id {chosen.sql}
        """,
        chosen.parameters,
    )
    held = {row[0]: (row[1], row[2], as_date(row[3])) for row in rows}
    _evaluate(session, rulebooks, held, instant, held)


def evaluate_due(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    instant: datetime,
    *,
    since: date | None = None,
) -> int:
    """Judge anew what passing time, or a changed rulebook, may have moved; how many those were.

    A night's work thus grows with what is due, not with what is stored. ``since`` is the local
    date of the last evaluation (None: there was none): endorsements that have begun since
    then have no standing yet.
    """
    if since is None or _rules_changed(session, rulebooks, association):
        refresh_provider_spans(session, rulebooks)
        query, since = _EVERYTHING, date.min
    else:
        query = _DUE
    today = local_day(instant, rulebooks.associations[association].time_zone)
    due = session.scalars(
        text(query),
        {"association": association, "today": today.isoformat(), "since": since.isoformat()},
    ).all()
    return _evaluate(session, rulebooks, due, instant)


_EVERYTHING = """
    SELECT id FROM endorsement
    WHERE association = :association AND starts_on BETWEEN :since AND :today
    UNION
    SELECT endorsement_id FROM standing WHERE association = :association
"""
_DUE = """
    SELECT endorsement_id FROM standing
    WHERE association = :association AND recheck_on <= :today
    UNION
    SELECT en.id FROM endorsement en
    WHERE en.association = :association AND en.starts_on BETWEEN :since AND :today
        AND NOT EXISTS (SELECT 1 FROM standing s WHERE s.endorsement_id = en.id)
"""


def _rules_changed(session: Session, rulebooks: Rulebooks, association: str) -> bool:
    """Whether a stored standing comes of other rulebooks; the index's two ends tell."""
    ends = (
        session.connection()
        .execute(
            text(
                "SELECT (SELECT MIN(rules_digest) FROM standing WHERE association = :association), "
                "(SELECT MAX(rules_digest) FROM standing WHERE association = :association)"
            ),
            {"association": association},
        )
        .one()
    )
    return any(digest not in (None, rulebooks.digest) for digest in ends)


def _evaluate(
    session: Session,
    rulebooks: Rulebooks,
    endorsement_ids: Iterable[int],
    instant: datetime,
    held: Few | None = None,
) -> int:
    """Judge these endorsements, and store it; ``held`` is what is known of each already."""
    ids = sorted(endorsement_ids)
    day_of = days_at(rulebooks, instant)
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        only: str | Few = "wanted"
        if held is not None and len(batch) <= _FEW:
            only = {number: held[number] for number in batch}
        else:
            make_id_table(session, "wanted", batch)
        # Read to the end before the first write: one connection does both.
        standings = list(judge_current(session, rulebooks, day_of, only=only))
        store_standings(session, standings, day_of, rulebooks, replacing=only)
    return len(ids)


@contextmanager
def deferred_evaluation(session: Session) -> Iterator[None]:
    """Within the block, audit events and whoever is to be judged `soon` wait for its end.

    Until then the standing and audit tables are behind: for pages, that do not read them in the
    transaction in which they write.
    """
    late = DeferredWork()
    leave(session, late)
    yield
    leave(session, None)
    write_events(session, late.events)
    if late.rulebooks is None or late.instant is None:
        return
    providers = late.providers | late.changed | providers_of(session, late.changed)
    evaluate_people(session, late.rulebooks, late.people, late.instant, providers=providers)


def evaluate_later(
    session: Session,
    rulebooks: Rulebooks,
    person_id: int,
    instant: datetime,
    *,
    providers: Collection[int] | None = None,
) -> None:
    """Judge a person anew before the transaction ends: at once, or late where that is on.

    Where nothing but their entries changed, ``providers`` are those whom these entries name.
    """
    late = deferred_work(session)
    if late is None:
        evaluate_people(session, rulebooks, {person_id}, instant, providers=providers)
        return
    late.rulebooks, late.instant = rulebooks, max(late.instant or instant, instant)
    late.people.add(person_id)
    if providers is None:
        late.changed.add(person_id)
    else:
        late.providers.update(providers)
