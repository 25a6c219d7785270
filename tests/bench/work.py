"""The pieces of work that are measured, each in a process: `-m tests.bench.work NAME URL`."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import text

from tests.bench.applicants import fill_applicants
from tests.bench.measuring import report
from tests.bench.population import AS_OF, ASSOCIATION, fill
from tracker.db.engine import migrate, open_engine, reading, writing
from tracker.rulebooks import load_rulebooks
from tracker.services.application_facts import judge_applications
from tracker.services.evaluation import evaluate_due, judge_all
from tracker.services.rsc_providers import refresh_provider_spans

CONFIG = Path(__file__).parents[2] / "config"
NIGHT = datetime(2026, 10, 1, 12, tzinfo=UTC)

# What anyone would write by hand: the sums, grouped, over the same tables and indexes.
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


def bare(url: str) -> int:
    """The floor: the aggregate alone, fetched by the driver."""
    return _fetch(url, BARE)


def bare_applicants(url: str) -> int:
    """The floor of applicants."""
    plan = load_rulebooks(CONFIG).application_plan("VAIMH", "IMHS", AS_OF)
    rule = str(plan.provider_rule).partition("/")[2]
    return _fetch(url, BARE_APPLICANTS.format(rule=rule))


def _fetch(url: str, sql: str) -> int:
    engine = open_engine(url)
    done = 0
    with reading(engine) as session:
        named = {"name": "bare"} if engine.dialect.name == "postgresql" else {}
        cursor = session.connection().connection.cursor(**named)
        cursor.execute(sql)
        while rows := cursor.fetchmany(2_000):
            done += len(rows)
    return done


def evaluate(url: str) -> int:
    """The whole evaluation: facts and judgment, every renewal."""
    engine, rulebooks = open_engine(url), load_rulebooks(CONFIG)

    def day_of(_: str) -> date:
        return AS_OF

    with reading(engine) as session:
        return sum(1 for _ in judge_all(session, rulebooks, day_of))


def readiness(url: str) -> int:
    """Every application, judged."""
    engine, rulebooks = open_engine(url), load_rulebooks(CONFIG)

    def day_of(_: str) -> date:
        return AS_OF

    with reading(engine) as session:
        return sum(1 for _ in judge_applications(session, rulebooks, day_of))


def night(url: str) -> int:
    """A night: whatever is due is judged and stored."""
    engine, rulebooks = open_engine(url), load_rulebooks(CONFIG)
    with writing(engine) as session:
        # A night that follows another, unless nothing was judged yet.
        judged = session.scalar(text("SELECT EXISTS (SELECT 1 FROM standing)"))
        last = NIGHT.date() if judged else None
        return evaluate_due(session, rulebooks, ASSOCIATION, NIGHT, since=last)


def touch(url: str) -> int:
    """Make one endorsement in a hundred due again, of every day of endorsement alike."""
    with writing(open_engine(url)) as session:
        return (
            session.connection()
            .execute(
                text(
                    "UPDATE standing SET recheck_on = '2026-10-01' "
                    "WHERE (endorsement_id / 25) % 100 = 7"
                )
            )
            .rowcount
        )


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


WORK: dict[str, Callable[[str], int]] = {
    "bare": bare,
    "evaluate": evaluate,
    "night": night,
    "bare-applicants": bare_applicants,
    "readiness": readiness,
    "fill-applicants": lambda url: fill_applicants_database(url, int(sys.argv[3])),
    "touch": touch,
    "fill": lambda url: fill_database(url, int(sys.argv[3]), short=False),
    "fill-short": lambda url: fill_database(url, int(sys.argv[3]), short=True),
}

if __name__ == "__main__":
    report(lambda: WORK[sys.argv[1]](sys.argv[2]))
