"""Reads the facts of renewals: what each endorsement has in each cycle, by one query.

The query is written by hand, and its rows are read by position, because it runs for every
endorsement in the nightly evaluation.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import bindparam
from sqlmodel import Session, col, exists, select

from tracker.db.engine import is_postgresql
from tracker.db.entry_reviews import EntryDecision
from tracker.db.log import Entry
from tracker.db.people import Endorsement
from tracker.db.statements import in_chunks, make_temporary_table, stream_rows, with_values
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_rules import read_kind
from tracker.rules.history import (
    EndorsementTerm,
    continue_cycle,
    count_from_application,
    find_held_since,
    scheme_of,
)
from tracker.rules.plan import RenewalPlan
from tracker.rules.requirement import MEMBERSHIP_KINDS
from tracker.rules.standing import Absence, CycleSettlement, DaySum, Facts, Span
from tracker.services.audit_facts import Audits, find_finding, list_decision_days, read_audits
from tracker.services.day_sums import DaysWindow, Exclusions, read_days
from tracker.services.payment_facts import Payments, find_paid, read_payments
from tracker.services.submission_facts import (
    find_submitted,
    list_submission_days,
    read_submissions,
)

# SQLite allows 32,766 values in one statement, and a window has about a dozen.
_BATCH = 1_000
# For so many endorsements SQLite needs the windows in a table with an index. PostgreSQL, which then
# reads all entries, gets a table only for everybody's.
_MANY = 200
# The longest grace of a membership, and the day before it.
_YEAR_AND_DAY = timedelta(days=367)
# What decides which plan a cycle has: association, category, first day of the endorsement.
Triple = tuple[str, str, date]


@dataclass(frozen=True, slots=True)
class Window:
    """One cycle to read facts for: ``as_of`` is the last day whose entries count.

    All endorsements of the association and category that began on ``endorsed_on`` share it.
    """

    plan: RenewalPlan
    endorsed_on: date
    as_of: date


# Which windows an endorsement has.
WindowsOf = Callable[[Triple], Iterable[Window]]


def read_facts(
    session: Session,
    rulebooks: Rulebooks,
    windows_of: WindowsOf,
    endorsement_ids: Iterable[int] | None = None,
) -> Iterator[tuple[Window, Facts]]:
    """Stream the facts of endorsements (default: all), one for each of their windows.

    While it streams those of all, a PostgreSQL connection can't read anything else.
    """
    if endorsement_ids is None:
        windows = _list_windows(session, windows_of, None)
        if not any(window.plan.needs_days for window in windows):
            yield from _read_batch(session, rulebooks, windows, None)
            return
        # Everybody's days would fill the memory.
        endorsement_ids = session.connection().scalars(_EVERYBODY).all()
    for ids in in_chunks(sorted(endorsement_ids), _BATCH):
        windows = _list_windows(session, windows_of, ids)
        yield from list(_read_batch(session, rulebooks, windows, ids))


# Built once, because building a statement takes as long as running it.
_TRIPLES = select(
    col(Endorsement.association), col(Endorsement.category), col(Endorsement.starts_on)
).distinct()
_EVERYBODY = select(col(Endorsement.id)).order_by(col(Endorsement.id))
_TRIPLES_OF = _TRIPLES.where(col(Endorsement.id).in_(bindparam("ids", expanding=True)))


class _Filed(NamedTuple):
    """What was submitted, audited, and paid for endorsements, by endorsement."""

    submissions: Mapping[int, Sequence[Any]]
    audits: Audits
    payments: Payments


def _read_batch(
    session: Session, rulebooks: Rulebooks, windows: Sequence[Window], ids: Sequence[int] | None
) -> Iterator[tuple[Window, Facts]]:
    if not windows:
        return
    filed = _read_filed(session, windows, ids)
    recounted: defaultdict[Window, list[int]] = defaultdict(list)
    days = _read_days(session, windows, ids or ())
    sql, values = _prepare_query(session, rulebooks, windows, ids)
    for row in stream_rows(session, sql, values):
        planned = window = windows[row[0]]
        if row[_OTHERS] or row[_APPLIED_ON]:
            window = _read_own_history(rulebooks, planned, row)
            if _needs_other_sums(window, planned):
                recounted[window].append(row[1])
                continue
        facts = _read_row(rulebooks, row, window, filed)
        yield window, _with_days(facts, days.get((row[0], row[1])))
    yield from _read_again(session, rulebooks, recounted, filed)


def _read_again(
    session: Session,
    rulebooks: Rulebooks,
    recounted: Mapping[Window, Sequence[int]],
    filed: _Filed,
) -> Iterator[tuple[Window, Facts]]:
    """Read endorsements for windows whose sums are others than those of the planned ones."""
    for window, few in _in_few(recounted):
        days = _read_days(session, [window], few)
        sql, values = _prepare_query(session, rulebooks, [window], few)
        for row in stream_rows(session, sql, values):
            facts = _read_row(rulebooks, row, window, filed)
            yield window, _with_days(facts, days.get((row[0], row[1])))


def _read_filed(session: Session, windows: Sequence[Window], ids: Sequence[int] | None) -> _Filed:
    """Read what was submitted, audited, and paid, if a window asks for it."""
    is_submitted = any(window.plan.is_submitted for window in windows)
    needs_payments = any(window.plan.needs_payments for window in windows)
    submissions = read_submissions(session, ids) if is_submitted else {}
    audits = read_audits(session, ids) if submissions else {}
    return _Filed(submissions, audits, read_payments(session, ids) if needs_payments else {})


def _list_windows(
    session: Session, windows_of: WindowsOf, ids: Sequence[int] | None
) -> list[Window]:
    connection = session.connection()
    query, parameters = (_TRIPLES, {}) if ids is None else (_TRIPLES_OF, {"ids": ids})
    windows: list[Window] = []
    for association, category, endorsed_on in connection.execute(query, parameters).all():
        windows += windows_of((association, category, endorsed_on))
    return windows


def _read_own_history(rulebooks: Rulebooks, window: Window, row: Sequence[Any]) -> Window:
    return read_history(rulebooks, window, row[_OTHERS] or "", as_date_or_none(row[_APPLIED_ON]))


def _in_few(recounted: Mapping[Window, Sequence[int]]) -> Iterator[tuple[Window, Sequence[int]]]:
    """A few endorsements at a time whose first cycles turned out to be ordinary ones.

    Their sums have hours from before the cycle, so they are read again.
    """
    for window, endorsement_ids in recounted.items():
        for few in in_chunks(endorsement_ids, _MANY):
            yield window, few


def _needs_other_sums(window: Window, planned: Window) -> bool:
    """Whether the query read something else for the planned window than this one needs."""
    new, old = window.plan, planned.plan
    needs_days = new.needs_days and not old.needs_days
    return needs_days or new.topics != old.topics or _counts_from(window) != _counts_from(planned)


def _counts_from(window: Window) -> date | None:
    return window.plan.cycle.counts_from if window.plan.cycle else None


def _read_row(
    rulebooks: Rulebooks,
    row: Sequence[Any],
    window: Window,
    filed: _Filed,
) -> Facts:
    accepted = list_accepted_memberships(rulebooks, window.plan.membership_rule)
    facts = _facts((*row[:_OTHERS], *row[_APPLIED_ON + 1 :]), window, accepted)
    days: list[date] = []
    if facts.subject_id in filed.submissions:
        own = filed.submissions[facts.subject_id]
        facts = facts._replace(submitted=find_submitted(window.plan, window.as_of, own))
        days += list_submission_days(window.plan, own)
    if facts.subject_id in filed.audits:
        audits = filed.audits[facts.subject_id]
        facts = facts._replace(audit=find_finding(window.plan, window.as_of, audits))
        days += list_decision_days(window.plan, audits)
    if filed.payments:
        paid = find_paid(window.plan, window.as_of, facts.subject_id, filed.payments)
        facts = facts._replace(payments=paid)
        all_paid = find_paid(window.plan, date.max, facts.subject_id, filed.payments)
        days += [payment.on for payment in all_paid]
    if not days:
        return facts
    later = [day for day in (*days, facts.next_fact_on) if day and day > window.as_of]
    return facts._replace(next_fact_on=min(later, default=None))


def _with_days(facts: Facts, days: Sequence[DaySum] | None) -> Facts:
    return facts._replace(days=tuple(days)) if days else facts


def _read_days(
    session: Session, windows: Sequence[Window], ids: Sequence[int]
) -> Mapping[tuple[int, int], Sequence[DaySum]]:
    """What the windows need that require more than sums, by their place and the endorsement."""
    needed = []
    for number, window in enumerate(windows):
        plan, cycle = window.plan, window.plan.cycle
        if plan.needs_days and cycle is not None:
            needed.append(
                DaysWindow(
                    number,
                    plan.association,
                    plan.category,
                    window.endorsed_on.isoformat(),
                    cycle.counts_from.isoformat(),
                    min(cycle.ends_on, window.as_of).isoformat(),
                    plan.provider_rule,
                )
            )
    if not needed:
        return {}
    exclusions = EXCLUSIONS if _has_exclusions(session, ids) else Exclusions()
    return read_days(session, needed, ids, exclusions)


# Where a row of the query has the earlier endorsements of the same person, and the day of the
# application, if they matter.
_OTHERS, _APPLIED_ON = 7, 8


# Few people have several endorsements, but a page asks for theirs several times.
@lru_cache(maxsize=4_096)
def read_history(
    rulebooks: Rulebooks, window: Window, others: str, applied_on: date | None
) -> Window:
    """The window as the person's earlier endorsements, and the application, make it.

    A first cycle is an ordinary one if the endorsement continues an earlier one, or if it counts
    from an application in an earlier cycle. The years held are counted from the first of those in
    a row. ``others`` is ``<association>|<category>|<first day>|<last day>``, comma-separated.
    """
    plan = window.plan
    if plan.cycle is None:
        return window
    terms = []
    for text in others.split(",") if others else ():
        association, category, *days = text.split("|")
        terms.append(EndorsementTerm(association, category, *map(date.fromisoformat, days)))
    own = EndorsementTerm(plan.association, plan.category, window.endorsed_on)
    schemes = rulebooks.associations[plan.association].cycles
    cycle = plan.cycle
    if cycle.is_first:
        cycle = count_from_application(schemes, cycle, applied_on)
    if cycle.is_first:
        cycle = continue_cycle(schemes, cycle, own, terms)
    since = find_held_since(scheme_of(schemes, cycle), own, terms)
    plan = rulebooks.plan_for(plan.association, plan.category, cycle, since)
    return replace(window, plan=plan)


def _prepare_query(
    session: Session, rulebooks: Rulebooks, windows: Sequence[Window], ids: Sequence[int] | None
) -> tuple[str, Sequence[Any]]:
    """Return the query, whose rows begin with a window's place in ``windows``, and parameters."""
    topics = max(len(window.plan.topics) for window in windows)
    columns = _WINDOW_COLUMNS | {f"topic{n}": "varchar" for n in range(topics)}
    rows = [
        (number, *_window_values(rulebooks, window, topics))
        for number, window in enumerate(windows)
    ]
    query = FactsQuery(
        topics,
        ids,
        has_later=True,
        has_exclusions=_has_exclusions(session, ids),
        from_application=_count_from_application(rulebooks, windows),
        ends_by_rule=bool(rulebooks.ending_categories),
    )
    for_postgresql = is_postgresql(session)
    if ids is None or (len(ids) > _MANY and not for_postgresql):
        make_temporary_table(session, _TABLE, columns, _INDEX, rows)
        earliest = min(window.as_of for window in windows)
        # Entries after the as-of day exist only if that day lies in the past.
        has_later = session.exec(select(exists().where(col(Entry.held_on) > earliest))).one()
        query = query._replace(has_later=has_later)
        return facts_sql(query, for_postgresql=for_postgresql), ids or ()
    clause, parameters = with_values(session, _TABLE, columns, rows)
    query = query._replace(with_clause=clause)
    return facts_sql(query, for_postgresql=for_postgresql), (*parameters, *ids)


def _count_from_application(rulebooks: Rulebooks, windows: Iterable[Window]) -> bool:
    """Whether one of the windows is a first cycle that counts from the day of the application."""
    for window in windows:
        cycle = window.plan.cycle
        if cycle is not None and cycle.is_first:
            schemes = rulebooks.associations[window.plan.association].cycles
            if scheme_of(schemes, cycle).first_cycle_from == "application":
                return True
    return False


_TABLE = "renewal_window"
_INDEX = ("association", "category", "endorsed_on")
_WINDOW_COLUMNS = {
    "id": "integer",
    "association": "varchar",
    "category": "varchar",
    "endorsed_on": "date",
    "starts_on": "date",
    "counts_from": "date",
    "counted_until": "date",
    "ends_on": "date",
    "memberships_from": "date",
    "provider_rule": "varchar",
    "needs_history": "integer",
    "may_be_settled": "integer",
}


@lru_cache(maxsize=8_192)
def _window_values(
    rulebooks: Rulebooks, window: Window, topics: int
) -> tuple[str | int | None, ...]:
    """The values of a window's columns after its id."""
    plan, cycle = window.plan, window.plan.cycle
    by_years = bool(rulebooks.years_that_matter(plan.association, plan.category))
    # Without rules there is no cycle, and no day whose entries count.
    starts_on = cycle.starts_on if cycle else date.max
    ends_on = cycle.ends_on if cycle else date.min
    # A membership that ended the day before the cycle has just lapsed, which matters. Before the
    # cycle begins, the membership of the as-of date is the one that matters. Some count for up to
    # a year after their last day.
    reach = _YEAR_AND_DAY if plan.membership_grace else timedelta(days=1)
    memberships_from = min(starts_on, window.as_of) - reach
    return (
        plan.association,
        plan.category,
        window.endorsed_on.isoformat(),
        starts_on.isoformat(),
        (cycle.counts_from if cycle else date.max).isoformat(),
        min(ends_on, window.as_of).isoformat(),
        ends_on.isoformat(),
        memberships_from.isoformat(),
        plan.provider_rule,
        int(cycle is not None and (cycle.is_first or by_years)),
        # A renewal that is submitted is settled when it is accepted.
        int(plan.is_submitted or (cycle is not None and cycle.due_on <= window.as_of)),
        *plan.topics,
        *[None] * (topics - len(plan.topics)),
    )


class FactsQuery(NamedTuple):
    """What the query depends on.

    There is a sum for each of ``topics`` topics. ``ids`` are the endorsements wanted (None: all).
    Without ``has_later`` there are no entries to come, without ``has_exclusions`` none that an
    association has decided not to count. ``from_application``: some first cycles count from the
    day of the application. ``ends_by_rule``: some endorsements may end before the last day on
    record. ``with_clause`` makes the table ``renewal_window``, unless it exists.
    """

    topics: int
    ids: Sequence[int] | None
    has_later: bool
    has_exclusions: bool = False
    from_application: bool = False
    ends_by_rule: bool = False
    with_clause: str = ""


def facts_sql(query: FactsQuery, *, for_postgresql: bool) -> str:
    """Return the query: a row for each window of each endorsement."""
    join = "string_agg" if for_postgresql else "group_concat"
    with_clause = f"WITH {query.with_clause}" if query.with_clause else ""
    wanted = ""
    if query.ids is not None:
        mark = "%s" if for_postgresql else "?"
        wanted = f"AND en.id IN ({', '.join([mark] * len(query.ids))})"
    next_entry = _NEXT_ENTRY if query.has_later else _NOTHING
    applied_on = _APPLIED_ON_SQL if query.from_application else _NOTHING
    last_day, other_last_day = _LAST_DAYS_BY_RULE if query.ends_by_rule else _LAST_DAYS
    counts, topic_counts = EXCLUSIONS if query.has_exclusions else Exclusions()
    topic_sums = "".join(
        f""",
        (SELECT SUM(t.minutes) FROM entry_topic t WHERE t.person_id = en.person_id
            AND t.topic = w.topic{n}
            AND t.held_on BETWEEN w.counts_from AND w.counted_until {topic_counts})"""
        for n in range(query.topics)
    )
    # Each sum is a subquery of its own: a join with the entries would be grouped by all the other
    # columns, and PostgreSQL would sort it by them. SQLite takes the tables in the order written
    # because of the CROSS JOIN.
    return f"""
    {with_clause}
    SELECT w.id, en.id, en.person_id, p.email, p.name, {last_day}, p.provides_rsc,
        CASE WHEN w.needs_history = 1 THEN
            (SELECT {join}(o.association || '|' || o.category || '|'
                || CAST(o.starts_on AS VARCHAR) || '|'
                || COALESCE(CAST({other_last_day} AS VARCHAR), '9999-12-31'), ',')
                FROM endorsement o
                WHERE o.person_id = en.person_id AND o.starts_on < en.starts_on)
        END,
        {applied_on},
        (SELECT {join}({_MEMBERSHIP}, ',') FROM membership m
            WHERE m.person_id = en.person_id
                AND (m.ends_on >= w.memberships_from OR m.ends_on IS NULL)),
        (SELECT {join}(l.starts_on || '/' || COALESCE(CAST(l.ends_on AS VARCHAR), '9999-12-31')
            || '/' || l.kind, ',') FROM leave l WHERE l.endorsement_id = en.id),
        (SELECT {join}(v.requirement, ',') FROM waiver v
            WHERE v.endorsement_id = en.id AND v.cycle_starts_on = w.starts_on),
        (SELECT r.extended_due_on FROM renewal r
            WHERE r.endorsement_id = en.id AND r.cycle_starts_on = w.starts_on),
        (SELECT f.first_day FROM association_start f WHERE f.association = en.association),
        {next_entry},
        CASE WHEN w.may_be_settled = 1 THEN (SELECT z.content FROM settled_cycle z
            WHERE z.endorsement_id = en.id AND z.cycle_starts_on = w.starts_on
            AND z.reopened_at IS NULL) END,
        (SELECT SUM(e.minutes) FROM entry e
            WHERE e.person_id = en.person_id AND e.activity = 'training'
            AND e.held_on BETWEEN w.counts_from AND w.counted_until {counts}),
        (SELECT SUM(e.minutes) FROM entry e CROSS JOIN provider_span s
            WHERE e.person_id = en.person_id AND e.activity = 'rsc'
            AND e.held_on BETWEEN w.counts_from AND w.counted_until {counts}
            AND s.rule = w.provider_rule AND s.provider_id = e.provider_id
            AND e.held_on BETWEEN s.starts_on AND s.ends_on){topic_sums}
    FROM endorsement en
    CROSS JOIN {_TABLE} w
    CROSS JOIN person p
    WHERE w.association = en.association AND w.category = en.category
        AND w.endorsed_on = en.starts_on AND p.id = en.person_id {wanted}
    """


def last_day_sql(endorsement: str) -> str:
    """SQL: the last day of an endorsement, on record or by the rules of its category."""
    return f"""COALESCE((SELECT z.ends_on FROM endorsement_end z
        WHERE z.endorsement_id = {endorsement}.id), {endorsement}.ends_on)"""


# Of the endorsement itself, and of an earlier one.
_LAST_DAYS = ("en.ends_on", "o.ends_on")
_LAST_DAYS_BY_RULE = (last_day_sql("en"), last_day_sql("o"))
_NOTHING = "NULL"
_NEXT_ENTRY = """(SELECT MIN(n.held_on) FROM entry n WHERE n.person_id = en.person_id
            AND n.held_on > w.counted_until
            AND n.held_on BETWEEN w.counts_from AND w.ends_on)"""
_APPLIED_ON_SQL = """(SELECT MIN(a.submitted_on) FROM application a
            WHERE w.needs_history = 1 AND a.person_id = en.person_id
            AND a.association = en.association AND a.category = en.category
            AND a.state = 'endorsed' AND a.submitted_on <= en.starts_on
            AND a.decided_on >= en.starts_on
            AND (en.ends_on IS NULL OR a.decided_on <= en.ends_on))"""


def membership_sql(membership: str) -> str:
    """SQL: ``<first day><last day><organization>|<kind>`` of a membership."""
    return f"""CAST({membership}.starts_on AS VARCHAR)
        || COALESCE(CAST({membership}.ends_on AS VARCHAR), '9999-12-31')
        || {membership}.organization || '|' || {membership}.kind"""


_MEMBERSHIP = membership_sql("m")


def counted_sql(entry_id: str, association: str) -> str:
    """SQL: the association has not decided that the entry does not count."""
    return f"""AND NOT EXISTS (SELECT 1 FROM entry_decision x
        WHERE x.entry_id = {entry_id} AND x.association = {association})"""


# That the association of the endorsement ``en`` has not excluded the entry ``e``, or topic ``t``.
EXCLUSIONS = Exclusions(
    counted_sql("e.id", "en.association"), counted_sql("t.entry_id", "en.association")
)


def _has_exclusions(session: Session, ids: Sequence[int] | None) -> bool:
    """Whether an association has decided that an entry of these people does not count."""
    excluded = select(EntryDecision.id).where(EntryDecision.kind == "excluded")
    if ids is not None:
        people = select(Endorsement.person_id).where(col(Endorsement.id).in_(ids))
        excluded = excluded.where(col(EntryDecision.person_id).in_(people))
    return session.exec(select(excluded.exists())).one()


def _facts(row: Sequence[Any], window: Window, accepted: frozenset[str]) -> Facts:
    (_, number, person_id, email, name, ends_on, provides_rsc, *rest) = row
    memberships, leaves, waived, extended_due_on, first_day, next_fact_on, settled, *totals = rest
    keys = ("training", "rsc", *(f"topic:{topic}" for topic in window.plan.topics))
    # Windows with fewer topics than others have empty totals at the end.
    minutes = {key: total for key, total in zip(keys, totals, strict=False) if total}
    return Facts(
        number,
        person_id,
        email,
        name,
        window.endorsed_on,
        as_date_or_none(ends_on),
        bool(provides_rsc),
        minutes,
        parse_memberships(memberships, accepted) if memberships else (),
        _leaves(leaves) if leaves else (),
        tuple(waived.split(",")) if waived else (),
        as_date_or_none(extended_due_on),
        as_date_or_none(next_fact_on),
        _settlement_on(window.as_of, settled),
        as_date_or_none(first_day),
    )


def _settlement_on(as_of: date, content: str | None) -> CycleSettlement | None:
    """The settlement in force on a day; None if the cycle was not settled by then."""
    if content is None:
        return None
    settlement = parse_settlement(content)
    return settlement if settlement.settled_on <= as_of else None


# Validates what is read, and writes it as JSON.
_SETTLEMENT = TypeAdapter(CycleSettlement)


def format_settlement(settlement: CycleSettlement) -> str:
    """Write the column ``content`` of the table settled_cycle."""
    return _SETTLEMENT.dump_json(settlement).decode()


def parse_settlement(content: str) -> CycleSettlement:
    """Read the column ``content`` of the table settled_cycle."""
    return _SETTLEMENT.validate_json(content)


def as_date(value: date | str) -> date:
    """A day as the driver gives it: SQLite's is text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def as_date_or_none(value: date | str | None) -> date | None:
    """As `as_date`; None of nothing."""
    return as_date(value) if value else None


@lru_cache(maxsize=256)
def list_accepted_memberships(rulebooks: Rulebooks, membership_rule: str | None) -> frozenset[str]:
    """The memberships that a rule accepts, as ``<organization>|<kind>``; without a rule none."""
    if membership_rule is None:
        return frozenset()
    return frozenset(
        f"{organization}|{kind}"
        for organization in rulebooks.accepted_organizations(membership_rule)
        for kind in MEMBERSHIP_KINDS
        if rulebooks.accepts_membership(membership_rule, organization, kind)
    )


# Most people's memberships run the same days, so that few texts are ever read.
@lru_cache(maxsize=4_096)
def parse_memberships(text: str, accepted: frozenset[str]) -> tuple[Span, ...]:
    """The accepted ones of a comma-separated list of what `membership_sql` makes."""
    spans = []
    for item in text.split(","):
        if item[20:] in accepted:
            spans.append(Span(date.fromisoformat(item[:10]), date.fromisoformat(item[10:20])))
    return tuple(spans)


@lru_cache(maxsize=4_096)
def _leaves(text: str) -> tuple[Absence, ...]:
    """The days of ``<first day>/<last day>/<kind>``, comma-separated."""
    leaves = []
    for item in text.split(","):
        starts_on, ends_on, kind = item.split("/")
        days = (date.fromisoformat(starts_on), date.fromisoformat(ends_on))
        leaves.append(Absence(*days, read_kind(kind)))
    return tuple(leaves)
