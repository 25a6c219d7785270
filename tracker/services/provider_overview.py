"""The RSC providers who matter to an association: who depends on them, and when they qualify.

These are the providers whom its endorsees saw in a current or recent cycle, and those whom it
endorsed or vetted. Hours are those of renewals that are not settled.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta
from sqlalchemy import Subquery, case, distinct
from sqlmodel import Session, and_, col, func, or_, select

from tracker.db.ledgers import ProviderSpan, StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.providers import OutsideEndorsement
from tracker.plain_text import plain_name, starts_words
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import (
    Credential,
    Provider,
    Qualification,
    explain_unqualified,
    find_ending,
    held_on,
    list_qualifications,
    reason_for_ending,
)
from tracker.rules.reasons import Reason
from tracker.rules.standing import Span
from tracker.services.context import NotFound
from tracker.services.dashboard import is_listed
from tracker.services.qualification import list_rule_categories
from tracker.services.rsc_providers import load_providers, select_qualified

# How far ahead a last day is shown as a cutoff, as in the weekly digest.
MONTHS_AHEAD = 18


class ProviderStatus(StrEnum):
    """Whether a provider's sessions count today, under the rules that apply to them."""

    COUNTS = "counts"
    ENDING = "ending"
    DOES_NOT_COUNT = "does not count"


class Usage(NamedTuple):
    """How many endorsees saw a provider in unsettled renewals, and for how many minutes.

    ``last_on`` is the day of the last session, also in the cycle before.
    """

    endorsees: int = 0
    minutes: int = 0
    last_on: date | None = None


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A provider in the list; ``spans`` are the days on which they qualify, by rule.

    ``last_day`` is the first cutoff ahead among the rules under which they count today.
    """

    id: int
    name: str
    takes_supervisees: bool
    usage: Usage
    spans: Mapping[str, Sequence[Span]]
    status: ProviderStatus
    last_day: date | None


class QualifiedDays(NamedTuple):
    """Days on which a provider qualifies under a rule, by which credential, and the source."""

    qualification: Qualification
    document: str
    section: str


@dataclass(frozen=True, slots=True)
class RuleDays:
    """A provider under one rule: ``reason`` is why they do not count today, or stop counting.

    ``last_day`` is the last day of the span that holds today, if it has an end.
    """

    categories: Sequence[str]
    says: str
    days: Sequence[QualifiedDays]
    counts_today: bool
    last_day: date | None
    reason: Reason | None


class Dependent(NamedTuple):
    """An endorsee who saw a provider in unsettled renewals."""

    person_id: int
    endorsement_id: int
    name: str
    category: str
    sessions: int
    minutes: int
    last_on: date


class RosterEntry(NamedTuple):
    """What the public may read of a provider who takes new supervisees, by their own choice."""

    name: str
    credentials: tuple[str, ...]
    line: str


@dataclass(frozen=True, slots=True)
class ProviderDetails:
    """One provider whole. ``email`` is empty if the person does not belong to the association."""

    line: ProviderLine
    email: str
    own_words: str
    takes_supervisees_since: date | None
    credentials: Sequence[Credential]
    rules: Sequence[RuleDays]
    outside: Sequence[OutsideEndorsement]
    dependents: Sequence[Dependent]
    roster: RosterEntry | None


def list_provider_lines(
    session: Session, rulebooks: Rulebooks, association: str, today: date
) -> list[ProviderLine]:
    """Every provider who matters to the association, those with the most hours first."""
    usage = _read_usage(session, association, today)
    ids = set(usage) | _list_own(session, rulebooks, association)
    spans = _read_spans(session, association, ids)
    query = select(Person).where(col(Person.id).in_(ids))
    lines = [
        _line_of(person, usage.get(person.id, Usage()), spans.get(person.id, {}), today)
        for person in session.exec(query)
    ]
    return sorted(lines, key=lambda each: (-each.usage.minutes, each.name.casefold(), each.id))


def filter_lines(lines: Iterable[ProviderLine], search: str, state: str) -> list[ProviderLine]:
    """The lines whose name has the searched words, in one state: a status, "takes", or any ("")."""
    words = plain_name(search)
    found = []
    for line in lines:
        fits = not words or starts_words(words, line.name) or words in plain_name(line.name)
        in_state = state in {"", line.status} or (state == "takes" and line.takes_supervisees)
        if fits and in_state:
            found.append(line)
    return found


def explain_line(
    rulebooks: Rulebooks, association: str, line: ProviderLine, provider: Provider, today: date
) -> Reason | None:
    """Why the provider stops counting, or does not count; None for one who counts on."""
    for key, rule in _list_rules(rulebooks, association):
        spans = line.spans.get(key, ())
        if line.status is ProviderStatus.DOES_NOT_COUNT:
            return explain_unqualified(association, rule, provider, today)
        for span in spans:
            if line.last_day == span.ends_on and span.starts_on <= today:
                return reason_for_ending(
                    find_ending(association, rule, provider, span.ends_on), today
                )
    return None


def get_provider_details(
    session: Session, rulebooks: Rulebooks, association: str, today: date, person_id: int
) -> ProviderDetails:
    """One provider whole. Raises NotFound for anybody who does not matter to the association."""
    person = session.get(Person, person_id)
    if person is None or not is_provider_of(session, rulebooks, association, today, person_id):
        raise NotFound
    usage = _read_usage(session, association, today, person_id)
    spans = _read_spans(session, association, {person_id}).get(person_id, {})
    line = _line_of(person, usage.get(person_id, Usage()), spans, today)
    provider = load_providers(session, {person_id})[person_id]
    since = person.takes_supervisees_since
    return ProviderDetails(
        line=line,
        email=person.email if _belongs(session, association, person_id) else "",
        own_words=person.provider_line or "",
        takes_supervisees_since=since.date() if since else None,
        credentials=provider.credentials_for(association),
        rules=[
            _judge_rule(rulebooks, key, provider, today)
            for key, _ in _list_rules(rulebooks, association)
        ],
        outside=list_outside_endorsements(session, association, person_id),
        dependents=_list_dependents(session, association, today, person_id),
        roster=roster_entry_of(association, person, provider, today),
    )


def is_provider_of(
    session: Session, rulebooks: Rulebooks, association: str, today: date, person_id: int
) -> bool:
    """Whether a person is one of the providers who matter to the association."""
    if _list_own(session, rulebooks, association, person_id):
        return True
    return bool(_read_usage(session, association, today, person_id))


def list_outside_endorsements(
    session: Session, association: str, person_id: int
) -> Sequence[OutsideEndorsement]:
    """A provider's endorsements elsewhere, as an association recorded them, the newest first."""
    query = select(OutsideEndorsement).filter_by(known_to=association, person_id=person_id)
    return session.exec(query.order_by(col(OutsideEndorsement.starts_on).desc())).all()


def roster_entry_of(
    association: str, person: Person, provider: Provider, today: date
) -> RosterEntry | None:
    """What the association may publish of a provider; None without the provider's consent."""
    held = held_on(association, provider, today)
    if person.takes_supervisees_since is None or not held:
        return None
    credentials = [
        f"{each.association} {each.category}" if each.category else each.status for each in held
    ]
    return RosterEntry(person.name, tuple(dict.fromkeys(credentials)), person.provider_line or "")


def _list_rules(rulebooks: Rulebooks, association: str) -> list[tuple[str, Any]]:
    """The association's provider rules that some category follows, each with its key."""
    return [
        (key, rule)
        for key, (whose, rule) in rulebooks.provider_rules.items()
        if whose == association and list_rule_categories(rulebooks, key)
    ]


def _line_of(
    person: Person, usage: Usage, spans: Mapping[str, Sequence[Span]], today: date
) -> ProviderLine:
    lasts = [
        span.ends_on
        for of_rule in spans.values()
        for span in of_rule
        if span.starts_on <= today <= span.ends_on
    ]
    ahead = today + relativedelta(months=MONTHS_AHEAD)
    last_day = min(lasts, default=None)
    status = ProviderStatus.COUNTS
    if last_day is None:
        status = ProviderStatus.DOES_NOT_COUNT
    elif last_day <= ahead:
        status = ProviderStatus.ENDING
    is_cutoff = status is ProviderStatus.ENDING
    return ProviderLine(
        id=person.id,
        name=person.name,
        takes_supervisees=person.takes_supervisees_since is not None,
        usage=usage,
        spans=spans,
        status=status,
        last_day=last_day if is_cutoff else None,
    )


def _judge_rule(rulebooks: Rulebooks, key: str, provider: Provider, today: date) -> RuleDays:
    association, rule = rulebooks.provider_rules[key]
    documents = rulebooks.associations[association].documents
    days = []
    for qualification in sorted(
        list_qualifications(association, rule, provider), key=lambda each: each.starts_on
    ):
        source = qualification.accepted.source
        days.append(QualifiedDays(qualification, documents[source.document].title, source.section))
    holding = [each.qualification for each in days if _holds(each.qualification, today)]
    last_day = max((each.ends_on for each in holding), default=None)
    reason = None
    if last_day is None:
        reason = explain_unqualified(association, rule, provider, today)
    elif last_day != date.max:
        reason = reason_for_ending(find_ending(association, rule, provider, last_day), today)
    return RuleDays(
        categories=list_rule_categories(rulebooks, key),
        says=rule.says,
        days=days,
        counts_today=bool(holding),
        last_day=last_day if last_day != date.max else None,
        reason=reason,
    )


def _holds(qualification: Qualification, day: date) -> bool:
    return qualification.starts_on <= day <= qualification.ends_on


def _entries_of(association: str, today: date, provider_id: int | None = None) -> Subquery:
    """Each RSC session of the association's stored renewals once; whether one is not settled."""
    is_open = func.max(case((is_listed(association, today), 1))).label("is_open")
    query = (
        select(Entry.provider_id, Entry.person_id, Entry.minutes, Entry.held_on, is_open)  # type: ignore[call-overload]
        .select_from(StandingRow)
        .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
        .join(
            Entry,
            and_(
                col(Entry.person_id) == Endorsement.person_id,
                col(Entry.held_on).between(StandingRow.cycle_starts_on, StandingRow.cycle_ends_on),
            ),
        )
        .where(
            StandingRow.association == association,
            Entry.activity == "rsc",
            col(Entry.provider_id).is_not(None),
        )
        .group_by(col(Entry.id))
    )
    if provider_id is not None:
        query = query.where(Entry.provider_id == provider_id)
    found: Subquery = query.subquery()
    return found


def _read_usage(
    session: Session, association: str, today: date, provider_id: int | None = None
) -> dict[int, Usage]:
    entries = _entries_of(association, today, provider_id).c
    open_person = case((entries.is_open == 1, entries.person_id))
    open_minutes = case((entries.is_open == 1, entries.minutes), else_=0)
    query = select(
        entries.provider_id,
        func.count(distinct(open_person)),
        func.sum(open_minutes),
        func.max(entries.held_on),
    ).group_by(entries.provider_id)
    return {
        number: Usage(people, int(minutes), last_on)
        for number, people, minutes, last_on in session.exec(query)
    }


def _list_own(
    session: Session, rulebooks: Rulebooks, association: str, person_id: int | None = None
) -> set[int]:
    """The ids of RSC providers whom the association endorsed or vetted, or knows as endorsed."""
    rules = [key for key, _ in _list_rules(rulebooks, association)]
    endorsed = select(Endorsement.person_id).where(Endorsement.association == association)
    vetted = select(Vetting.person_id).where(Vetting.association == association)
    known = select(OutsideEndorsement.person_id).where(OutsideEndorsement.known_to == association)
    is_own = or_(
        col(Person.id).in_(vetted),
        col(Person.id).in_(known),
        and_(col(Person.id).in_(endorsed), col(Person.id).in_(select_qualified(rules))),
    )
    query = select(Person.id).where(is_own)
    if person_id is not None:
        query = query.where(Person.id == person_id)
    return set(session.exec(query))


def _belongs(session: Session, association: str, person_id: int) -> bool:
    """Whether the association endorsed or vetted a person."""
    for model in (Endorsement, Vetting):
        query = select(model.id).filter_by(association=association, person_id=person_id)
        if session.exec(query).first() is not None:
            return True
    return False


def _read_spans(
    session: Session, association: str, ids: Collection[int]
) -> dict[int, dict[str, list[Span]]]:
    query = (
        select(ProviderSpan)
        .where(
            col(ProviderSpan.rule).startswith(f"{association}/"),
            col(ProviderSpan.provider_id).in_(ids),
        )
        .order_by(col(ProviderSpan.starts_on))
    )
    spans: dict[int, dict[str, list[Span]]] = defaultdict(dict)
    for row in session.exec(query):
        of_rule = spans[row.provider_id].setdefault(row.rule, [])
        of_rule.append(Span(row.starts_on, row.ends_on))
    return spans


def _list_dependents(
    session: Session, association: str, today: date, provider_id: int
) -> list[Dependent]:
    """The endorsees who saw the provider in unsettled renewals, those with the most hours first."""
    entries = _entries_of(association, today, provider_id).c
    seen = select(entries.person_id, entries.minutes, entries.held_on).where(entries.is_open == 1)
    sessions = defaultdict[int, list[tuple[int, date]]](list)
    for person_id, minutes, held_on_day in session.exec(seen):
        sessions[person_id].append((minutes, held_on_day))
    held = (
        select(Endorsement, Person.name)
        .join(Person, col(Person.id) == Endorsement.person_id)
        .where(Endorsement.association == association, col(Endorsement.person_id).in_(sessions))
        .order_by(col(Endorsement.starts_on), col(Endorsement.id))
    )
    dependents: dict[int, Dependent] = {}
    for endorsement, name in session.exec(held):
        known = dependents.get(endorsement.person_id)
        categories = [known.category] if known else []
        if endorsement.category not in categories:
            categories.append(endorsement.category)
        own = sessions[endorsement.person_id]
        dependents[endorsement.person_id] = Dependent(
            endorsement.person_id,
            endorsement.id,
            name,
            ", ".join(categories),
            len(own),
            sum(minutes for minutes, _ in own),
            max(day for _, day in own),
        )
    return sorted(dependents.values(), key=lambda each: (-each.minutes, each.name))
