"""The pieces of work that are measured, each in a process: `-m tests.bench.work NAME URL`."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from tests.bench.applicants import fill_applicants
from tests.bench.measuring import report
from tests.bench.population import AS_OF, ASSOCIATION, fill
from tests.support.nights import evaluate_due
from tracker.db.engine import open_engine, reading, writing
from tracker.db.migrate import migrate
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.services.application_facts import judge_applications
from tracker.services.evaluation import judge_all
from tracker.services.rsc_providers import refresh_provider_spans

CONFIG = Path(__file__).parents[2] / "config"
NIGHT = datetime(2026, 10, 1, 12, tzinfo=UTC)

# The least that any program must do: each person's minutes, from the one table that grows. Left to
# itself SQLite takes the index on days, and then sorts, which takes six times as long.
LEAST = """
    SELECT e.person_id, SUM(CASE WHEN e.activity = 'training' THEN e.minutes END),
        SUM(CASE WHEN e.activity = 'rsc' THEN e.minutes END)
    FROM entry e {indexed} WHERE e.held_on BETWEEN '2026-01-01' AND '2026-10-01'
    GROUP BY e.person_id
"""

# What anyone would write by hand: the sums, grouped, over all tables that a renewal rests on.
BARE = """
    SELECT en.id, p.email, SUM(CASE WHEN e.activity = 'training' THEN e.minutes END),
        SUM(CASE WHEN e.activity = 'rsc' AND s.provider_id IS NOT NULL THEN e.minutes END),
        (SELECT SUM(t.minutes) FROM entry_topic t WHERE t.person_id = en.person_id
            AND t.topic = 'DEIA' AND t.held_on BETWEEN '2026-01-01' AND '2026-10-01'),
        (SELECT SUM(t.minutes) FROM entry_topic t WHERE t.person_id = en.person_id
            AND t.topic = 'RSC' AND t.held_on BETWEEN '2026-01-01' AND '2026-10-01'),
        (SELECT MAX(m.ends_on) FROM membership m WHERE m.person_id = en.person_id
            AND m.organization = 'NCIMHA' AND m.ends_on >= '2026-10-01'),
        (SELECT MAX(l.ends_on) FROM leave l WHERE l.endorsement_id = en.id),
        (SELECT COUNT(*) FROM waiver v WHERE v.endorsement_id = en.id),
        (SELECT MAX(r.extended_due_on) FROM renewal r WHERE r.endorsement_id = en.id)
    FROM endorsement en
    JOIN person p ON p.id = en.person_id
    LEFT JOIN entry e ON e.person_id = en.person_id
        AND e.held_on BETWEEN '2026-01-01' AND '2026-10-01'
    LEFT JOIN provider_span s ON s.rule = 'NCIMHA/ifs-rsc' AND s.provider_id = e.provider_id
        AND e.held_on BETWEEN s.starts_on AND s.ends_on
    GROUP BY en.id, p.id
"""


# The same for applicants: what counts, from every table that an application rests on.
BARE_APPLICANTS = """
    SELECT ap.id, p.email,
        (SELECT SUM(e.minutes) FROM entry e WHERE e.person_id = ap.person_id
            AND e.activity = 'training'),
        (SELECT SUM(e.minutes) FROM entry e CROSS JOIN provider_span s
            WHERE e.person_id = ap.person_id AND e.activity = 'rsc'
                AND s.rule = 'VAIMH/{rule}' AND s.provider_id = e.provider_id
                AND e.held_on BETWEEN s.starts_on AND s.ends_on),
        (SELECT MAX(d.awarded_on) FROM degree d WHERE d.person_id = ap.person_id),
        (SELECT SUM(w.families) FROM position w WHERE w.person_id = ap.person_id),
        (SELECT COUNT(r.received_at) FROM reference r WHERE r.application_id = ap.id),
        (SELECT COUNT(*) FROM attestation t WHERE t.application_id = ap.id),
        (SELECT MIN(x.taken_on) FROM exam_result x WHERE x.application_id = ap.id),
        (SELECT MAX(m.ends_on) FROM membership m WHERE m.person_id = ap.person_id)
    FROM application ap
    JOIN person p ON p.id = ap.person_id
"""


def least(engine: Engine, _: Rulebooks) -> int:
    """The floor: one GROUP BY over the entries alone."""
    return _fetch(engine, _least_sql(engine))


def _least_sql(engine: Engine) -> str:
    is_sqlite = engine.dialect.name == "sqlite"
    return LEAST.format(indexed="INDEXED BY entry_facts" if is_sqlite else "")


def bare(engine: Engine, _: Rulebooks) -> int:
    """The hand-written aggregate over all tables, fetched by the driver."""
    return _fetch(engine, BARE)


def bare_applicants(engine: Engine, rulebooks: Rulebooks) -> int:
    """The floor of applicants."""
    plan = rulebooks.application_plan("VAIMH", "IMHS", AS_OF)
    rule = str(plan.provider_rule).partition("/")[2]
    return _fetch(engine, BARE_APPLICANTS.format(rule=rule))


def _fetch(engine: Engine, sql: str) -> int:
    done = 0
    with reading(engine) as session:
        named = {"name": "bare"} if engine.dialect.name == "postgresql" else {}
        cursor = session.connection().connection.cursor(**named)
        cursor.execute(sql)
        while rows := cursor.fetchmany(2_000):
            done += len(rows)
    return done


def explain(url: str) -> str:
    """How the database reads the entries for the floor, in its own words."""
    engine = open_engine(url)
    command = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with reading(engine) as session:
        rows = session.connection().exec_driver_sql(f"{command} {_least_sql(engine)}").all()
    engine.dispose()
    steps = [str(row[-1]).partition("(cost")[0].strip(" ->") for row in rows]
    return "; ".join(step for step in steps if "SCAN" in step.upper() or "SEARCH" in step)


def evaluate(engine: Engine, rulebooks: Rulebooks) -> int:
    """The whole evaluation: facts and judgment, every renewal."""
    with reading(engine) as session:
        return sum(1 for _ in judge_all(session, rulebooks, lambda _: AS_OF))


def readiness(engine: Engine, rulebooks: Rulebooks) -> int:
    """Every application, judged."""
    with reading(engine) as session:
        return sum(1 for _ in judge_applications(session, rulebooks, lambda _: AS_OF))


def night(engine: Engine, rulebooks: Rulebooks) -> int:
    """A night: whatever is due is judged and stored."""
    with writing(engine) as session:
        # A night that follows another, unless nothing was judged yet.
        judged = session.scalar(text("SELECT EXISTS (SELECT 1 FROM standing)"))
        last = NIGHT.date() if judged else None
        return evaluate_due(session, rulebooks, ASSOCIATION, NIGHT, since=last)


def touch(engine: Engine, _: Rulebooks) -> int:
    """Make one endorsement in a hundred due again, of all days of endorsement alike."""
    due = (
        "UPDATE standing SET recheck_on = '2026-10-01' WHERE (endorsement_id * 7919) % 10007 < 100"
    )
    with writing(engine) as session:
        return session.connection().execute(text(due)).rowcount


def fill_database(url: str, endorsees: int, *, short: bool) -> int:
    """Make the schema and the people in an empty database."""
    migrate(url)
    fill(open_engine(url), endorsees, second_half_of_hours=not short)
    return endorsees


def fill_applicants_database(url: str, applicants: int) -> int:
    """Make the schema, the applicants and the days on which their providers qualify."""
    migrate(url)
    engine, rulebooks = open_engine(url), load_rulebooks(CONFIG)
    asked = rulebooks.associations["VAIMH"].requirements_of("IMHS", "application")
    confirmed = {key for r in asked if r.work for key in r.work.statements}
    fill_applicants(engine, applicants, ";".join(sorted(confirmed)))
    with writing(engine) as session:
        refresh_provider_spans(session, rulebooks)
    return applicants


WORK: dict[str, Callable[[Engine, Rulebooks], int]] = {
    "least": least,
    "bare": bare,
    "evaluate": evaluate,
    "night": night,
    "bare-applicants": bare_applicants,
    "readiness": readiness,
    "touch": touch,
}
FILL: dict[str, Callable[[str, int], int]] = {
    "fill-applicants": fill_applicants_database,
    "fill": lambda url, endorsees: fill_database(url, endorsees, short=False),
    "fill-short": lambda url, endorsees: fill_database(url, endorsees, short=True),
}


def main(name: str, url: str, *size: str) -> None:
    """Do one piece of work; the rules are read, and the program loaded, before it is timed."""
    if name in FILL:
        report(lambda: FILL[name](url, int(size[0])))
        return
    engine, rulebooks = open_engine(url), load_rulebooks(CONFIG)
    report(lambda: WORK[name](engine, rulebooks), url)


if __name__ == "__main__":
    main(*sys.argv[1:])
