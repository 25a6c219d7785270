"""Whom a mailing reaches: the endorsees that a filter leaves, and what is known of people.

Everything is read from the stored standings, in a fixed number of queries for any number of people,
so the page that shows a mailing before it is sent agrees with the desk's lists and the digest.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, union
from sqlalchemy import select as select_columns
from sqlmodel import Session, and_, col, exists, or_, select

from tracker.db.applications import UNDECIDED, Application
from tracker.db.ledgers import LAST_DAY, Outbox, StandingRow
from tracker.db.log import Entry, Evidence
from tracker.db.people import Endorsement, MailOff, Person, Vetting
from tracker.db.statements import in_chunks
from tracker.rules.standing import Outcome, Status
from tracker.services.dashboard import is_listed, state_on
from tracker.services.dead_addresses import has_working_second
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
    alike = _group_renewals(session, association, today)
    options = {}
    for part in chosen._fields:
        others = chosen._replace(**{part: ""})
        people, labels = defaultdict[str, set[int]](set), dict[str, str]()
        for kind, person_ids in alike.items():
            for value, label in kind.values_of(part) if kind.fits(others) else ():
                people[value] |= person_ids
                labels.setdefault(value, label)
        options[part] = [FilterOption(v, labels[v], len(people[v])) for v in sorted(people)]
    chosen_people = (person_ids for kind, person_ids in alike.items() if kind.fits(chosen))
    return Audience(sorted(set[int]().union(*chosen_people)), options)


class _RenewalKind(NamedTuple):
    """All that a filter knows of a renewal; ``missing`` has the key and the label of what is short.

    The fields are those of `AudienceFilter`.
    """

    state: str
    missing: tuple[tuple[str, str], ...]
    category: str

    def values_of(self, part: str) -> tuple[tuple[str, str], ...]:
        """The choices of one part of a filter that leave the renewal, with their labels."""
        if part == "missing":
            return self.missing
        value = getattr(self, part)
        return ((value, value),)

    def fits(self, chosen: AudienceFilter) -> bool:
        """Whether a filter leaves the renewal."""
        return (
            chosen.state in {"", self.state}
            and chosen.category in {"", self.category}
            and (not chosen.missing or chosen.missing in dict(self.missing))
        )


def _group_renewals(
    session: Session, association: str, today: date
) -> dict[_RenewalKind, set[int]]:
    """Whose listed renewals of endorsements in force are alike to a filter: there are few kinds."""
    query = _select_renewals(
        association,
        today,
        col(Endorsement.person_id),
        col(Endorsement.category),
        state_on(today),
        col(StandingRow.requirements),
    )
    alike: defaultdict[_RenewalKind, set[int]] = defaultdict(set)
    for person_id, category, state, results in session.connection().execute(query).all():
        alike[_RenewalKind(state, _list_missing(results), category)].add(person_id)
    return alike


# Many renewals have the same results.
@lru_cache(maxsize=4_096)
def _list_missing(results: str) -> tuple[tuple[str, str], ...]:
    """The key and the label of each requirement that is short."""
    _, short = _parse_results(results)
    return tuple((missing_key(result), result.label) for result in short)


def missing_key(result: StoredResult) -> str:
    """What names a requirement in a filter: ``rsc``, ``training:DEIA``, ``rsc:months``."""
    unit = "" if result.unit == "hours" else result.unit
    parts = (result.topic, result.formats, unit, str(result.year or ""))
    return ":".join([result.counts, *filter(None, parts)])


def list_recipients(
    session: Session,
    association: str,
    person_ids: Collection[int],
    today: date,
    *,
    with_documents: bool = False,
) -> list[Recipient]:
    """What a mailing needs to know of these people, by name.

    People who never had to do with the association are left out, so that no list of ids reaches
    anybody else. ``with_documents`` also finds out whose trainings lack one.
    """
    belongs, known = _list_ties(session, association, person_ids, today)
    renewals = _list_renewals(session, association, today, known)
    undocumented = _list_undocumented(session, association, today) if with_documents else set()
    mailed, off = (
        _list_mailed(session, known, today),
        _list_switched_off(session, association, known),
    )
    recipients = []
    query = select_columns(*_PERSON_COLUMNS).where(_is_one_of(Person.id, known, association))
    people = session.connection().execute(query).all()
    for person_id, name, email, second_email, refused_at, has_second in people:
        if person_id in known:
            recipients.append(
                Recipient(
                    person_id=person_id,
                    name=name,
                    email=email,
                    second_email=second_email if second_email and has_second else "",
                    is_refused=refused_at is not None,
                    belongs=person_id in belongs,
                    was_mailed_today=person_id in mailed,
                    switched_off=frozenset(off.get(person_id, ())),
                    renewals=tuple(renewals.get(person_id, ())),
                    lacks_documents=person_id in undocumented,
                )
            )
    return sorted(recipients, key=lambda one: (one.name.casefold(), one.person_id))


def _is_one_of(
    person_id: Any,  # noqa: ANN401 - a column
    person_ids: Collection[int],
    association: str,
) -> ColumnElement[bool]:
    """That a column has one of these people. Of many: anybody who has to do with an association.

    To name thousands of people takes longer than to read everybody and leave out the others.
    """
    if len(person_ids) <= _IDS_PER_QUERY:
        return col(person_id).in_(person_ids)
    everybody = union(
        *(
            select_columns(col(model.person_id)).where(col(model.association) == association)
            for model in (Endorsement, Vetting, Application)
        )
    )
    return col(person_id).in_(everybody)


def _list_ties(
    session: Session, association: str, person_ids: Collection[int], today: date
) -> tuple[set[int], set[int]]:
    """Who belongs to an association today, and who does or did."""
    wanted, belongs, known = set(person_ids), set[int](), set[int]()
    for model in (Endorsement, Vetting):
        held = select(col(model.person_id), col(model.ends_on)).where(
            model.association == association, _is_one_of(model.person_id, wanted, association)
        )
        for person_id, ends_on in session.exec(held).all():
            known.add(person_id)
            if ends_on is None or ends_on >= today:
                belongs.add(person_id)
    applied = select(Application.person_id, Application.state).where(
        Application.association == association,
        _is_one_of(Application.person_id, wanted, association),
    )
    for person_id, state in session.exec(applied):
        known.add(person_id)
        if state in UNDECIDED:
            belongs.add(person_id)
    return belongs & wanted, known & wanted


def _list_renewals(
    session: Session, association: str, today: date, person_ids: set[int]
) -> dict[int, list[RecipientRenewal]]:
    """The listed renewals of people's endorsements in force, by person, the most urgent first."""
    query = _select_renewals(
        association,
        today,
        col(Endorsement.person_id),
        col(Endorsement.category),
        *_RENEWAL_COLUMNS,
    ).where(_is_one_of(Endorsement.person_id, person_ids, association))
    by_person: defaultdict[int, list[RecipientRenewal]] = defaultdict(list)
    for person_id, category, *standing in session.connection().execute(query).all():
        by_person[person_id].append(_describe(category, standing, today))
    for renewals in by_person.values():
        renewals.sort(key=_urgency)
    return dict(by_person)


def _select_renewals(
    association: str,
    today: date,
    *columns: Any,  # noqa: ANN401 - of standings and endorsements
) -> Select[Any]:
    """The statement for the listed renewals of endorsements in force."""
    in_force = or_(LAST_DAY.is_(None), today <= LAST_DAY)
    return (
        select_columns(*columns)
        .join_from(StandingRow, Endorsement)
        .where(is_listed(association, today), in_force)
    )


# Columns, not objects: there are many, and none is changed.
_PERSON_COLUMNS = (
    col(Person.id),
    col(Person.name),
    col(Person.email),
    col(Person.second_email),
    col(Person.email_refused_at),
    has_working_second(),
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


def _list_undocumented(session: Session, association: str, today: date) -> set[int]:
    """Who has a training of a listed cycle without a file."""
    query = (
        select(Endorsement.person_id)
        .join(StandingRow)
        .where(is_listed(association, today), exists().where(_is_undocumented(today)))
        .distinct()
    )
    return set(session.exec(query))


def list_trainings(
    session: Session, association: str, today: date, person_ids: Collection[int]
) -> dict[int, list[Training]]:
    """The trainings of listed cycles without a file, by person, the oldest first."""
    query = (
        select_columns(
            col(Entry.id),
            col(Entry.person_id),
            col(Entry.held_on),
            col(Entry.title),
            col(Entry.minutes),
        )
        .select_from(StandingRow)
        .join(Endorsement)
        .join(Entry, _is_undocumented(today))
        .where(is_listed(association, today))
        .distinct()
        .order_by(col(Entry.held_on), col(Entry.id))
    )
    by_person: defaultdict[int, list[Training]] = defaultdict(list)
    for ids in in_chunks(sorted(person_ids), _IDS_PER_QUERY):
        part = query.where(col(Entry.person_id).in_(ids))
        for _, person_id, held_on, title, minutes in session.connection().execute(part):
            by_person[person_id].append(Training(held_on, title, minutes))
    return dict(by_person)


def _is_undocumented(today: date) -> ColumnElement[bool]:
    """That an entry is a training without a file, and of the person and cycle of a standing."""
    return and_(
        col(Entry.person_id) == Endorsement.person_id,
        col(Entry.held_on).between(StandingRow.cycle_starts_on, StandingRow.cycle_ends_on),
        col(Entry.held_on) <= today,
        col(Entry.activity) != _RSC,
        ~exists().where(col(Evidence.entry_id) == Entry.id),
    )


def _list_mailed(session: Session, person_ids: Collection[int], today: date) -> set[int]:
    """Who already has a mail of this day, sent or waiting."""
    mailed = set[int]()
    for ids in in_chunks(sorted(person_ids), _IDS_PER_QUERY):
        keys = {day_key(person_id, today): person_id for person_id in ids}
        found = session.exec(select(Outbox.dedupe_key).where(col(Outbox.dedupe_key).in_(keys)))
        mailed.update(keys[key] for key in found)
    return mailed


def _list_switched_off(
    session: Session, association: str, person_ids: Collection[int]
) -> dict[int, set[str]]:
    off: defaultdict[int, set[str]] = defaultdict(set)
    query = select(MailOff.person_id, MailOff.kind)
    query = query.where(_is_one_of(MailOff.person_id, person_ids, association))
    for person_id, kind in session.exec(query):
        off[person_id].add(kind)
    return off
