"""Everyone of an association in one list: who is endorsed, applies, or is vetted.

A person has a row for each renewal that the dashboard lists, for each endorsement without one, for
each undecided application, and as a vetted RSC provider. The whole association is read by a few
statements; `services/people_filter.py` filters, counts, and sorts the rows.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, null, union
from sqlalchemy import select as select_columns
from sqlmodel import Session, and_, col, exists, or_, select

from tracker.db.access import BrowserSession, SecurityEvent
from tracker.db.applications import UNDECIDED, Application
from tracker.db.ledgers import LAST_DAY, StandingRow
from tracker.db.lists import PersonMark
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.statements import in_chunks
from tracker.plain_text import plain_name
from tracker.rulebooks import Rulebooks
from tracker.rules.stages import Stage
from tracker.services.dashboard import STATES, is_listed, state_on
from tracker.services.security_events import DONE, KEPT, SIGN_IN
from tracker.services.stages import StoredRenewal, WayRecords, read_ways

# In the order in which coordinators look after them. "no renewal": nothing is due, because the
# endorsement ends before its due date or the association's records begin later.
STATUSES = (*STATES, "applying", "no renewal", "upcoming", "vetted", "ended")
# By the key and the name of an RSC provider.
WantsProvider = Callable[[str, str], bool]
_NOTHING = "[]"
_BATCH = 1_000
_YEAR = timedelta(days=365)


class RowKind(StrEnum):
    """What a row of the list is about."""

    RENEWAL = "renewal"
    ENDORSEMENT = "endorsement"
    APPLICATION = "application"
    VETTING = "vetting"


class RowKey(NamedTuple):
    """Names a row; ``id`` is that of the endorsement, application, or vetting."""

    kind: RowKind
    id: int
    cycle_starts_on: date | None = None


class PeopleRow(NamedTuple):
    """One row of the list; days are included.

    ``status`` is one of STATUSES. ``refused_at``: the first address has not worked since then, and
    ``refused_reason`` is what a mail server said.
    ``has_signed_in``: within a year. ``requirements`` is a standing's, for `parse_results`.
    ``providers`` name RSC providers since the cycle's first day, by their keys in `People`.
    ``stage`` is that of a renewal, or of an endorsement that ended; empty without one.
    """

    kind: RowKind
    id: int
    person_id: int
    name: str
    email: str
    second_email: str | None
    refused_at: datetime | None
    refused_reason: str | None
    has_signed_in: bool
    category: str
    starts_on: date
    ends_on: date | None = None
    cycle_starts_on: date | None = None
    cycle_ends_on: date | None = None
    due_on: date | None = None
    status: str = ""
    short_minutes: int = 0
    requirements: str = _NOTHING
    membership_until: date | None = None
    marks: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    stage: str = ""

    @property
    def key(self) -> RowKey:
        """What names the row in a selection."""
        return RowKey(self.kind, self.id, self.cycle_starts_on)


class People(NamedTuple):
    """All rows of an association, and the names of RSC providers by key.

    The key of a known provider is their id; of one known by name only, the name as compared.
    """

    rows: list[PeopleRow]
    providers: Mapping[str, str]


def list_people(
    session: Session,
    association: str,
    now: datetime,
    today: date,
    wants_provider: WantsProvider | None = None,
    *,
    rulebooks: Rulebooks | None = None,
) -> People:
    """Everyone of an association; ``today`` is its legal day at ``now``.

    Rows have only the RSC providers that are wanted (by key and name; default: none), because to
    read all of them takes as long as the rest; and stages only with the rulebooks.
    """
    signed_in = _signed_in_since(now - KEPT)
    ways, reinstated = None, frozenset[int]()
    if rulebooks is not None:
        ways = read_ways(session, rulebooks, association=association)
        reinstated = ways.list_reinstated()
    rows = [
        *_list_endorsed(session, association, today, signed_in, reinstated),
        *_list_applying(session, association, signed_in),
        *_list_vetted(session, association, today, signed_in),
    ]
    if ways is not None:
        rows = [row._replace(stage=_find_stage(ways, association, row, today)) for row in rows]
    marks = _list_marks(session, association)
    used: Mapping[int, tuple[str, ...]] = {}
    names: Mapping[str, str] = {}
    if wants_provider is not None:
        starts = [row.cycle_starts_on for row in rows if row.cycle_starts_on]
        since = min(starts, default=today - _YEAR)
        used, names = _list_providers(session, association, since, wants_provider)
    for number, row in enumerate(rows):
        person_id = row.person_id
        if person_id in marks or person_id in used:
            rows[number] = row._replace(
                marks=marks.get(person_id, ()), providers=used.get(person_id, ())
            )
    return People(rows, names)


def _signed_in_since(since: datetime) -> ColumnElement[bool]:
    """That a person has signed in; what happened earlier than a year ago is forgotten."""
    return or_(
        exists().where(
            col(SecurityEvent.person_id) == Person.id,
            col(SecurityEvent.kind) == SIGN_IN,
            col(SecurityEvent.outcome) == DONE,
            col(SecurityEvent.at) >= since,
        ),
        exists().where(col(BrowserSession.person_id) == Person.id),
    )


def _person_columns(signed_in: ColumnElement[bool]) -> tuple[Any, ...]:
    return (
        col(Person.id),
        col(Person.name),
        col(Person.email),
        col(Person.second_email),
        col(Person.email_refused_at),
        col(Person.email_refused_reason),
        signed_in,
    )


def _list_endorsed(
    session: Session,
    association: str,
    today: date,
    signed_in: ColumnElement[bool],
    reinstated: Collection[int],
) -> Iterator[PeopleRow]:
    """Renewals, and endorsements without one.

    An endorsement that has ended has no row if the person holds the category again, unless by a
    reinstatement: among the ``reinstated`` are the removed ones.
    """
    query = (
        select_columns(
            col(Endorsement.id),
            *_person_columns(signed_in),
            col(Endorsement.category),
            col(Endorsement.starts_on),
            LAST_DAY,
            col(StandingRow.cycle_starts_on),
            col(StandingRow.cycle_ends_on),
            col(StandingRow.due_on),
            state_on(today),
            col(StandingRow.short_minutes),
            col(StandingRow.requirements),
            col(StandingRow.membership_until),
        )
        .join(Person, col(Person.id) == Endorsement.person_id)
        .outerjoin(
            StandingRow,
            and_(col(StandingRow.endorsement_id) == Endorsement.id, is_listed(association, today)),
        )
        .where(col(Endorsement.association) == association)
    )
    ended, held = [], set()
    for values in session.connection().execute(query).all():
        kind = RowKind.ENDORSEMENT if values[11] is None else RowKind.RENEWAL
        row = PeopleRow(kind, *values)
        if kind is RowKind.ENDORSEMENT:
            status = _status_without_renewal(row, today)
            row = row._replace(status=status, short_minutes=0, requirements=_NOTHING)
        if row.status == "ended":
            ended.append(row)
        else:
            held.add((row.person_id, row.category))
            yield row
    for row in ended:
        if row.id in reinstated or (row.person_id, row.category) not in held:
            yield row


def _status_without_renewal(row: PeopleRow, today: date) -> str:
    if row.ends_on is not None and row.ends_on < today:
        return "ended"
    return "upcoming" if row.starts_on > today else "no renewal"


def _find_stage(ways: WayRecords, association: str, row: PeopleRow, today: date) -> str:
    if row.cycle_starts_on is None:
        ended = ways.removals.get(row.id, Stage.ENDED)
        return ended.value if row.status == "ended" else ""
    renewal = StoredRenewal(
        row.id,
        (association, row.category, row.starts_on),
        row.cycle_starts_on,
        row.cycle_ends_on,
        row.due_on,
        row.status,
        row.ends_on,
    )
    stage = ways.find_stored_stage(renewal, today)
    return stage.value if stage is not None else ""


def _list_applying(
    session: Session, association: str, signed_in: ColumnElement[bool]
) -> Iterator[PeopleRow]:
    query = (
        select_columns(
            col(Application.id),
            *_person_columns(signed_in),
            col(Application.category),
            col(Application.opened_on),
        )
        .join(Person, col(Person.id) == Application.person_id)
        .where(col(Application.association) == association, col(Application.state).in_(UNDECIDED))
    )
    for values in session.connection().execute(query).all():
        yield _row_without_renewal(RowKind.APPLICATION, values, None, "applying")


def _list_vetted(
    session: Session, association: str, today: date, signed_in: ColumnElement[bool]
) -> Iterator[PeopleRow]:
    """Each vetted person once, with the latest vetting."""
    query = (
        select_columns(
            col(Vetting.id),
            *_person_columns(signed_in),
            null(),
            col(Vetting.starts_on),
            col(Vetting.ends_on),
        )
        .join(Person, col(Person.id) == Vetting.person_id)
        .where(col(Vetting.association) == association)
        .order_by(col(Vetting.starts_on))
    )
    latest = {}
    for *values, ends_on in session.connection().execute(query).all():
        status = "vetted" if ends_on is None or ends_on >= today else "ended"
        row = _row_without_renewal(RowKind.VETTING, values, ends_on, status)
        latest[row.person_id] = row
    yield from latest.values()


def _row_without_renewal(
    kind: RowKind, values: Iterable[Any], ends_on: date | None, status: str
) -> PeopleRow:
    row = PeopleRow(kind, *values)
    return row._replace(category=row.category or "", ends_on=ends_on, status=status)


def _list_marks(session: Session, association: str) -> dict[int, tuple[str, ...]]:
    query = (
        select(PersonMark.person_id, PersonMark.label)
        .where(PersonMark.association == association)
        .order_by(col(PersonMark.label))
    )
    marks: dict[int, tuple[str, ...]] = {}
    for person_id, label in session.exec(query):
        marks[person_id] = (*marks.get(person_id, ()), label)
    return marks


def _list_providers(
    session: Session, association: str, since: date, wants: WantsProvider
) -> tuple[dict[int, tuple[str, ...]], dict[str, str]]:
    """The keys of everyone's wanted providers since a day, and the providers' names by key."""
    connection = session.connection()
    used: dict[int, list[str]] = {}
    names: dict[str, str] = {}
    of_association = and_(
        col(Entry.person_id).in_(_people_of(association)), col(Entry.held_on) >= since
    )
    known = and_(of_association, col(Entry.activity) == "rsc", col(Entry.provider_id).is_not(None))
    provider_id: Any = col(Entry.provider_id)
    provider_ids = connection.scalars(select_columns(provider_id).where(known).distinct())
    for ids in in_chunks(sorted(provider_ids), _BATCH):
        query = select_columns(col(Person.id), col(Person.name)).where(col(Person.id).in_(ids))
        for number, name in connection.execute(query).all():
            if wants(str(number), name):
                names[str(number)] = name
    for ids in in_chunks(map(int, names), _BATCH):
        pairs = select_columns(col(Entry.person_id), provider_id).where(
            known, col(Entry.provider_id).in_(ids)
        )
        for person_id, number in connection.execute(pairs.distinct()).all():
            used.setdefault(person_id, []).append(str(number))
    provider_name: Any = col(Entry.provider_name)
    named = select_columns(col(Entry.person_id), provider_name).where(
        of_association, col(Entry.provider_name).is_not(None)
    )
    for person_id, name in connection.execute(named.distinct()).all():
        key = plain_name(name)
        if wants(key, name) and key not in used.setdefault(person_id, []):
            names.setdefault(key, name)
            used[person_id].append(key)
    return {person_id: tuple(keys) for person_id, keys in used.items()}, names


def _people_of(association: str) -> Select[Any]:
    endorsed = select_columns(col(Endorsement.person_id)).where(
        col(Endorsement.association) == association
    )
    applying = select_columns(col(Application.person_id)).where(
        col(Application.association) == association, col(Application.state).in_(UNDECIDED)
    )
    both = union(endorsed, applying).subquery()
    return select_columns(both.c.person_id)
