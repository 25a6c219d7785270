"""The facts of every application, by one set-based query, streamed.

A temporary table says of each application which plan it has and up to which day its facts
count; lists (degrees, positions, sessions, references) come as JSON made by the database.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, text
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.statements import as_date
from tracker.db.statements import as_date as _day
from tracker.rulebooks import Rulebooks
from tracker.rules.application.candidate import (
    Candidate,
    CandidateDegree,
    CandidatePosition,
    CandidateReference,
    CandidateSession,
)
from tracker.rules.application.readiness import judge_application
from tracker.rules.plan import ApplicationPlan
from tracker.rules.standing import ApplicationFacts, ApplicationStanding, Span
from tracker.services.facts import stream

# The as-of date and the plan of one application.
Asked = tuple[ApplicationPlan, date]


def read_candidates(
    session: Session, rulebooks: Rulebooks, asked: Mapping[int, Asked]
) -> Iterator[tuple[ApplicationPlan, ApplicationFacts, date]]:
    """Stream the facts of the applications ``asked`` for, by application id, in any order."""
    _store_asked(session, asked)
    accepted = {plan.membership_rule: _accepted(rulebooks, plan) for plan, _ in asked.values()}
    for rows in stream(session, candidates_sql(session.connection().dialect.name)):
        for row in rows:
            plan, as_of = asked[row[0]]
            zone = rulebooks.associations[plan.association].time_zone
            yield plan, _facts(row, accepted[plan.membership_rule], as_of, zone), as_of


def _accepted(rulebooks: Rulebooks, plan: ApplicationPlan) -> frozenset[str]:
    rule = plan.membership_rule
    return frozenset(rulebooks.accepted_organizations(rule)) if rule else frozenset()


def _store_asked(session: Session, asked: Mapping[int, Asked]) -> None:
    session.connection().execute(text("DROP TABLE IF EXISTS asked"))
    session.connection().execute(
        text(
            "CREATE TEMPORARY TABLE asked (id INTEGER PRIMARY KEY, as_of DATE, "
            "provider_rule VARCHAR, rsc_topic VARCHAR)"
        )
    )
    rows = [
        {
            "id": number,
            "as_of": as_of.isoformat(),
            "rule": plan.provider_rule,
            "topic": next(
                (a.topic for a in plan.requirements if a.counts == "rsc" and a.topic), None
            ),
        }
        for number, (plan, as_of) in asked.items()
    ]
    if rows:
        session.connection().execute(
            text("INSERT INTO asked VALUES (:id, :as_of, :rule, :topic)"), rows
        )
    if session.connection().dialect.name == "postgresql":
        session.connection().execute(text("ANALYZE asked"))


def candidates_sql(dialect: str) -> str:
    """The query: a row an application of the temporary table ``asked``.

    SQLite takes a person's entries before the providers' spans because of the CROSS JOIN.
    """
    a_list, a_row, join = (
        ("json_agg", "json_build_array", "string_agg")
        if dialect == "postgresql"
        else ("json_group_array", "json_array", "group_concat")
    )
    still = (
        "COALESCE({}.ends_on, DATE '9999-12-31')"
        if dialect == "postgresql"
        else ("COALESCE({}.ends_on, '9999-12-31')")
    )
    return f"""
    SELECT ap.id, ap.person_id, p.email, p.name, p.provides_rsc,
        CASE WHEN ap.decided_on <= a.as_of THEN ap.state
            WHEN ap.submitted_on <= a.as_of THEN 'submitted' ELSE 'open' END,
        ap.opened_on, CASE WHEN ap.submitted_on <= a.as_of THEN ap.submitted_on END,
        (SELECT SUM(e.minutes) FROM entry e WHERE e.person_id = ap.person_id
            AND e.held_on <= a.as_of AND e.activity = 'training'),
        (SELECT {a_list}({a_row}(x.topic, x.minutes)) FROM (
            SELECT t.topic AS topic, SUM(t.minutes) AS minutes FROM entry_topic t
            JOIN entry te ON te.id = t.entry_id AND te.activity = 'training'
            WHERE t.person_id = ap.person_id AND t.held_on <= a.as_of GROUP BY t.topic) x),
        (SELECT {a_list}({a_row}(m.starts_on, m.ends_on, m.organization)) FROM membership m
            WHERE m.person_id = ap.person_id),
        (SELECT {a_list}({a_row}(e.held_on, e.title, e.minutes,
            (SELECT SUM(t.minutes) FROM entry_topic t
                WHERE t.entry_id = e.id AND t.topic = a.rsc_topic)))
            FROM entry e CROSS JOIN provider_span s
            WHERE e.person_id = ap.person_id AND e.activity = 'rsc' AND e.held_on <= a.as_of
                AND s.rule = a.provider_rule AND s.provider_id = e.provider_id
                AND e.held_on BETWEEN s.starts_on AND s.ends_on),
        a.rsc_topic,
        (SELECT {a_list}({a_row}(d.level, d.title, d.awarded_on, d.transcript)) FROM degree d
            WHERE d.person_id = ap.person_id AND d.awarded_on <= a.as_of),
        (SELECT {a_list}({a_row}(w.title, w.pay, w.services, w.ages, w.families, w.supervised,
            w.trained, w.gives_rsc, w.statements, w.starts_on, w.ends_on,
            (SELECT {join}(en.category, ';') FROM endorsement en
                WHERE en.person_id = w.supervisor_id
                AND en.starts_on <= COALESCE(w.ends_on, a.as_of)
                AND {still.format("en")} >= w.starts_on)))
            FROM position w WHERE w.person_id = ap.person_id AND w.starts_on <= a.as_of),
        (SELECT {a_list}({a_row}(r.name, r.role, r.received_at, r.role_confirmed, r.endorsed_as,
            r.vetted,
            (SELECT {join}(en.category || '/' || en.starts_on || '/' || {still.format("en")}, ';')
                FROM person rp JOIN endorsement en ON en.person_id = rp.id
                WHERE rp.email = r.email),
            (SELECT {join}('/' || v.starts_on || '/' || {still.format("v")}, ';')
                FROM person rp JOIN vetting v ON v.person_id = rp.id
                WHERE rp.email = r.email AND v.association = ap.association)))
            FROM reference r WHERE r.application_id = ap.id AND r.declined_at IS NULL),
        (SELECT {join}(t.what, ';') FROM attestation t
            WHERE t.application_id = ap.id AND t.signed_on <= a.as_of),
        (SELECT MIN(x.taken_on) FROM exam_result x
            WHERE x.application_id = ap.id AND x.passed AND x.taken_on <= a.as_of)
    FROM asked a
    JOIN application ap ON ap.id = a.id
    JOIN person p ON p.id = ap.person_id
    """


def _facts(
    row: Sequence[Any], accepted: frozenset[str], as_of: date, zone: str
) -> ApplicationFacts:
    (number, person, email, name, provides, state, opened_on, submitted_on) = row[:8]
    (training, topics, members, sessions, topic, degrees, work, references, signed, passed) = row[
        8:
    ]
    minutes = {f"topic:{topic}": total for topic, total in _list(topics)}
    if training:
        minutes["training"] = training
    candidate = Candidate(
        state,
        _day(opened_on),
        _day(submitted_on) if submitted_on else None,
        tuple(CandidateDegree(d[0], d[1], _day(d[2]), d[3]) for d in _list(degrees)),
        tuple(_position(w) for w in _list(work)),
        tuple(_session(s, topic) for s in _list(sessions)),
        tuple(_reference(r, as_of, zone) for r in _list(references)),
        _words(signed),
        _day(passed) if passed else None,
    )
    memberships = tuple(
        Span(_day(first), _day(last)) for first, last, where in _list(members) if where in accepted
    )
    return ApplicationFacts(
        subject_id=number,
        person_id=person,
        email=email,
        name=name,
        provides_rsc=bool(provides),
        minutes=minutes,
        memberships=memberships,
        candidate=candidate,
    )


def _list(value: str | list[Any] | None) -> list[Any]:
    """A list that PostgreSQL's driver has read already, and SQLite gives as text."""
    return json.loads(value) if isinstance(value, str) else value or []


def _words(value: str | None) -> frozenset[str]:
    return frozenset(word.strip() for word in (value or "").split(";") if word.strip())


def _session(row: Sequence[Any], topic: str | None) -> CandidateSession:
    return CandidateSession(
        _day(row[0]), row[1], row[2], {topic: row[3]} if topic and row[3] else {}
    )


def _position(row: Sequence[Any]) -> CandidatePosition:
    return CandidatePosition(
        row[0],
        row[1],
        _words(row[2]),
        row[3],
        row[4],
        bool(row[5]),
        bool(row[6]),
        bool(row[7]),
        _words(row[8]),
        _day(row[9]),
        _day(row[10]) if row[10] else None,
        _words(row[11]),
    )


def _reference(row: Sequence[Any], as_of: date, zone: str) -> CandidateReference:
    name, role, received_at, in_role, claimed, vetted, held, vettings = row
    day = _local(received_at, zone) if received_at else None
    if day is None or day > as_of:
        return CandidateReference(name, role, None)
    holds = {claimed, *_held_on(day, held)} - {None}
    by_record = bool(_held_on(day, vettings))
    return CandidateReference(
        name, role, day, frozenset(holds), bool(vetted) or by_record, in_role not in (False, 0)
    )


# References come in, and are read again, by the thousand; few of their texts are distinct.
@lru_cache(maxsize=4_096)
def _local(instant: str, zone: str) -> date:
    """The legal day of an instant as JSON has it: SQLite's without the zone, which is UTC."""
    read = datetime.fromisoformat(instant)
    return local_day(read.replace(tzinfo=read.tzinfo or UTC), zone)


def _held_on(day: date, held: str | None) -> set[str]:
    """The categories held on ``day``, of ``<category>/<first day>/<last day>;…``."""
    spans = [one.rsplit("/", 2) for one in held.split(";")] if held else []
    return {category for category, first, last in spans if _day(first) <= day <= _day(last)}


def judge_applications(
    session: Session,
    rulebooks: Rulebooks,
    day_of: Callable[[str], date],
    *,
    association: str | None = None,
    only: str | None = None,
) -> Iterator[ApplicationStanding]:
    """Stream the standings of all applications that were not decided yet, in any order.

    ``day_of`` gives each association's as-of date, ``only`` a temporary table of applications.
    The rules are those of that date, or of the day on which the application was submitted.
    """
    names = [name for name in rulebooks.associations if association in (None, name)]
    asked = {}
    for row in _applications(session, names, min(map(day_of, names), default=date.max), only):
        as_of = day_of(row.association)
        if row.decided_on is None or as_of < row.decided_on:
            rules_on = min(row.submitted_on or as_of, as_of)
            plan = rulebooks.application_plan(row.association, row.category, rules_on)
            asked[row.id] = (plan, as_of)
    for plan, facts, as_of in read_candidates(session, rulebooks, asked):
        standing = judge_application(plan, facts, as_of)
        if standing is not None:
            yield standing


class _Row(NamedTuple):
    id: int
    association: str
    category: str
    submitted_on: date | None
    decided_on: date | None


def _applications(
    session: Session, associations: Sequence[str], earliest: date, only: str | None
) -> list[_Row]:
    """Those of the associations that are undecided now, or were decided after ``earliest``."""
    where = f"AND id IN (SELECT id FROM {only})" if only else ""
    rows = session.connection().execute(
        text(
            "SELECT id, association, category, submitted_on, decided_on FROM application "
            "WHERE association IN :associations "
            f"AND (decided_on IS NULL OR decided_on > :earliest) {where} ORDER BY id"
        ).bindparams(bindparam("associations", expanding=True)),
        {"associations": associations, "earliest": earliest.isoformat()},
    )
    return [_Row(*row[:3], *(as_date(day) if day else None for day in row[3:])) for row in rows]
