"""Reads the facts of applications, by one query, and judges them.

The query is written by hand, and its rows are read by position, as in `tracker.services.facts`.
Lists (degrees, positions, sessions, references) come as JSON that the database makes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from sqlmodel import Session, col, or_, select

from tracker.clock import local_day
from tracker.db.applications import Application
from tracker.db.engine import is_postgresql
from tracker.db.statements import in_chunks, with_values
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
from tracker.services.facts import (
    as_date,
    counted_sql,
    last_day_sql,
    list_accepted_memberships,
)
from tracker.services.reinstatement_facts import PlannedApplication, read_returns

_BATCH = 1_000


def judge_applications(
    session: Session,
    rulebooks: Rulebooks,
    day_of: Callable[[str], date],
    *,
    association: str | None = None,
    application_ids: Iterable[int] | None = None,
) -> Iterator[ApplicationStanding]:
    """Stream the standings of all applications that were not decided yet, in any order.

    ``day_of`` gives each association's as-of day; ``application_ids`` narrows it to these. The
    rules are those of that day, or of the day on which the application was submitted.
    """
    names = [name for name in rulebooks.associations if association in (None, name)]
    applications = _list_applications(session, names, day_of, application_ids)
    planned = _plan_applications(rulebooks, applications, day_of)
    for planned_batch in in_chunks(planned, _BATCH):
        for plan, facts, as_of in _read_complete(session, rulebooks, planned_batch):
            standing = judge_application(plan, facts, as_of)
            if standing is not None:
                yield standing


def _plan_applications(
    rulebooks: Rulebooks, applications: Iterable[Application], day_of: Callable[[str], date]
) -> Iterator[PlannedApplication]:
    """Yield the plans of the applications that are undecided on their as-of day."""
    for application in applications:
        as_of = day_of(application.association)
        if application.decided_on is None or as_of < application.decided_on:
            rules_on = min(application.submitted_on or as_of, as_of)
            named = (application.association, application.category)
            plan = rulebooks.application_plan(*named, rules_on, application.plan_purpose)
            yield PlannedApplication(application.id or 0, plan, as_of)


def _list_applications(
    session: Session,
    associations: Sequence[str],
    day_of: Callable[[str], date],
    application_ids: Iterable[int] | None,
) -> list[Application]:
    """Return applications without a decision, or with one after the earliest as-of day."""
    earliest = min(map(day_of, associations), default=date.max)
    query = select(Application).where(
        col(Application.association).in_(associations),
        or_(col(Application.decided_on).is_(None), col(Application.decided_on) > earliest),
    )
    if application_ids is None:
        return list(session.exec(query))
    applications: list[Application] = []
    for ids in in_chunks(sorted(application_ids), _BATCH):
        applications += session.exec(query.where(col(Application.id).in_(ids)))
    return applications


def _read_complete(
    session: Session, rulebooks: Rulebooks, planned: Sequence[PlannedApplication]
) -> Iterator[tuple[ApplicationPlan, ApplicationFacts, date]]:
    """Yield the facts of applications, and those that only reinstatements have."""
    asked_back = [each for each in planned if each.plan.purpose == "reinstatement"]
    returns = read_returns(session, asked_back) if asked_back else None
    for plan, facts, as_of in _read_facts(session, rulebooks, planned):
        yield plan, returns.complete(facts, as_of) if returns else facts, as_of


def _read_facts(
    session: Session, rulebooks: Rulebooks, planned: Sequence[PlannedApplication]
) -> Iterator[tuple[ApplicationPlan, ApplicationFacts, date]]:
    columns = {
        "id": "integer",
        "application_id": "integer",
        "as_of": "date",
        "provider_rule": "varchar",
        "rsc_topic": "varchar",
    }
    rows = []
    for number, (application_id, plan, as_of) in enumerate(planned):
        topics = [r.topic for r in plan.requirements if r.counts == "rsc" and r.topic]
        topic = topics[0] if topics else None
        rows.append((number, application_id, as_of.isoformat(), plan.provider_rule, topic))
    clause, parameters = with_values(session, "wanted", columns, rows)
    sql = f"WITH {clause} {applications_sql(for_postgresql=is_postgresql(session))}"
    for row in session.connection().exec_driver_sql(sql, parameters).all():
        _, plan, as_of = planned[row[0]]
        zone = rulebooks.associations[plan.association].time_zone
        accepted = list_accepted_memberships(rulebooks, plan.membership_rule)
        yield plan, _facts(row[1:], accepted, as_of, zone), as_of


def applications_sql(*, for_postgresql: bool) -> str:
    """Return the query over the applications of the table ``wanted``."""
    json_list, json_row, join = "json_group_array", "json_array", "group_concat"
    forever = "'9999-12-31'"
    if for_postgresql:
        json_list, json_row, join = "json_agg", "json_build_array", "string_agg"
        forever = "DATE '9999-12-31'"
    paid_until, endorsed_until, vetted_until = (
        f"COALESCE(m.ends_on, {forever})",
        f"COALESCE({last_day_sql('en')}, {forever})",
        f"COALESCE(v.ends_on, {forever})",
    )
    counts = counted_sql("e.id", "ap.association")
    # SQLite takes a person's entries before the providers' spans because of the CROSS JOIN.
    return f"""
    SELECT w.id, ap.id, ap.person_id, p.email, p.name, p.provides_rsc,
        CASE WHEN ap.decided_on <= w.as_of THEN ap.state
            WHEN ap.submitted_on <= w.as_of THEN 'submitted' ELSE 'open' END,
        ap.opened_on, CASE WHEN ap.submitted_on <= w.as_of THEN ap.submitted_on END,
        (SELECT SUM(e.minutes) FROM entry e WHERE e.person_id = ap.person_id
            AND e.held_on <= w.as_of AND e.activity = 'training' {counts}),
        (SELECT {json_list}({json_row}(x.topic, x.minutes)) FROM (
            SELECT t.topic AS topic, SUM(t.minutes) AS minutes FROM entry_topic t
            JOIN entry e ON e.id = t.entry_id AND e.activity = 'training' {counts}
            WHERE t.person_id = ap.person_id AND t.held_on <= w.as_of GROUP BY t.topic) x),
        (SELECT {json_list}({json_row}(m.starts_on, {paid_until},
            m.organization || '|' || m.kind))
            FROM membership m WHERE m.person_id = ap.person_id),
        (SELECT {json_list}({json_row}(e.held_on, e.title, e.minutes,
            (SELECT SUM(t.minutes) FROM entry_topic t
                WHERE t.entry_id = e.id AND t.topic = w.rsc_topic)))
            FROM entry e CROSS JOIN provider_span s
            WHERE e.person_id = ap.person_id AND e.activity = 'rsc' AND e.held_on <= w.as_of
                {counts} AND s.rule = w.provider_rule AND s.provider_id = e.provider_id
                AND e.held_on BETWEEN s.starts_on AND s.ends_on),
        w.rsc_topic,
        (SELECT {json_list}({json_row}(d.level, d.title, d.awarded_on, d.transcript)) FROM degree d
            WHERE d.person_id = ap.person_id AND d.awarded_on <= w.as_of),
        (SELECT {json_list}({json_row}(ps.title, ps.employer, ps.pay, ps.services, ps.ages,
            ps.families, ps.supervised, ps.trained, ps.gives_rsc, ps.statements, ps.starts_on,
            ps.ends_on, ps.id,
            (SELECT {join}(en.category, ';') FROM endorsement en
                WHERE en.person_id = ps.supervisor_id
                AND en.starts_on <= COALESCE(ps.ends_on, w.as_of)
                AND {endorsed_until} >= ps.starts_on)))
            FROM position ps WHERE ps.person_id = ap.person_id AND ps.starts_on <= w.as_of),
        (SELECT {json_list}({json_row}(r.name, r.role, r.received_at, r.role_confirmed,
            r.endorsed_as, r.vetted,
            (SELECT {join}(en.category || '/' || en.starts_on || '/' || {endorsed_until}, ';')
                FROM person rp JOIN endorsement en ON en.person_id = rp.id
                WHERE rp.email = r.email),
            (SELECT {join}('/' || v.starts_on || '/' || {vetted_until}, ';')
                FROM person rp JOIN vetting v ON v.person_id = rp.id
                WHERE rp.email = r.email AND v.association = ap.association)))
            FROM reference r WHERE r.application_id = ap.id AND r.declined_at IS NULL),
        (SELECT {join}(t.what, ';') FROM attestation t
            WHERE t.application_id = ap.id AND t.signed_on <= w.as_of),
        (SELECT MIN(x.taken_on) FROM exam_result x WHERE x.application_id = ap.id AND x.passed
            AND x.recorded_by IS NULL AND x.taken_on <= w.as_of),
        (SELECT MIN(x.taken_on) FROM exam_result x WHERE x.application_id = ap.id AND x.passed
            AND x.recorded_by IS NOT NULL AND x.taken_on <= w.as_of),
        (SELECT {json_list}({json_row}(rv.requirement, rv.accepted, rv.reviewed_at))
            FROM review rv WHERE rv.application_id = ap.id)
    FROM wanted w
    CROSS JOIN application ap
    CROSS JOIN person p
    WHERE ap.id = w.application_id AND p.id = ap.person_id
    """


def _facts(
    row: Sequence[Any], accepted: frozenset[str], as_of: date, zone: str
) -> ApplicationFacts:
    (number, person_id, email, name, provides_rsc, state, opened_on, submitted_on, *rest) = row
    (training, topics, members, sessions, topic, degrees, positions, *rest) = rest
    references, signed, exam_passed_on, exam_reported_on, reviews = rest
    minutes = {f"topic:{name}": total for name, total in _parse_list(topics)}
    if training:
        minutes["training"] = training
    candidate = Candidate(
        state,
        as_date(opened_on),
        as_date(submitted_on) if submitted_on else None,
        tuple(_degree(*values) for values in _parse_list(degrees)),
        tuple(_position(values) for values in _parse_list(positions)),
        tuple(_session(topic, *values) for values in _parse_list(sessions)),
        tuple(_reference(values, as_of, zone) for values in _parse_list(references)),
        _parse_words(signed),
        as_date(exam_passed_on) if exam_passed_on else None,
        as_date(exam_reported_on) if exam_reported_on else None,
        _reviews(reviews, as_of, zone),
    )
    return ApplicationFacts(
        subject_id=number,
        person_id=person_id,
        email=email,
        name=name,
        provides_rsc=bool(provides_rsc),
        minutes=minutes,
        memberships=_memberships(members, accepted),
        candidate=candidate,
    )


def _memberships(members: str | list[Any] | None, accepted: frozenset[str]) -> tuple[Span, ...]:
    spans = []
    for starts_on, ends_on, membership in _parse_list(members):
        if membership in accepted:
            spans.append(Span(as_date(starts_on), as_date(ends_on)))
    return tuple(spans)


def _parse_list(value: str | list[Any] | None) -> list[Any]:
    """A JSON list, which PostgreSQL's driver has parsed already."""
    return json.loads(value) if isinstance(value, str) else value or []


def _parse_words(value: str | None) -> frozenset[str]:
    return frozenset(word.strip() for word in (value or "").split(";") if word.strip())


def _degree(level: str, title: str, awarded_on: str, transcript: str) -> CandidateDegree:
    return CandidateDegree(level, title, as_date(awarded_on), transcript)


def _session(topic: str | None, held_on: str, title: str, *numbers: int | None) -> CandidateSession:
    minutes, topic_minutes = numbers
    topics = {topic: topic_minutes} if topic and topic_minutes else {}
    return CandidateSession(as_date(held_on), title, minutes or 0, topics)


def _position(values: Sequence[Any]) -> CandidatePosition:
    title, employer, pay, services, ages, families, supervised, trained, *rest = values
    gives_rsc, statements, starts_on, ends_on, position_id, held = rest
    return CandidatePosition(
        title=f"{title} ({employer})" if employer else title,
        pay=pay,
        services=_parse_words(services),
        ages=ages,
        families=families,
        supervised=bool(supervised),
        trained=bool(trained),
        gives_rsc=bool(gives_rsc),
        statements=_parse_words(statements),
        starts_on=as_date(starts_on),
        ends_on=as_date(ends_on) if ends_on else None,
        supervisor_held=_parse_words(held),
        position_id=position_id,
    )


def _reviews(value: str | list[Any] | None, as_of: date, zone: str) -> dict[str, bool]:
    """What the reviewers had decided by ``as_of``: whether they accept it, by requirement."""
    reviews = {}
    for requirement, accepted, reviewed_at in _parse_list(value):
        if _local_day_of(reviewed_at, zone) <= as_of:
            reviews[requirement] = bool(accepted)
    return reviews


def _reference(values: Sequence[Any], as_of: date, zone: str) -> CandidateReference:
    name, role, received_at, in_role, claimed, vetted, endorsements, vettings = values
    day = _local_day_of(received_at, zone) if received_at else None
    if day is None or day > as_of:
        return CandidateReference(name, role, None)
    holds = _held_on(day, endorsements)
    if claimed:
        holds.add(claimed)
    is_vetted = bool(vetted) or bool(_held_on(day, vettings))
    return CandidateReference(
        name, role, day, frozenset(holds), is_vetted, in_role not in (False, 0)
    )


# References come in, and are read again, by the thousand; few of their texts are distinct.
@lru_cache(maxsize=4_096)
def _local_day_of(instant: str, zone: str) -> date:
    """The legal day of an instant as JSON has it: SQLite's has no zone, which is UTC."""
    received_at = datetime.fromisoformat(instant)
    return local_day(received_at.replace(tzinfo=received_at.tzinfo or UTC), zone)


def _held_on(day: date, spans: str | None) -> set[str]:
    """The categories held on ``day``, of ``<category>/<first day>/<last day>;…``."""
    held = set()
    for span in spans.split(";") if spans else ():
        category, starts_on, ends_on = span.rsplit("/", 2)
        if as_date(starts_on) <= day <= as_date(ends_on):
            held.add(category)
    return held
