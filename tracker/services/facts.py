"""The windows of an evaluation where the database can join them: in a table, or in the query."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any

from psycopg import Connection as PsycopgConnection
from sqlalchemy import text
from sqlmodel import Session

from tracker.db.statements import Chosen, Row, among, as_date, in_table, run
from tracker.rulebooks import Rulebooks
from tracker.rules.plan import RenewalPlan
from tracker.rules.standing import Facts, Span


@dataclass(frozen=True, slots=True)
class Window:
    """The renewals of one plan: ``as_of`` is the last day whose entries count."""

    plan: RenewalPlan
    endorsed_on: date
    as_of: date


def make_id_table(session: Session, name: str, ids: Iterable[int]) -> None:
    """Make the temporary table ``name`` anew, with one ``id`` a row."""
    session.connection().execute(text(f"DROP TABLE IF EXISTS {name}"))
    session.connection().execute(text(f"CREATE TEMPORARY TABLE {name} (id INTEGER PRIMARY KEY)"))
    _fill(session, name, [(i,) for i in ids])
    _analyze(session, name)


def store_windows(session: Session, windows: Sequence[Window], topics: int) -> None:
    """Put the windows into the temporary table ``renewal_window``, each with its place in them."""
    columns = [*_WINDOW_COLUMNS, *(f"{name} VARCHAR" for name in _topic_names(topics))]
    session.connection().execute(text("DROP TABLE IF EXISTS renewal_window"))
    session.connection().execute(
        text(f"CREATE TEMPORARY TABLE renewal_window ({', '.join(columns)})")
    )
    session.connection().execute(text(_WINDOW_INDEX))
    rows = [_window_row(number, window, topics) for number, window in enumerate(windows)]
    _fill(session, "renewal_window", rows)
    _analyze(session, "renewal_window")


def windows_within(dialect: str, windows: Sequence[Window], topics: int) -> Chosen:
    """The same as a WITH clause: for a few, a table costs more than all the rest.

    SQLite gets one row of marks a window (some more, empty, so that there are few different
    statements), PostgreSQL one array a column.
    """
    rows = [_window_row(number, window, topics) for number, window in enumerate(windows)]
    names = window_columns(topics)
    if dialect == "postgresql":
        kinds = ("integer", *("varchar",) * 2, *("date",) * 5, *("varchar",) * (1 + topics))
        arrays = ", ".join(f"?::{kind}[]" for kind in kinds)
        body = f"SELECT * FROM unnest({arrays})"
        values: list[object] = [list(column) for column in zip(*rows, strict=True)]
        values = values or [[] for _ in kinds]
    else:
        rows += [(None,) * len(names)] * (_round_up(len(rows)) - len(rows))
        row = f"({', '.join('?' * len(names))})"
        body = f"VALUES {', '.join([row] * len(rows))}"
        values = [value for row in rows for value in row]
    return Chosen(f"WITH renewal_window ({', '.join(names)}) AS ({body})", tuple(values))


def window_columns(topics: int) -> list[str]:
    """The names of a window's columns, with so many topics."""
    return [*(column.split()[0] for column in _WINDOW_COLUMNS), *_topic_names(topics)]


def _round_up(count: int) -> int:
    """The next power of two, at least one."""
    return 1 << max(count - 1, 0).bit_length()


def _topic_names(topics: int) -> list[str]:
    return [f"topic{n}" for n in range(topics)]


def _analyze(session: Session, table: str) -> None:
    """Tell PostgreSQL's planner how few rows there are: it guesses thousands, and reads all."""
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(text(f"ANALYZE {table}"))


def _window_row(number: int, window: Window, topics: int) -> tuple[object, ...]:
    """The values of `_WINDOW_COLUMNS`, and as many topics."""
    plan, cycle = window.plan, window.plan.cycle
    # Without rules there is no cycle, and no day whose entries count.
    starts_on = cycle.starts_on if cycle else date.max
    ends_on = cycle.ends_on if cycle else date.min
    # A membership that ended on the eve of the cycle has just lapsed, which is news. Before the
    # cycle begins, the as-of date's own membership is looked at.
    memberships_from = min(starts_on, window.as_of) - timedelta(days=1)
    return (
        number,
        plan.association,
        plan.category,
        window.endorsed_on.isoformat(),
        starts_on.isoformat(),
        min(ends_on, window.as_of).isoformat(),
        ends_on.isoformat(),
        memberships_from.isoformat(),
        plan.provider_rule,
        *plan.topics,
        *[None] * (topics - len(plan.topics)),
    )


def _fill(session: Session, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert thousands of short rows, in the driver's own words: to name each value costs more."""
    if rows:
        mark = "%s" if session.connection().dialect.name == "postgresql" else "?"
        marks = ", ".join([mark] * len(rows[0]))
        session.connection().exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", list(rows))


_WINDOW_COLUMNS = (
    "id INTEGER PRIMARY KEY",
    "association VARCHAR",
    "category VARCHAR",
    "endorsed_on DATE",
    "starts_on DATE",
    "counted_until DATE",
    "ends_on DATE",
    "memberships_from DATE",
    "provider_rule VARCHAR",
)
_WINDOW_INDEX = (
    "CREATE INDEX renewal_window_key ON renewal_window (association, category, endorsed_on)"
)


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
    session: Session,
    rulebooks: Rulebooks,
    windows: Windows,
    *,
    only: str | Few | None = None,
) -> Iterator[tuple[Window, Facts]]:
    """Stream the facts, in rising order of endorsement on SQLite, in any on PostgreSQL.

    ``only`` names a temporary table whose ``id`` column lists the endorsements wanted, or is
    those themselves, where they are few and known: then no table is made.
    """
    chosen = _chosen(session, only)
    triples = set(only.values()) if isinstance(only, Mapping) else _triples(session, chosen)
    found = [w for triple in triples for w in windows(rulebooks, triple)]
    topics = max((len(window.plan.topics) for window in found), default=0)
    read = [(window, *_read_for(rulebooks, window.plan, topics)) for window in found]
    for rows in _rows(session, found, topics, only, chosen):
        for row in rows:
            window, keys, accepted = read[row[1]]
            yield window, _facts(row, window, keys, accepted)


def _chosen(session: Session, only: str | Few | None) -> Chosen | None:
    if only is None:
        return None
    return in_table(only) if isinstance(only, str) else among(session, only)


def _rows(
    session: Session,
    found: Sequence[Window],
    topics: int,
    only: str | Few | None,
    chosen: Chosen | None,
) -> Iterator[Sequence[Row]]:
    dialect = session.connection().dialect.name
    where = f"AND en.id {chosen.sql}" if chosen else ""
    if chosen is None or isinstance(only, str):
        store_windows(session, found, topics)
        later = _has_entries_after(session, min((w.as_of for w in found), default=date.max))
        yield from stream(session, facts_sql(dialect, topics, where, later=later))
    elif found:
        clause = windows_within(dialect, found, topics)
        # Without a table there is no key of which PostgreSQL knows that all else depends on it.
        key = ", ".join(f"w.{name}" for name in window_columns(topics))
        sql = f"{clause.sql} {facts_sql(dialect, topics, where, later=True, key=key)}"
        yield run(session, sql, [*clause.parameters, *chosen.parameters])


def _read_for(
    rulebooks: Rulebooks, plan: RenewalPlan, topics: int
) -> tuple[tuple[str, ...], frozenset[str]]:
    """What a row's sums are sums of, and the organizations whose memberships count."""
    unused = topics - len(plan.topics)
    keys = (*(f"topic:{topic}" for topic in plan.topics), *("",) * unused, "training", "rsc")
    rule = plan.membership_rule
    return keys, _accepted(rulebooks, rule) if rule else frozenset()


@lru_cache(maxsize=256)
def _accepted(rulebooks: Rulebooks, membership_rule: str) -> frozenset[str]:
    return frozenset(rulebooks.accepted_organizations(membership_rule))


def _has_entries_after(session: Session, day: date) -> bool:
    """Whether a date to come is worth looking for: only if the as-of date lies in the past."""
    later = text("SELECT EXISTS (SELECT 1 FROM entry WHERE held_on > :day)")
    return bool(session.scalar(later, {"day": day.isoformat()}))


def _triples(session: Session, chosen: Chosen | None) -> list[Triple]:
    where = f"WHERE id {chosen.sql}" if chosen else ""
    sql = f"SELECT DISTINCT association, category, starts_on FROM endorsement {where}"
    rows = run(session, sql, chosen.parameters if chosen else ())
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


def stream(session: Session, sql: str) -> Iterator[Sequence[Sequence[Any]]]:
    """Rows, some at a time, as the driver gives them: a million Rows cost as much as judging.

    The cursor is the driver's own: SQLAlchemy's streaming result has read the first row ahead
    already. On PostgreSQL rows come as the server finds them, so that it works on while these
    are judged.
    """
    driver = session.connection().connection.driver_connection
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
