"""Whom a mailing reaches: the endorsees that a filter leaves, and what is known of people.

Everything is read from the stored standings, in a fixed number of queries for any number of people,
so the page that shows a mailing before it is sent agrees with the desk's lists and the digest.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import select as select_columns
from sqlmodel import Session, and_, col, or_, select

from tracker.db.applications import UNDECIDED, Application
from tracker.db.ledgers import Outbox, StandingRow
from tracker.db.log import Entry, Evidence
from tracker.db.people import Endorsement, MailOff, Person, Vetting
from tracker.db.statements import in_chunks
from tracker.rules.standing import Outcome, Status
from tracker.services.dashboard import is_listed
from tracker.services.evaluation import StoredResult, parse_results
from tracker.services.mailing_rules import Recipient, RecipientRenewal, Training
from tracker.services.notices import day_key

_IDS_PER_QUERY = 1_000
_RSC = "rsc"
_OPEN = Status.OPEN.value
# What the lists call an open renewal that an even pace no longer completes.
BEHIND = "behind"


class AudienceFilter(NamedTuple):
    """A simple choice of endorsees; an empty part leaves out nobody.

    ``state`` is one of a renewal, ``missing`` what is short (as of `missing_key`).
    """

    state: str = ""
    missing: str = ""
    category: str = ""


class FilterOption(NamedTuple):
    """A choice in a filter, and how many endorsees it leaves."""

    value: str
    label: str
    people: int


@dataclass(frozen=True, slots=True)
class Audience:
    """The endorsees that a filter leaves, and the options of each of its parts by its name.

    The counts of one part are of what the other parts leave.
    """

    person_ids: list[int]
    options: Mapping[str, list[FilterOption]]


def list_audience(
    session: Session, association: str, today: date, chosen: AudienceFilter
) -> Audience:
    """The endorsees of an association with a listed renewal, as far as a filter leaves them."""
    by_person = _list_renewals(session, association, today)
    options = {}
    for part, values_of in _PARTS.items():
        others = _wanted(chosen._replace(**{part: ""}))
        people, labels = defaultdict[str, set[int]](set), dict[str, str]()
        for person_id, renewals in by_person.items():
            for renewal in renewals:
                for value, label in values_of(renewal) if _fits(renewal, others) else ():
                    people[value].add(person_id)
                    labels.setdefault(value, label)
        options[part] = [FilterOption(v, labels[v], len(people[v])) for v in sorted(people)]
    wanted = _wanted(chosen)
    chosen_people = [n for n, own in by_person.items() if any(_fits(r, wanted) for r in own)]
    return Audience(chosen_people, options)


def missing_key(result: StoredResult) -> str:
    """What names a requirement in a filter: ``rsc``, ``training:DEIA``."""
    return f"{result.counts}:{result.topic}" if result.topic else result.counts


_PARTS: dict[str, Callable[[RecipientRenewal], list[tuple[str, str]]]] = {
    "state": lambda renewal: [(renewal.state, renewal.state)],
    "missing": lambda renewal: [(missing_key(r), r.label) for r in renewal.short_results],
    "category": lambda renewal: [(renewal.category, renewal.category)],
}


def _wanted(chosen: AudienceFilter) -> dict[str, str]:
    """The parts of a filter that leave out somebody."""
    return {part: value for part, value in chosen._asdict().items() if value}


def _fits(renewal: RecipientRenewal, wanted: Mapping[str, str]) -> bool:
    return all(value in dict(_PARTS[part](renewal)) for part, value in wanted.items())


def list_recipients(
    session: Session,
    association: str,
    person_ids: Collection[int],
    today: date,
    *,
    with_trainings: bool = False,
) -> list[Recipient]:
    """What a mailing needs to know of these people, by name.

    People who never had to do with the association are left out, so that no list of ids reaches
    anybody else. ``with_trainings`` also reads the trainings without a document.
    """
    belongs, known = _list_ties(session, association, person_ids, today)
    renewals = _list_renewals(session, association, today, known)
    trainings = _list_trainings(session, association, today, known) if with_trainings else {}
    mailed, off = _list_mailed(session, known, today), _list_switched_off(session, known)
    recipients = []
    for ids in in_chunks(sorted(known), _IDS_PER_QUERY):
        people = select_columns(*_PERSON_COLUMNS).where(col(Person.id).in_(ids))
        for person_id, name, email, second_email, refused_at in session.connection().execute(
            people
        ):
            recipients.append(
                Recipient(
                    person_id=person_id,
                    name=name,
                    email=email,
                    second_email=second_email or "",
                    is_refused=refused_at is not None,
                    belongs=person_id in belongs,
                    was_mailed_today=person_id in mailed,
                    switched_off=frozenset(off.get(person_id, ())),
                    renewals=tuple(renewals.get(person_id, ())),
                    trainings=tuple(trainings.get(person_id, ())),
                )
            )
    return sorted(recipients, key=lambda one: (one.name.casefold(), one.person_id))


def _list_ties(
    session: Session, association: str, person_ids: Collection[int], today: date
) -> tuple[set[int], set[int]]:
    """Who belongs to an association today, and who does or did."""
    belongs, known = set[int](), set[int]()
    for ids in in_chunks(sorted(person_ids), _IDS_PER_QUERY):
        for model in (Endorsement, Vetting):
            held = select(col(model.person_id), col(model.ends_on)).where(
                model.association == association, col(model.person_id).in_(ids)
            )
            for person_id, ends_on in session.exec(held):
                known.add(person_id)
                if ends_on is None or ends_on >= today:
                    belongs.add(person_id)
        applied = select(Application.person_id, Application.state).where(
            Application.association == association, col(Application.person_id).in_(ids)
        )
        for person_id, state in session.exec(applied):
            known.add(person_id)
            if state in UNDECIDED:
                belongs.add(person_id)
    return belongs, known


def _list_renewals(
    session: Session, association: str, today: date, person_ids: set[int] | None = None
) -> dict[int, list[RecipientRenewal]]:
    """The listed renewals of endorsements in force, by person, the most urgent first."""
    in_force = or_(col(Endorsement.ends_on).is_(None), col(Endorsement.ends_on) >= today)
    query = (
        select_columns(col(Endorsement.person_id), col(Endorsement.category), *_RENEWAL_COLUMNS)
        .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
        .where(is_listed(association, today), in_force)
    )
    by_person: defaultdict[int, list[RecipientRenewal]] = defaultdict(list)
    # To name thousands of people takes longer than to read everybody.
    if person_ids is not None and len(person_ids) <= _IDS_PER_QUERY:
        query = query.where(col(Endorsement.person_id).in_(person_ids))
    for person_id, category, *standing in session.connection().execute(query).all():
        if person_ids is None or person_id in person_ids:
            by_person[person_id].append(_describe(category, standing, today))
    for renewals in by_person.values():
        renewals.sort(key=_urgency)
    return dict(by_person)


# Columns, not objects: there are many, and none is changed.
_PERSON_COLUMNS = (
    col(Person.id),
    col(Person.name),
    col(Person.email),
    col(Person.second_email),
    col(Person.email_refused_at),
)
_RENEWAL_COLUMNS = (
    col(StandingRow.endorsement_id),
    col(StandingRow.cycle_starts_on),
    col(StandingRow.status),
    col(StandingRow.due_on),
    col(StandingRow.membership_until),
    col(StandingRow.falls_behind_on),
    col(StandingRow.requirements),
)


def _describe(category: str, standing: Sequence[Any], today: date) -> RecipientRenewal:
    endorsement_id, cycle_starts_on, status, due_on, until, falls_behind_on, results = standing
    is_behind = falls_behind_on is not None and falls_behind_on <= today
    state = BEHIND if status == _OPEN and is_behind else status
    return RecipientRenewal(
        endorsement_id, category, cycle_starts_on, state, due_on, until, *_parse_results(results)
    )


# Many renewals have the same results.
@lru_cache(maxsize=4_096)
def _parse_results(results: str) -> tuple[tuple[StoredResult, ...], tuple[StoredResult, ...]]:
    """All results, and those that are short."""
    parsed = tuple(parse_results(results))
    return parsed, tuple(result for result in parsed if result.outcome == Outcome.SHORT.value)


def _urgency(renewal: RecipientRenewal) -> tuple[bool, date, int]:
    """Those that can still be completed first, then by due date."""
    due_on = renewal.due_on or date.max
    return not renewal.is_unfinished, due_on, renewal.endorsement_id


def _list_trainings(
    session: Session, association: str, today: date, person_ids: Collection[int]
) -> dict[int, list[Training]]:
    """The trainings of listed cycles without a file, by person, the oldest first."""
    in_cycle = and_(
        col(Entry.person_id) == Endorsement.person_id,
        col(Entry.held_on).between(StandingRow.cycle_starts_on, StandingRow.cycle_ends_on),
    )
    query = (
        select_columns(
            col(Entry.id),
            col(Entry.person_id),
            col(Entry.held_on),
            col(Entry.title),
            col(Entry.minutes),
        )
        .select_from(StandingRow)
        .join(Endorsement, col(Endorsement.id) == StandingRow.endorsement_id)
        .join(Entry, in_cycle)
        .outerjoin(Evidence, col(Evidence.entry_id) == Entry.id)
        .where(is_listed(association, today), col(Entry.activity) != _RSC)
        .where(col(Evidence.id).is_(None), col(Entry.held_on) <= today)
        .distinct()
        .order_by(col(Entry.held_on), col(Entry.id))
    )
    by_person: defaultdict[int, list[Training]] = defaultdict(list)
    for ids in in_chunks(sorted(person_ids), _IDS_PER_QUERY):
        part = query.where(col(Entry.person_id).in_(ids))
        for _, person_id, held_on, title, minutes in session.connection().execute(part):
            by_person[person_id].append(Training(held_on, title, minutes))
    return dict(by_person)


def _list_mailed(session: Session, person_ids: Collection[int], today: date) -> set[int]:
    """Who already has a mail of this day, sent or waiting."""
    mailed = set[int]()
    for ids in in_chunks(sorted(person_ids), _IDS_PER_QUERY):
        keys = {day_key(person_id, today): person_id for person_id in ids}
        found = session.exec(select(Outbox.dedupe_key).where(col(Outbox.dedupe_key).in_(keys)))
        mailed.update(keys[key] for key in found)
    return mailed


def _list_switched_off(session: Session, person_ids: Collection[int]) -> dict[int, set[str]]:
    off: defaultdict[int, set[str]] = defaultdict(set)
    for ids in in_chunks(sorted(person_ids), _IDS_PER_QUERY):
        query = select(MailOff.person_id, MailOff.kind).where(col(MailOff.person_id).in_(ids))
        for person_id, kind in session.exec(query):
            off[person_id].add(kind)
    return off
