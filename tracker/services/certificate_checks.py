"""Whether a certificate is valid today, worked out when somebody asks.

Nothing about it is stored: an endorsement that ended or lapsed yesterday makes its certificate
revoked today, whether any job has run or not. A renewal that is returned or reopened revokes its
certificate, and once it is accepted again the same certificate is valid again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from tracker.clock import local_day
from tracker.db.certificates import Certificate
from tracker.db.ledgers import LAST_DAY, SettledCycle
from tracker.db.people import Endorsement, Person
from tracker.db.statements import in_chunks
from tracker.rulebooks import Rulebooks
from tracker.rules.certificates import CertificateRule
from tracker.rules.cycles import Cycle, cycle_containing
from tracker.rules.model import Rulebook
from tracker.rules.standing import Status
from tracker.services.certificates import (
    ALPHABET,
    GROUP_LENGTH,
    GROUPS,
    RENEWAL,
    find_renewed_cycle,
)
from tracker.services.context import NotFound
from tracker.services.evaluation import days_at, judge_all
from tracker.services.facts import as_date_or_none, parse_settlement

_IDS_PER_QUERY = 1_000


class CertificateState(StrEnum):
    """Whether a certificate is valid on a day."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Revocation(StrEnum):
    """Why a certificate is revoked.

    `WITHDRAWN`: the renewal was returned or reopened, or the endorsement was a wrong record.
    `REPLACED`: the name was corrected, and another certificate issued.
    """

    ENDED = "ended"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"


class IssuedCertificate(NamedTuple):
    """A certificate as it was issued, and whose it is.

    ``name`` is as printed, ``person_name`` that of today. ``last_day`` is that of the endorsement,
    None without end. ``settled`` is what the renewed cycle came to, as it is stored; None if it was
    reopened, and for a certificate of no renewal.
    """

    id: int
    number: str
    kind: str
    cycle_starts_on: date
    name: str
    valid_from: date
    valid_through: date
    issued_at: datetime
    endorsement_id: int
    association: str
    category: str
    endorsed_on: date
    person_id: int
    person_name: str
    last_day: date | None
    settled: str | None


@dataclass(frozen=True, slots=True)
class VerifiedCertificate:
    """What anyone may know of a certificate who has its number.

    Only the number, the state, and why are known of one whose endorsement was a wrong record;
    its texts are empty. Of others, ``valid_from`` and ``valid_through`` are both included, and
    ``last_day`` is when a revoked one stopped being valid, if a day says so.
    """

    number: str
    state: CertificateState
    why: Revocation | None
    issued_on: date | None = None
    name: str = ""
    association: str = ""
    association_name: str = ""
    category: str = ""
    category_name: str = ""
    valid_from: date | None = None
    valid_through: date | None = None
    last_day: date | None = None

    @property
    def is_replaced(self) -> bool:
        """Whether the name was corrected, and another certificate issued."""
        return self.why is Revocation.REPLACED


_ISSUED = (
    select_columns(
        *(col(getattr(Certificate, name)) for name in IssuedCertificate._fields[:8]),
        col(Endorsement.id),
        col(Endorsement.association),
        col(Endorsement.category),
        col(Endorsement.starts_on),
        col(Person.id),
        col(Person.name),
        LAST_DAY,
        col(SettledCycle.content),
    )
    .join_from(Certificate, Endorsement)
    .join(Person, col(Person.id) == col(Endorsement.person_id))
    .join(
        SettledCycle,
        and_(
            col(SettledCycle.endorsement_id) == col(Certificate.endorsement_id),
            col(SettledCycle.cycle_starts_on) == col(Certificate.cycle_starts_on),
            col(SettledCycle.reopened_at).is_(None),
            col(Certificate.kind) == RENEWAL,
        ),
        isouter=True,
    )
)


def normalize_number(typed: str) -> str | None:
    """A number as it is stored; None for a text that can't be one.

    People type them in lower case, with spaces, or without dashes.
    """
    letters = [each for each in typed.upper() if each.isalnum()]
    if len(letters) != GROUPS * GROUP_LENGTH or not set(ALPHABET).issuperset(letters):
        return None
    text = "".join(letters)
    return "-".join(text[at : at + GROUP_LENGTH] for at in range(0, len(text), GROUP_LENGTH))


def verify_certificate(
    session: Session, rulebooks: Rulebooks, number: str, now: datetime
) -> VerifiedCertificate | None:
    """What a certificate is worth at the instant ``now``; None if no certificate has the number.

    ``number`` is as people type it.
    """
    normal = normalize_number(number)
    if normal is None:
        return None
    for issued in _list_issued(session, col(Certificate.number) == normal):
        return check_certificate(session, rulebooks, issued, now)
    query = select(Certificate.number).where(Certificate.number == normal)
    if session.exec(query).first() is None:
        return None
    return VerifiedCertificate(normal, CertificateState.REVOKED, Revocation.WITHDRAWN)


def list_certificates(session: Session, person_id: int) -> list[IssuedCertificate]:
    """A person's certificates, valid or not, the newest first."""
    return _list_issued(session, col(Endorsement.person_id) == person_id)


def list_newest_certificates(
    session: Session, association: str, person_ids: Collection[int]
) -> list[IssuedCertificate]:
    """The newest certificate of each endorsement that these people hold or held, by name."""
    newest = dict[int, IssuedCertificate]()
    for ids in in_chunks(person_ids, _IDS_PER_QUERY):
        own = (col(Endorsement.association) == association, col(Endorsement.person_id).in_(ids))
        for issued in _list_issued(session, *own):
            newest.setdefault(issued.endorsement_id, issued)
    return sorted(newest.values(), key=lambda one: (one.person_name.casefold(), one.id))


def get_certificate(
    session: Session,
    certificate_id: int,
    *,
    person_id: int | None = None,
    associations: Collection[str] | None = None,
) -> IssuedCertificate:
    """A certificate of a person's own, or of one of ``associations``. Raises NotFound otherwise."""
    limit = col(Endorsement.person_id) == person_id
    if associations is not None:
        limit = col(Endorsement.association).in_(associations)
    for issued in _list_issued(session, col(Certificate.id) == certificate_id, limit):
        return issued
    raise NotFound


def list_revoked(
    session: Session, rulebooks: Rulebooks, association: str, ids: range, now: datetime
) -> list[int]:
    """Which certificates of an association with these ids are revoked now.

    Those that have expired are left out: they say so themselves.
    """
    rulebook = rulebooks.associations[association]
    today = local_day(now, rulebook.time_zone)
    in_range = col(Certificate.id).between(ids.start, ids.stop - 1)
    own = (col(Endorsement.association) == association, col(Certificate.valid_through) >= today)
    issued = _list_issued(session, in_range, *own)
    doubtful = [one for one in issued if _find_revocation(one, today) is None]
    revoked = {one.id for one in issued} - {one.id for one in doubtful}
    # Of which association an endorsement was that is removed as a wrong record, is unknown. Nobody
    # else has its place in any list.
    is_removed = col(Certificate.endorsement_id).is_(None)
    removed = select(Certificate.id).where(in_range, is_removed)
    revoked |= _list_lapsed(session, rulebooks, doubtful, now)
    return sorted(revoked.union(session.exec(removed)))


def check_certificate(
    session: Session, rulebooks: Rulebooks, issued: IssuedCertificate, now: datetime
) -> VerifiedCertificate:
    """What a certificate is worth at the instant ``now``, by today's records."""
    rulebook = rulebooks.associations.get(issued.association)
    zone = rulebook.time_zone if rulebook else "UTC"
    today = local_day(now, zone)
    why = _find_revocation(issued, today)
    if why is None and _list_lapsed(session, rulebooks, [issued], now):
        why = Revocation.LAPSED
    state = CertificateState.VALID
    if why is not None:
        state = CertificateState.REVOKED
    elif issued.valid_through < today:
        state = CertificateState.EXPIRED
    category = rulebook.categories.get(issued.category) if rulebook else None
    return VerifiedCertificate(
        issued.number,
        state,
        why,
        issued_on=local_day(issued.issued_at, zone),
        name=issued.name,
        association=issued.association,
        association_name=rulebook.name if rulebook else issued.association,
        category=issued.category,
        category_name=category.name if category else issued.category,
        valid_from=issued.valid_from,
        valid_through=issued.valid_through,
        last_day=issued.last_day if why is Revocation.ENDED else None,
    )


def rule_of(rulebook: Rulebook, issued: IssuedCertificate) -> CertificateRule | None:
    """The rule by which a certificate is printed: the last that began by the day of issue.

    None if the rulebook no longer has it.
    """
    day = local_day(issued.issued_at, rulebook.time_zone)
    begun = [rule for rule in rulebook.certificates if rule.starts_from <= day]
    return begun[-1] if begun else None


def _list_issued(session: Session, *conditions: ColumnElement[bool]) -> list[IssuedCertificate]:
    """The certificates under these conditions, those that are valid the longest first."""
    query = _ISSUED.where(*conditions)
    newest = query.order_by(col(Certificate.valid_through).desc(), col(Certificate.id).desc())
    rows = map(IssuedCertificate._make, session.connection().execute(newest))
    return [row._replace(last_day=as_date_or_none(row.last_day)) for row in rows]


def _find_revocation(issued: IssuedCertificate, today: date) -> Revocation | None:
    """Why a certificate is revoked, but for a lapse; None if it is not, even if it has expired."""
    through, last_day = issued.valid_through, issued.last_day
    if through >= today and issued.name != issued.person_name:
        return Revocation.REPLACED
    if last_day is not None and last_day < min(through, today):
        return Revocation.ENDED
    if issued.kind == RENEWAL and not _is_renewed(issued):
        return Revocation.WITHDRAWN
    return None


def _list_lapsed(
    session: Session, rulebooks: Rulebooks, certificates: Iterable[IssuedCertificate], now: datetime
) -> set[int]:
    """Those of these certificates of one association whose renewals have lapsed, by their ids."""
    day_of = days_at(rulebooks, now)
    by_cycle: defaultdict[Cycle, dict[int, int]] = defaultdict(dict)
    for issued in certificates:
        cycle = _find_cycle(rulebooks, issued)
        # No renewal lapses before its due date.
        if cycle is not None and day_of(issued.association) > cycle.due_on:
            by_cycle[cycle][issued.endorsement_id] = issued.id
    lapsed = set()
    for cycle, ids in by_cycle.items():
        day = cycle.starts_on
        standings = judge_all(session, rulebooks, day_of, cycle_day=day, endorsement_ids=[*ids])
        for standing in standings:
            if standing.status is Status.LAPSED:
                lapsed.add(ids[standing.facts.subject_id])
    return lapsed


def _find_cycle(rulebooks: Rulebooks, issued: IssuedCertificate) -> Cycle | None:
    """The cycle in which a certificate is valid; None if the rulebook has no such cycle."""
    starts_on = issued.endorsed_on
    if issued.kind == RENEWAL:
        key = (issued.association, starts_on, issued.cycle_starts_on)
        return find_renewed_cycle(rulebooks, *key)
    rulebook = rulebooks.associations.get(issued.association)
    return cycle_containing(rulebook.cycles, starts_on, starts_on) if rulebook else None


def _is_renewed(issued: IssuedCertificate) -> bool:
    """Whether the cycle of a certificate is still settled as renewed."""
    if issued.settled is None:
        return False
    return parse_settlement(issued.settled).status is Status.MET
