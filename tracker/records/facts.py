"""The facts of every renewal, by one set-based query, streamed.

Sums are the database's work. A *window* is what all endorsements of one association and
category that began on the same day share: their plan, and the days whose entries count. There
are few, so they are worked out here, put into a temporary table, and joined; the query is
the same for one endorsement and for a million, and yields a row a renewal.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, text

from tracker.rulebooks import Rulebooks
from tracker.rules.plan import Plan
from tracker.rules.standing import Facts, Span

_FETCH = 2_000
_FIXED_COLUMNS = 12
Triple = tuple[str, str, date]


@dataclass(frozen=True, slots=True)
class Window:
    """The renewals of one plan: ``as_of`` is the last day whose entries count."""

    plan: Plan
    endorsed_on: date
    as_of: date


# Which windows a triple (association, category, first day of the endorsement) has.
Windows = Callable[[Rulebooks, Triple], Iterable[Window]]


def read_facts(
    connection: Connection, books: Rulebooks, windows: Windows, *, only: str | None = None
) -> Iterator[tuple[Window, Facts]]:
    """Stream the facts, in rising order of endorsement on SQLite, in any on PostgreSQL.

    ``only`` names a temporary table whose ``id`` column lists the endorsements wanted.
    """
    found = [w for triple in _triples(connection, only) for w in windows(books, triple)]
    _store_windows(connection, found)
    topics = sorted(books.topics)
    keys = [*(f"topic:{topic}" for topic in topics), "training", "rsc"]
    by_rule = {w.plan.membership_rule: _accepted(books, w.plan.membership_rule) for w in found}
    accepted = [by_rule[window.plan.membership_rule] for window in found]
    for row in _stream(connection, facts_sql(connection.dialect.name, topics, only)):
        number = row[1]
        yield found[number], _facts(row, found[number], keys, accepted[number])


def _accepted(books: Rulebooks, rule: str | None) -> frozenset[str]:
    return frozenset(books.accepted_organizations(rule)) if rule else frozenset()


def make_id_table(connection: Connection, name: str, ids: Iterable[int]) -> None:
    """Make the temporary table ``name`` anew, with one ``id`` a row."""
    connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    connection.execute(text(f"CREATE TEMPORARY TABLE {name} (id INTEGER PRIMARY KEY)"))
    rows = [{"id": i} for i in ids]
    if rows:
        connection.execute(text(f"INSERT INTO {name} (id) VALUES (:id)"), rows)


def _triples(connection: Connection, only: str | None) -> list[Triple]:
    where = f"WHERE id IN (SELECT id FROM {only})" if only else ""
    sql = f"SELECT DISTINCT association, category, starts_on FROM endorsement {where}"
    rows = connection.execute(text(sql))
    return [(row[0], row[1], _date(row[2])) for row in rows]


def _store_windows(connection: Connection, windows: Sequence[Window]) -> None:
    for statement in _WINDOW_TABLES:
        connection.execute(text(statement))
    rows = [_window_row(number, window) for number, window in enumerate(windows)]
    if rows:
        connection.execute(text(_INSERT_WINDOW), rows)
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE renewal_window"))


def _window_row(number: int, window: Window) -> dict[str, object]:
    cycle = window.plan.cycle
    # Without rules there is no cycle, and no day whose entries count.
    starts_on = cycle.starts_on if cycle else date.max
    ends_on = cycle.ends_on if cycle else date.min
    return {
        "id": number,
        "association": window.plan.association,
        "category": window.plan.category,
        "endorsed_on": window.endorsed_on.isoformat(),
        "starts_on": starts_on.isoformat(),
        "counted_until": min(ends_on, window.as_of).isoformat(),
        "ends_on": ends_on.isoformat(),
        # One that ended on the eve of the cycle has just lapsed, which is news. Before the cycle
        # begins, the as-of date's own membership is looked at.
        "memberships_from": (min(starts_on, window.as_of) - timedelta(days=1)).isoformat(),
        "provider_rule": window.plan.provider_rule,
    }


_WINDOW_TABLES = (
    "DROP TABLE IF EXISTS renewal_window",
    """CREATE TEMPORARY TABLE renewal_window (
        id INTEGER PRIMARY KEY, association VARCHAR, category VARCHAR, endorsed_on DATE,
        starts_on DATE, counted_until DATE, ends_on DATE, memberships_from DATE,
        provider_rule VARCHAR)""",
    "CREATE INDEX renewal_window_key ON renewal_window (association, category, endorsed_on)",
)
_INSERT_WINDOW = (
    "INSERT INTO renewal_window VALUES (:id, :association, :category, :endorsed_on, "
    ":starts_on, :counted_until, :ends_on, :memberships_from, :provider_rule)"
)


def facts_sql(dialect: str, topics: Sequence[str], only: str | None) -> str:
    """The query; ``topics`` are the rulebooks' own words, quoted here.

    SQLite takes the tables in the order written (CROSS JOIN), so that rows come grouped by
    endorsement and need no sorting.
    """
    join = "string_agg" if dialect == "postgresql" else "group_concat"
    about = "".join(
        f"""
        (SELECT SUM(t.minutes) FROM entry_topic t WHERE t.person_id = en.person_id
            AND t.topic = {_quoted(topic)}
            AND t.held_on BETWEEN w.starts_on AND w.counted_until),"""
        for topic in topics
    )
    return f"""
    SELECT en.id, w.id, en.person_id, p.email, p.name, en.ends_on, p.provides_rsc,
        (SELECT {join}(m.starts_on || '/' || m.ends_on || '/' || m.organization, ',')
            FROM membership m
            WHERE m.person_id = en.person_id AND m.ends_on >= w.memberships_from),
        (SELECT {join}(l.starts_on || '/' || COALESCE(CAST(l.ends_on AS VARCHAR), '9999-12-31'),
            ',') FROM leave l WHERE l.endorsement_id = en.id),
        (SELECT {join}(v.requirement, ',') FROM waiver v
            WHERE v.endorsement_id = en.id AND v.cycle_starts_on = w.starts_on),
        (SELECT r.extended_due_on FROM renewal r
            WHERE r.endorsement_id = en.id AND r.cycle_starts_on = w.starts_on),
        (SELECT MIN(n.held_on) FROM entry n WHERE n.person_id = en.person_id
            AND n.held_on > w.counted_until
            AND n.held_on BETWEEN w.starts_on AND w.ends_on),{about}
        SUM(CASE WHEN e.activity = 'training' THEN e.minutes END),
        SUM(CASE WHEN e.activity = 'rsc' AND s.rule IS NOT NULL THEN e.minutes END)
    FROM endorsement en
    CROSS JOIN renewal_window w
    CROSS JOIN person p
    LEFT JOIN entry e ON e.person_id = en.person_id
        AND e.held_on BETWEEN w.starts_on AND w.counted_until
    LEFT JOIN provider_span s ON s.rule = w.provider_rule AND s.provider_id = e.provider_id
        AND e.held_on BETWEEN s.starts_on AND s.ends_on
    WHERE w.association = en.association AND w.category = en.category
        AND w.endorsed_on = en.starts_on AND p.id = en.person_id
        {f"AND en.id IN (SELECT id FROM {only})" if only else ""}
    GROUP BY en.id, w.id, p.id
    """


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def _stream(connection: Connection, sql: str) -> Iterator[Sequence[Any]]:
    """Rows as the driver gives them: a million Row objects cost as much as judging them.

    The cursor is the driver's own (on PostgreSQL a named one, so that rows stay on the server
    until they are wanted): SQLAlchemy's streaming result has read the first row ahead already.
    """
    driver = connection.connection
    named = {"name": "facts"} if connection.dialect.name == "postgresql" else {}
    cursor = driver.cursor(**named)
    try:
        cursor.execute(sql)
        while rows := cursor.fetchmany(_FETCH):
            yield from rows
    finally:
        cursor.close()


def _facts(
    row: Sequence[Any], window: Window, keys: Sequence[str], accepted: frozenset[str]
) -> Facts:
    # By position, in the order of the fields: this runs once an endorsement.
    return Facts(
        row[0],
        row[2],
        row[3],
        row[4],
        window.endorsed_on,
        _date(row[5]) if row[5] else None,
        bool(row[6]),
        {key: minutes for key, minutes in zip(keys, row[_FIXED_COLUMNS:], strict=True) if minutes},
        _memberships(row[7], accepted),
        _spans(row[8]),
        tuple(row[9].split(",")) if row[9] else (),
        _date(row[10]) if row[10] else None,
        _date(row[11]) if row[11] else None,
    )


def _date(value: date | str) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value


# Most people's memberships run the same days, so that few texts are ever read.
@lru_cache(maxsize=4_096)
def _memberships(value: str | None, accepted: frozenset[str]) -> tuple[Span, ...]:
    """Those in an accepted organization of ``first/last/organization``, comma-separated."""
    if not value:
        return ()
    found = (text.split("/", 2) for text in value.split(","))
    return tuple(
        Span(date.fromisoformat(starts_on), date.fromisoformat(ends_on))
        for starts_on, ends_on, organization in found
        if organization in accepted
    )


@lru_cache(maxsize=4_096)
def _spans(value: str | None) -> tuple[Span, ...]:
    if not value:
        return ()
    return tuple(
        Span(date.fromisoformat(text[:10]), date.fromisoformat(text[11:]))
        for text in value.split(",")
    )
