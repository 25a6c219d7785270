"""Reads the facts of applications, and judges them.

Each table is read once for a batch of applications, by a plain query that is written by hand and
whose rows are read by position, as in `tracker.services.facts`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col, or_

from tracker.clock import local_day
from tracker.db.applications import Application
from tracker.db.engine import is_postgresql
from tracker.db.statements import in_chunks, read_together, with_values
from tracker.db.tables import METADATA
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
from tracker.rules.requirement import Purpose
from tracker.rules.standing import ApplicationFacts, ApplicationStanding
from tracker.services.facts import (
    as_date,
    as_date_or_none,
    counted_sql,
    last_day_sql,
    list_accepted_memberships,
    membership_sql,
    parse_memberships,
)
from tracker.services.reinstatement_facts import PlannedApplication, read_returns

_BATCH = 1_000
# So many at the most are a page's.
_FEW = 50


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


class _Undecided(NamedTuple):
    """What it takes to plan an application, as in `Application`."""

    id: int
    person_id: int
    association: str
    category: str
    purpose: Purpose
    submitted_on: date | None
    decided_on: date | None


def _list_applications(
    session: Session,
    associations: Sequence[str],
    day_of: Callable[[str], date],
    application_ids: Iterable[int] | None,
) -> list[_Undecided]:
    """Return applications without a decision, or with one after the earliest as-of day."""
    earliest = min(map(day_of, associations), default=date.max)
    columns = (METADATA.tables["application"].c[name] for name in _Undecided._fields)
    query = select(*columns).where(
        col(Application.association).in_(associations),
        or_(col(Application.decided_on).is_(None), col(Application.decided_on) > earliest),
    )
    connection = session.connection()
    if application_ids is None:
        return [_Undecided(*row) for row in connection.execute(query)]
    applications: list[_Undecided] = []
    for ids in in_chunks(sorted(application_ids), _BATCH):
        rows = connection.execute(query.where(col(Application.id).in_(ids)))
        applications += [_Undecided(*row) for row in rows]
    return applications


def _plan_applications(
    rulebooks: Rulebooks, applications: Iterable[_Undecided], day_of: Callable[[str], date]
) -> Iterator[PlannedApplication]:
    """Yield the plans of the applications that are undecided on their as-of day."""
    for application in applications:
        as_of = day_of(application.association)
        if application.decided_on is None or as_of < application.decided_on:
            rules_on = min(application.submitted_on or as_of, as_of)
            named = (application.association, application.category)
            plan = rulebooks.application_plan(*named, rules_on, application.purpose)
            yield PlannedApplication(application.id, application.person_id, plan, as_of)


def _read_complete(
    session: Session, rulebooks: Rulebooks, planned: Sequence[PlannedApplication]
) -> Iterator[tuple[ApplicationPlan, ApplicationFacts, date]]:
    """Yield the facts of applications, and those that only reinstatements have."""
    asked_back = [each for each in planned if each.plan.purpose == "reinstatement"]
    returns = read_returns(session, asked_back) if asked_back else None
    tables = _read_tables(session, planned)
    for application_id, _, plan, as_of in planned:
        zone = rulebooks.associations[plan.association].time_zone
        accepted = list_accepted_memberships(rulebooks, plan.membership_rule)
        facts = _Reader(tables, application_id, plan, as_of, zone).read(accepted)
        yield plan, returns.complete(facts, as_of) if returns else facts, as_of


class _Tables(NamedTuple):
    """What was read for a batch of applications.

    ``rows`` are those of each table by application; each begins with its id. ``spans`` are the
    days on which a provider qualifies, both ends included, by rule and provider; days are as the
    driver has them, also in the rows.
    """

    rows: Mapping[str, Mapping[int, Sequence[tuple[Any, ...]]]]
    spans: Mapping[tuple[str, int], Sequence[tuple[Any, Any]]]


_WANTED = {
    "id": "integer",
    "person_id": "integer",
    "association": "varchar",
    "as_of": "date",
    "provider_rule": "varchar",
    "rsc_topic": "varchar",
}


def _find_topic(plan: ApplicationPlan) -> str | None:
    """The topic of which the plan requires RSC hours, if any."""
    topics = [r.topic for r in plan.requirements if r.counts == "rsc" and r.topic]
    return topics[0] if topics else None


def _read_tables(session: Session, planned: Sequence[PlannedApplication]) -> _Tables:
    """Read everything that these applications rest on, table by table."""
    wanted = []
    for application_id, person_id, plan, as_of in planned:
        rule, topic = plan.provider_rule, _find_topic(plan)
        row = (application_id, person_id, plan.association, as_of.isoformat(), rule, topic)
        wanted.append(row)
    clause, parameters = with_values(session, "wanted", _WANTED, wanted)
    has_topics = any(row[-1] for row in wanted)
    queries = application_queries(for_postgresql=is_postgresql(session), has_topics=has_topics)
    statements = [f"WITH {clause} {query}" for query in (*queries.values(), _SPANS)]
    is_page = len(planned) <= _FEW
    *found, spans_found = read_together(session, statements, parameters, prepare=is_page)
    tables = {}
    for table, rows in zip(queries, found, strict=True):
        by_application = tables[table] = defaultdict[int, list[tuple[Any, ...]]](list)
        for row in rows:
            by_application[row[0]].append(row)
    spans = defaultdict[tuple[str, int], list[tuple[Any, Any]]](list)
    for rule, provider_id, starts_on, ends_on in spans_found:
        spans[rule, provider_id].append((starts_on, ends_on))
    return _Tables(tables, spans)


# The days on which the providers of the sessions qualify. Read once for all, it takes half as long
# as a join with the sessions.
_SPANS = """
    SELECT s.rule, s.provider_id, s.starts_on, s.ends_on FROM provider_span s
    WHERE s.rule IN (SELECT provider_rule FROM wanted) AND s.provider_id IN (
        SELECT e.provider_id FROM wanted w CROSS JOIN entry e
        WHERE e.person_id = w.person_id AND e.activity = 'rsc')
"""


def application_queries(*, for_postgresql: bool, has_topics: bool) -> dict[str, str]:
    """Return the queries over the applications of the table ``wanted``, by what they read.

    Without ``has_topics`` no plan requires hours about a topic of RSC.
    """
    join = "string_agg" if for_postgresql else "group_concat"
    counts = counted_sql("e.id", "w.association")
    topic_minutes = "NULL"
    if has_topics:
        topic_minutes = """(SELECT SUM(t.minutes) FROM entry_topic t
            WHERE t.entry_id = e.id AND t.topic = w.rsc_topic)"""
    # SQLite takes the tables in the order written because of the CROSS JOIN: a person's entries
    # before the providers' spans.
    return {
        "application": f"""
            SELECT w.id, w.person_id, p.email, p.name, p.provides_rsc,
                CASE WHEN ap.decided_on <= w.as_of THEN ap.state
                    WHEN ap.submitted_on <= w.as_of THEN 'submitted' ELSE 'open' END,
                ap.opened_on, CASE WHEN ap.submitted_on <= w.as_of THEN ap.submitted_on END,
                (SELECT SUM(e.minutes) FROM entry e WHERE e.person_id = w.person_id
                    AND e.held_on <= w.as_of AND e.activity = 'training' {counts}),
                (SELECT {join}({membership_sql("m")}, ',') FROM membership m
                    WHERE m.person_id = w.person_id),
                (SELECT {join}(t.what, ';') FROM attestation t
                    WHERE t.application_id = w.id AND t.signed_on <= w.as_of),
                (SELECT MIN(x.taken_on) FROM exam_result x WHERE x.application_id = w.id
                    AND x.passed AND x.recorded_by IS NULL AND x.taken_on <= w.as_of),
                (SELECT MIN(x.taken_on) FROM exam_result x WHERE x.application_id = w.id
                    AND x.passed AND x.recorded_by IS NOT NULL AND x.taken_on <= w.as_of)
            FROM wanted w CROSS JOIN application ap CROSS JOIN person p
            WHERE ap.id = w.id AND p.id = w.person_id""",
        "topic": f"""
            SELECT w.id, t.topic, SUM(t.minutes)
            FROM wanted w CROSS JOIN entry_topic t CROSS JOIN entry e
            WHERE t.person_id = w.person_id AND t.held_on <= w.as_of
                AND e.id = t.entry_id AND e.activity = 'training' {counts}
            GROUP BY w.id, t.topic""",
        "session": f"""
            SELECT w.id, e.held_on, e.title, e.minutes, e.provider_id, {topic_minutes}
            FROM wanted w CROSS JOIN entry e
            WHERE e.person_id = w.person_id AND e.activity = 'rsc' AND e.held_on <= w.as_of
                AND e.provider_id IS NOT NULL {counts}
            ORDER BY w.id, e.held_on, e.provider_id, e.minutes""",
        "degree": """
            SELECT w.id, d.level, d.title, d.awarded_on, d.transcript
            FROM wanted w CROSS JOIN degree d
            WHERE d.person_id = w.person_id AND d.awarded_on <= w.as_of
            ORDER BY w.id, d.level, d.title""",
        "position": f"""
            SELECT w.id, ps.title, ps.employer, ps.pay, ps.services, ps.ages, ps.families,
                ps.supervised, ps.trained, ps.gives_rsc, ps.statements, ps.starts_on, ps.ends_on,
                ps.id,
                CASE WHEN ps.supervisor_id IS NOT NULL THEN
                    (SELECT {join}(en.category, ';') FROM endorsement en
                        WHERE en.person_id = ps.supervisor_id
                        AND en.starts_on <= COALESCE(ps.ends_on, w.as_of)
                        AND COALESCE({last_day_sql("en")}, '9999-12-31') >= ps.starts_on) END
            FROM wanted w CROSS JOIN position ps
            WHERE ps.person_id = w.person_id AND ps.starts_on <= w.as_of
            ORDER BY w.id, ps.title, ps.starts_on, ps.employer""",
        "reference": f"""
            SELECT w.id, r.name, r.role, r.received_at, r.role_confirmed, r.endorsed_as, r.vetted,
                CASE WHEN rp.id IS NOT NULL THEN
                    (SELECT {join}(en.category || '/' || CAST(en.starts_on AS VARCHAR) || '/'
                        || COALESCE(CAST({last_day_sql("en")} AS VARCHAR), '9999-12-31'), ';')
                        FROM endorsement en WHERE en.person_id = rp.id) END,
                CASE WHEN rp.id IS NOT NULL THEN
                    (SELECT {join}('/' || CAST(v.starts_on AS VARCHAR) || '/'
                        || COALESCE(CAST(v.ends_on AS VARCHAR), '9999-12-31'), ';')
                        FROM vetting v WHERE v.person_id = rp.id
                        AND v.association = w.association) END
            FROM wanted w CROSS JOIN reference r LEFT JOIN person rp ON rp.email = r.email
            WHERE r.application_id = w.id AND r.declined_at IS NULL
            ORDER BY r.id""",
        "review": """
            SELECT w.id, rv.requirement, rv.accepted, rv.reviewed_at
            FROM wanted w CROSS JOIN review rv WHERE rv.application_id = w.id""",
    }


# Of most sessions.
_NO_TOPICS: Mapping[str, int] = MappingProxyType({})


class _Reader(NamedTuple):
    """Makes the facts of one application from the rows of all."""

    tables: _Tables
    application_id: int
    plan: ApplicationPlan
    as_of: date
    zone: str

    def read(self, accepted: frozenset[str]) -> ApplicationFacts:
        """The facts; ``accepted`` are the memberships that count."""
        (row,) = self._rows("application")
        number, person_id, email, name, provides_rsc, state, opened_on, submitted_on, *rest = row
        training, memberships, signed, exam_passed_on, exam_reported_on = rest
        minutes = {f"topic:{topic}": total for _, topic, total in self._rows("topic")}
        if training:
            minutes["training"] = training
        candidate = Candidate(
            state,
            as_date(opened_on),
            as_date_or_none(submitted_on),
            tuple([_degree(row) for row in self._rows("degree")]),
            tuple([_position(row) for row in self._rows("position")]),
            tuple(self._list_sessions()),
            tuple([self._reference(row) for row in self._rows("reference")]),
            _parse_words(signed),
            as_date_or_none(exam_passed_on),
            as_date_or_none(exam_reported_on),
            self._reviews(),
        )
        return ApplicationFacts(
            subject_id=number,
            person_id=person_id,
            email=email,
            name=name,
            provides_rsc=bool(provides_rsc),
            minutes=minutes,
            memberships=parse_memberships(memberships, accepted) if memberships else (),
            candidate=candidate,
        )

    def _rows(self, table: str) -> Sequence[tuple[Any, ...]]:
        return self.tables.rows[table].get(self.application_id, ())

    def _list_sessions(self) -> Iterator[CandidateSession]:
        """The RSC sessions whose provider was qualified on their day."""
        rule, topic, spans = (
            self.plan.provider_rule or "",
            _find_topic(self.plan),
            self.tables.spans,
        )
        for _, held_on, title, minutes, provider_id, topic_minutes in self._rows("session"):
            for starts_on, ends_on in spans.get((rule, provider_id), ()):
                if starts_on <= held_on <= ends_on:
                    topics = {topic: topic_minutes} if topic and topic_minutes else _NO_TOPICS
                    yield CandidateSession(as_date(held_on), title, minutes, topics)

    def _reviews(self) -> dict[str, bool]:
        """What the reviewers had decided: whether they accept it, by requirement."""
        reviews = {}
        for _, requirement, accepted, reviewed_at in self._rows("review"):
            if _local_day_of(reviewed_at, self.zone) <= self.as_of:
                reviews[requirement] = bool(accepted)
        return reviews

    def _reference(self, row: Sequence[Any]) -> CandidateReference:
        _, name, role, received_at, in_role, claimed, vetted, endorsements, vettings = row
        day = _local_day_of(received_at, self.zone) if received_at else None
        if day is None or day > self.as_of:
            return CandidateReference(name, role, None)
        holds = _held_on(day, endorsements)
        if claimed:
            holds.add(claimed)
        is_vetted = bool(vetted) or bool(_held_on(day, vettings))
        return CandidateReference(
            name, role, day, frozenset(holds), is_vetted, in_role not in (False, 0)
        )


def _degree(row: Sequence[Any]) -> CandidateDegree:
    _, level, title, awarded_on, transcript = row
    return CandidateDegree(level, title, as_date(awarded_on), transcript)


def _position(row: Sequence[Any]) -> CandidatePosition:
    _, title, employer, pay, services, ages, families, supervised, trained, *rest = row
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
        ends_on=as_date_or_none(ends_on),
        supervisor_held=_parse_words(held),
        position_id=position_id,
    )


# Positions, attestations, and references come in by the thousand; few of their texts are distinct.
@lru_cache(maxsize=4_096)
def _parse_words(text: str | None) -> frozenset[str]:
    return frozenset(word.strip() for word in (text or "").split(";") if word.strip())


@lru_cache(maxsize=4_096)
def _local_day_of(instant: str | datetime, zone: str) -> date:
    """The legal day of an instant as the driver gives it: SQLite's is text in UTC."""
    if isinstance(instant, str):
        instant = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    return local_day(instant, zone)


def _held_on(day: date, spans: str | None) -> set[str]:
    """The categories held on ``day``, of ``<category>/<first day>/<last day>;…``."""
    held = set()
    for span in spans.split(";") if spans else ():
        category, starts_on, ends_on = span.rsplit("/", 2)
        if as_date(starts_on) <= day <= as_date(ends_on):
            held.add(category)
    return held
