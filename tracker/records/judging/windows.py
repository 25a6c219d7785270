"""The windows of an evaluation where the database can join them: in a table, or in the query."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, text

from tracker.records.store.quick import Chosen
from tracker.rules.plan import Plan


@dataclass(frozen=True, slots=True)
class Window:
    """The renewals of one plan: ``as_of`` is the last day whose entries count."""

    plan: Plan
    endorsed_on: date
    as_of: date


def make_id_table(connection: Connection, name: str, ids: Iterable[int]) -> None:
    """Make the temporary table ``name`` anew, with one ``id`` a row."""
    connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
    connection.execute(text(f"CREATE TEMPORARY TABLE {name} (id INTEGER PRIMARY KEY)"))
    _fill(connection, name, [(i,) for i in ids])
    _analyze(connection, name)


def store_windows(connection: Connection, windows: Sequence[Window], topics: int) -> None:
    """Put the windows into the temporary table ``renewal_window``, each with its place in them."""
    columns = [*_WINDOW_COLUMNS, *(f"{name} VARCHAR" for name in _topic_names(topics))]
    connection.execute(text("DROP TABLE IF EXISTS renewal_window"))
    connection.execute(text(f"CREATE TEMPORARY TABLE renewal_window ({', '.join(columns)})"))
    connection.execute(text(_WINDOW_INDEX))
    rows = [_window_row(number, window, topics) for number, window in enumerate(windows)]
    _fill(connection, "renewal_window", rows)
    _analyze(connection, "renewal_window")


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


def _analyze(connection: Connection, table: str) -> None:
    """Tell PostgreSQL's planner how few rows there are: it guesses thousands, and reads all."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ANALYZE {table}"))


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


def _fill(connection: Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert thousands of short rows, in the driver's own words: to name each value costs more."""
    if rows:
        mark = "%s" if connection.dialect.name == "postgresql" else "?"
        marks = ", ".join([mark] * len(rows[0]))
        connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", list(rows))


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
