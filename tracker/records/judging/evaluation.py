"""Evaluation: facts read, judged, and (for the standing table) stored.

`judge_all` only reads. `evaluate_people` belongs into the transaction of every write that can
change a standing; `evaluate_due` is the nightly pass over what passing time has changed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import Connection, text

from tracker.clock import local_day
from tracker.records.judging.facts import Few, Triple, Window, make_id_table, read_facts
from tracker.records.judging.providers import (
    newly_named,
    people_supervised_by,
    providers_of,
    refresh_provider_spans,
)
from tracker.records.judging.standings import store_standings
from tracker.records.store.quick import among, as_date, run
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import cycle_before
from tracker.rules.judge import judge
from tracker.rules.standing import Standing

# So many endorsements at a time: what is judged waits in memory until it is stored.
_BATCH = 4_000
# Up to so many are named in the query itself: for them a temporary table costs more than the rest.
_FEW = 100
DayOf = Callable[[str], date]


class _Days(dict[str, date]):
    """The day at each association, worked out when it is first asked."""

    def __init__(self, books: Rulebooks, instant: datetime) -> None:
        super().__init__()
        self._books = books
        self._instant = instant

    def __missing__(self, association: str) -> date:
        day = local_day(self._instant, self._books.associations[association].time_zone)
        self[association] = day
        return day


def days_at(books: Rulebooks, instant: datetime) -> DayOf:
    """The legal day that ``instant`` is in each association's time zone."""
    return _Days(books, instant).__getitem__


def judge_all(
    connection: Connection,
    books: Rulebooks,
    day_of: DayOf,
    *,
    cycle_day: date | None = None,
    association: str | None = None,
    only: str | Few | None = None,
) -> Iterator[Standing]:
    """Stream the standings of the cycle that contains ``cycle_day`` (default: the as-of day).

    ``day_of`` gives each association's as-of date, ``only`` is as of `read_facts`.
    """

    def windows(books: Rulebooks, triple: Triple) -> Iterable[Window]:
        name, category, endorsed_on = triple
        if name not in books.associations or association not in (None, name):
            return ()
        plan = books.plan(name, category, endorsed_on, cycle_day or day_of(name))
        return (Window(plan, endorsed_on, day_of(name)),) if plan else ()

    for window, facts in read_facts(connection, books, windows, only=only):
        standing = judge(window.plan, facts, window.as_of)
        if standing is not None:
            yield standing


def judge_current(
    connection: Connection,
    books: Rulebooks,
    day_of: DayOf,
    *,
    only: str | Few | None = None,
) -> Iterator[Standing]:
    """Stream the standings of each endorsement's current cycle and of the one before it.

    ``only`` is as of `read_facts`: a temporary table, or a few endorsements.
    """

    def windows(books: Rulebooks, triple: Triple) -> Iterable[Window]:
        name = triple[0]
        return _current_windows(books, triple, day_of(name)) if name in books.associations else ()

    for window, facts in read_facts(connection, books, windows, only=only):
        standing = judge(window.plan, facts, window.as_of)
        if standing is not None:
            yield standing


# The same for many people, and again for each hour that one of them logs on a day.
@lru_cache(maxsize=8_192)
def _current_windows(books: Rulebooks, triple: Triple, day: date) -> tuple[Window, ...]:
    name, category, endorsed_on = triple
    plan = books.plan(name, category, endorsed_on, day)
    if plan is None:
        return ()
    window = Window(plan, endorsed_on, day)
    before = plan.cycle and cycle_before(books.associations[name].cycles, endorsed_on, plan.cycle)
    if not before:
        return (window,)
    return window, Window(books.plan_for(name, category, before), endorsed_on, day)


def evaluate_people(
    connection: Connection,
    books: Rulebooks,
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
        unsure = people | providers_of(connection, people)
    else:
        unsure = newly_named(connection, providers)
    changed = refresh_provider_spans(connection, books, only=unsure) if unsure else ()
    people |= people_supervised_by(connection, changed)
    chosen = among(connection, people)
    rows = run(
        connection,
        f"""
        SELECT id, association, category, starts_on FROM endorsement
        WHERE person_id {chosen.sql}
        """,
        chosen.parameters,
    )
    held = {row[0]: (row[1], row[2], as_date(row[3])) for row in rows}
    _evaluate(connection, books, held, instant, held)


def evaluate_due(
    connection: Connection,
    books: Rulebooks,
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
    if since is None or _rules_changed(connection, books, association):
        refresh_provider_spans(connection, books)
        query, since = _EVERYTHING, date.min
    else:
        query = _DUE
    today = local_day(instant, books.associations[association].time_zone)
    due = connection.scalars(
        text(query),
        {"association": association, "today": today.isoformat(), "since": since.isoformat()},
    ).all()
    return _evaluate(connection, books, due, instant)


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


def _rules_changed(connection: Connection, books: Rulebooks, association: str) -> bool:
    """Whether a stored standing comes of other rulebooks; the index's two ends tell."""
    ends = connection.execute(
        text(
            "SELECT (SELECT MIN(rules_digest) FROM standing WHERE association = :association), "
            "(SELECT MAX(rules_digest) FROM standing WHERE association = :association)"
        ),
        {"association": association},
    ).one()
    return any(digest not in (None, books.digest) for digest in ends)


def _evaluate(
    connection: Connection,
    books: Rulebooks,
    endorsement_ids: Iterable[int],
    instant: datetime,
    held: Few | None = None,
) -> int:
    """Judge these endorsements, and store it; ``held`` is what is known of each already."""
    ids = sorted(endorsement_ids)
    day_of = days_at(books, instant)
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        only: str | Few = "wanted"
        if held is not None and len(batch) <= _FEW:
            only = {number: held[number] for number in batch}
        else:
            make_id_table(connection, "wanted", batch)
        # Read to the end before the first write: one connection does both.
        standings = list(judge_current(connection, books, day_of, only=only))
        store_standings(connection, standings, day_of, books, replacing=only)
    return len(ids)
