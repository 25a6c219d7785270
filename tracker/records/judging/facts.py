"""The facts of every renewal, by one set-based query, streamed.

Sums are the database's work. A *window* is what all endorsements of one association and
category that began on the same day share: their plan, and the days whose entries count. There
are few, so they are worked out here, put into a temporary table, and joined; the query is
the same for one endorsement and for a million, and yields a row a renewal.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import Any

from psycopg import Connection as PsycopgConnection
from sqlalchemy import Connection, text

from tracker.records.judging.windows import (
    Window,
    make_id_table,
    store_windows,
    window_columns,
    windows_within,
)
from tracker.records.store.quick import Chosen, Row, among, as_date, in_table, run
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import Plan
from tracker.rules.standing import Facts, Span

__all__ = [
    "Few",
    "Triple",
    "Window",
    "Windows",
    "facts_sql",
    "make_id_table",
    "read_facts",
    "stream",
]
# Small enough that rows are judged while they are still in the processor's cache.
_FETCH = 200
# What all endorsements of a window share: association, category, first day of the endorsement.
Triple = tuple[str, str, date]
# A few endorsements by id.
Few = Mapping[int, Triple]

# Which windows a triple has.
Windows = Callable[[Rulebooks, Triple], Iterable[Window]]


def read_facts(
    connection: Connection,
    books: Rulebooks,
    windows: Windows,
    *,
    only: str | Few | None = None,
) -> Iterator[tuple[Window, Facts]]:
    """Stream the facts, in rising order of endorsement on SQLite, in any on PostgreSQL.

    ``only`` names a temporary table whose ``id`` column lists the endorsements wanted, or is
    those themselves, where they are few and known: then no table is made.
    """
    chosen = _chosen(connection, only)
    triples = set(only.values()) if isinstance(only, Mapping) else _triples(connection, chosen)
    found = [w for triple in triples for w in windows(books, triple)]
    topics = max((len(window.plan.topics) for window in found), default=0)
    read = [(window, *_read_for(books, window.plan, topics)) for window in found]
    for rows in _rows(connection, found, topics, only, chosen):
        for row in rows:
            window, keys, accepted = read[row[1]]
            yield window, _facts(row, window, keys, accepted)


def _chosen(connection: Connection, only: str | Few | None) -> Chosen | None:
    if only is None:
        return None
    return in_table(only) if isinstance(only, str) else among(connection, only)


def _rows(
    connection: Connection,
    found: Sequence[Window],
    topics: int,
    only: str | Few | None,
    chosen: Chosen | None,
) -> Iterator[Sequence[Row]]:
    dialect = connection.dialect.name
    where = f"AND en.id {chosen.sql}" if chosen else ""
    if chosen is None or isinstance(only, str):
        store_windows(connection, found, topics)
        later = _has_entries_after(connection, min((w.as_of for w in found), default=date.max))
        yield from stream(connection, facts_sql(dialect, topics, where, later=later))
    elif found:
        clause = windows_within(dialect, found, topics)
        # Without a table there is no key of which PostgreSQL knows that all else depends on it.
        key = ", ".join(f"w.{name}" for name in window_columns(topics))
        sql = f"{clause.sql} {facts_sql(dialect, topics, where, later=True, key=key)}"
        yield run(connection, sql, [*clause.parameters, *chosen.parameters])


def _read_for(books: Rulebooks, plan: Plan, topics: int) -> tuple[tuple[str, ...], frozenset[str]]:
    """What a row's sums are sums of, and the organizations whose memberships count."""
    unused = topics - len(plan.topics)
    keys = (*(f"topic:{topic}" for topic in plan.topics), *("",) * unused, "training", "rsc")
    rule = plan.membership_rule
    return keys, _accepted(books, rule) if rule else frozenset()


@lru_cache(maxsize=256)
def _accepted(books: Rulebooks, membership_rule: str) -> frozenset[str]:
    return frozenset(books.accepted_organizations(membership_rule))


def _has_entries_after(connection: Connection, day: date) -> bool:
    """Whether a date to come is worth looking for: only if the as-of date lies in the past."""
    later = text("SELECT EXISTS (SELECT 1 FROM entry WHERE held_on > :day)")
    return bool(connection.scalar(later, {"day": day.isoformat()}))


def _triples(connection: Connection, chosen: Chosen | None) -> list[Triple]:
    where = f"WHERE id {chosen.sql}" if chosen else ""
    sql = f"SELECT DISTINCT association, category, starts_on FROM endorsement {where}"
    rows = run(connection, sql, chosen.parameters if chosen else ())
    return [(row[0], row[1], as_date(row[2])) for row in rows]


def facts_sql(dialect: str, topics: int, where: str, *, later: bool, key: str = "w.id") -> str:
    """The query, with ``topics`` sums of topics; ``where`` narrows it, as ``AND …``.

    With ``later`` it looks for entries after the as-of date; ``key`` are a window's columns.

    SQLite takes the tables in the order written (CROSS JOIN), so that rows come grouped by
    endorsement and need no sorting.
    """
    join = "string_agg" if dialect == "postgresql" else "group_concat"
    about = "".join(
        f"""
        (SELECT SUM(t.minutes) FROM entry_topic t WHERE t.person_id = en.person_id
            AND t.topic = w.topic{n}
            AND t.held_on BETWEEN w.starts_on AND w.counted_until),"""
        for n in range(topics)
    )
    next_entry = """(SELECT MIN(n.held_on) FROM entry n WHERE n.person_id = en.person_id
            AND n.held_on > w.counted_until
            AND n.held_on BETWEEN w.starts_on AND w.ends_on)"""
    return f"""
    SELECT en.id, w.id, en.person_id, p.email, p.name, en.ends_on, p.provides_rsc,
        (SELECT {join}(CAST(m.starts_on AS VARCHAR) || CAST(m.ends_on AS VARCHAR)
            || m.organization, ',') FROM membership m
            WHERE m.person_id = en.person_id AND m.ends_on >= w.memberships_from),
        (SELECT {join}(l.starts_on || '/' || COALESCE(CAST(l.ends_on AS VARCHAR), '9999-12-31'),
            ',') FROM leave l WHERE l.endorsement_id = en.id),
        (SELECT {join}(v.requirement, ',') FROM waiver v
            WHERE v.endorsement_id = en.id AND v.cycle_starts_on = w.starts_on),
        (SELECT r.extended_due_on FROM renewal r
            WHERE r.endorsement_id = en.id AND r.cycle_starts_on = w.starts_on),
        {next_entry if later else "NULL"},{about}
        SUM(e.minutes) FILTER (WHERE e.activity = 'training'),
        SUM(e.minutes) FILTER (WHERE s.rule IS NOT NULL AND e.activity = 'rsc')
    FROM endorsement en
    CROSS JOIN renewal_window w
    CROSS JOIN person p
    LEFT JOIN entry e ON e.person_id = en.person_id
        AND e.held_on BETWEEN w.starts_on AND w.counted_until
    LEFT JOIN provider_span s ON s.rule = w.provider_rule AND s.provider_id = e.provider_id
        AND e.held_on BETWEEN s.starts_on AND s.ends_on
    WHERE w.association = en.association AND w.category = en.category
        AND w.endorsed_on = en.starts_on AND p.id = en.person_id
        {where}
    GROUP BY en.id, {key}, p.id
    """


def stream(connection: Connection, sql: str) -> Iterator[Sequence[Sequence[Any]]]:
    """Rows, some at a time, as the driver gives them: a million Rows cost as much as judging.

    The cursor is the driver's own: SQLAlchemy's streaming result has read the first row ahead
    already. On PostgreSQL rows come as the server finds them, so that it works on while these
    are judged.
    """
    driver = connection.connection.driver_connection
    if isinstance(driver, PsycopgConnection):
        with driver.cursor() as cursor:
            rows = cursor.stream(sql, size=_FETCH)
            try:
                while batch := list(islice(rows, _FETCH)):
                    yield batch
            finally:
                # Broken off: to cancel the query would abort the whole transaction.
                deque(rows, maxlen=0)
    elif driver is not None:
        with closing(driver.cursor()) as cursor:
            cursor.execute(sql)
            while batch := cursor.fetchmany(_FETCH):
                yield batch


def _facts(
    row: Sequence[Any], window: Window, keys: Sequence[str], accepted: frozenset[str]
) -> Facts:
    # By position, in the order of the fields, and by the tuple's own constructor, which takes a
    # third of the time of the named one: this runs once an endorsement.
    (
        number,
        _,
        person,
        email,
        name,
        ends_on,
        provides,
        members,
        leaves,
        waived,
        due,
        later,
        *sums,
    ) = row
    return tuple.__new__(
        Facts,
        (
            number,
            person,
            email,
            name,
            window.endorsed_on,
            as_date(ends_on) if ends_on else None,
            bool(provides),
            {key: minutes for key, minutes in zip(keys, sums, strict=True) if minutes},
            _memberships(members, accepted),
            _spans(leaves) if leaves else (),
            tuple(waived.split(",")) if waived else (),
            as_date(due) if due else None,
            as_date(later) if later else None,
            None,
        ),
    )


# Most people's memberships run the same days, so that few texts are ever read.
@lru_cache(maxsize=4_096)
def _memberships(value: str | None, accepted: frozenset[str]) -> tuple[Span, ...]:
    """Those in an accepted organization of ``<first><last><organization>``, comma-separated."""
    return tuple(
        Span(date.fromisoformat(text[:10]), date.fromisoformat(text[10:20]))
        for text in (value.split(",") if value else ())
        if text[20:] in accepted
    )


@lru_cache(maxsize=4_096)
def _spans(value: str) -> tuple[Span, ...]:
    return tuple(
        Span(date.fromisoformat(text[:10]), date.fromisoformat(text[11:]))
        for text in value.split(",")
    )
