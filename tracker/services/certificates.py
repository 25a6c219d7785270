"""Issues certificates of accepted renewals, and of new endorsements.

It is part of every evaluation: a certificate is issued in the transaction that accepts or settles
the renewal. Nothing here takes one back: whether one is valid is worked out when somebody asks
(`services/certificate_checks.py`).
"""

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, exists, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from tracker.clock import local_day
from tracker.db.audit import Change, record_changes
from tracker.db.certificates import Certificate
from tracker.db.ledgers import LAST_DAY, SettledCycle
from tracker.db.people import Endorsement, Person
from tracker.db.statements import upsert
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle, cycle_containing
from tracker.rules.stages import Stage
from tracker.rules.standing import Status
from tracker.services.facts import as_date, parse_settlement

RENEWAL, ENDORSEMENT = "renewal", "endorsement"
# The characters of Open Location Code: none looks like another, and they make no words.
ALPHABET = "23456789CFGHJMPQRVWX"
GROUPS, GROUP_LENGTH = 4, 4
_SYSTEM = "evaluation"
_DAY = timedelta(days=1)
_KEY = ("endorsement_id", "kind", "cycle_starts_on", "name")
# Built once, because building a statement takes as long as running it.
_HELD = (
    select(
        col(Endorsement.id),
        col(Endorsement.association),
        col(Endorsement.category),
        col(Endorsement.starts_on),
        LAST_DAY.label("last_day"),
        col(Person.name),
    )
    .join(Person, col(Person.id) == Endorsement.person_id)
    .where(
        col(Endorsement.id).in_(bindparam("ids", expanding=True)),
        col(Endorsement.association).in_(bindparam("associations", expanding=True)),
    )
)
_SETTLED = select(
    col(SettledCycle.endorsement_id),
    col(SettledCycle.cycle_starts_on),
    col(SettledCycle.settled_on),
    col(SettledCycle.content),
).where(
    col(SettledCycle.endorsement_id).in_(bindparam("ids", expanding=True)),
    col(SettledCycle.reopened_at).is_(None),
)
_ISSUED = select(
    col(Certificate.endorsement_id),
    col(Certificate.kind),
    col(Certificate.cycle_starts_on),
    col(Certificate.name),
).where(col(Certificate.endorsement_id).in_(bindparam("ids", expanding=True)))


class RenewedEndorsement(NamedTuple):
    """A certificate of a renewal, and the endorsement and person that it is about."""

    certificate: Certificate
    endorsement: Endorsement
    person: Person


class _Held(NamedTuple):
    """An endorsement, with the name of the person who holds it; the last day is as the driver's."""

    id: int
    association: str
    category: str
    starts_on: date
    last_day: date | str | None
    name: str


class _Settled(NamedTuple):
    """A settled cycle that is not reopened."""

    endorsement_id: int
    cycle_starts_on: date
    settled_on: date
    content: str


class _Due(NamedTuple):
    """A certificate that an endorsement should have; both ends are included."""

    kind: str
    cycle_starts_on: date
    valid_from: date
    valid_through: date


def generate_number() -> str:
    """A number that nobody can guess, to be read aloud: ``B7KM-2QXD-94RT-HWZ3``."""
    groups = []
    for _ in range(GROUPS):
        groups.append("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)))
    return "-".join(groups)


def find_renewed_cycle(
    rulebooks: Rulebooks, association: str, starts_on: date, cycle_starts_on: date
) -> Cycle | None:
    """The cycle for which the renewal of the cycle with ``cycle_starts_on`` is: the next one.

    None if the rulebook has no cycles that follow.
    """
    rulebook = rulebooks.associations.get(association)
    schemes = rulebook.cycles if rulebook else ()
    cycle = cycle_containing(schemes, starts_on, cycle_starts_on)
    return cycle_containing(schemes, starts_on, cycle.ends_on + _DAY) if cycle else None


def find_renewal_certificate(
    session: Session, endorsement_id: int, cycle_starts_on: date
) -> Certificate | None:
    """The newest certificate of a renewal; None if it has none."""
    query = select_rows(Certificate).where(
        Certificate.endorsement_id == endorsement_id,
        Certificate.kind == RENEWAL,
        Certificate.cycle_starts_on == cycle_starts_on,
    )
    return session.exec(query.order_by(col(Certificate.id).desc())).first()


def list_unannounced(session: Session, association: str) -> Sequence[RenewedEndorsement]:
    """The renewals without a submission about whose certificate no email was queued, oldest first.

    Not those whose cycle is reopened, as after an audit that did not pass. Of certificates that
    differ only by a corrected name, the first one counts.
    """
    former, submission = aliased(Certificate), aliased(Submission)
    query = (
        select_rows(Certificate, Endorsement, Person)
        .join(Endorsement, col(Endorsement.id) == Certificate.endorsement_id)
        .join(Person)
        .where(
            Endorsement.association == association,
            Certificate.kind == RENEWAL,
            col(Certificate.announced_at).is_(None),
            exists().where(
                col(SettledCycle.endorsement_id) == Certificate.endorsement_id,
                col(SettledCycle.cycle_starts_on) == Certificate.cycle_starts_on,
                col(SettledCycle.reopened_at).is_(None),
            ),
            ~exists().where(
                col(former.endorsement_id) == Certificate.endorsement_id,
                col(former.kind) == RENEWAL,
                col(former.cycle_starts_on) == Certificate.cycle_starts_on,
                col(former.id) < col(Certificate.id),
            ),
            ~exists().where(
                col(submission.endorsement_id) == Certificate.endorsement_id,
                col(submission.cycle_starts_on) == Certificate.cycle_starts_on,
                col(submission.state) != Stage.RETURNED.value,
            ),
        )
        .order_by(col(Certificate.id))
    )
    return [RenewedEndorsement._make(row) for row in session.exec(query)]


def claim_certificate_mail(session: Session, certificate: Certificate, now: datetime) -> bool:
    """Note that an email about a certificate is queued; False if another process has noted it."""
    claimed = (
        update(Certificate)
        .where(
            col(Certificate.id) == certificate.id,
            col(Certificate.announced_at).is_(None),
        )
        .values(announced_at=now)
    )
    return session.exec(claimed).rowcount == 1


def issue_certificates(
    session: Session, rulebooks: Rulebooks, endorsement_ids: Collection[int], now: datetime
) -> None:
    """Issue what these endorsements should have and do not, under each person's name of today.

    A certificate whose last day is over is not issued again under another name.
    """
    if not rulebooks.certificate_issuers:
        return
    connection, issuing = session.connection(), sorted(rulebooks.certificate_issuers)
    wanted = {"ids": list(endorsement_ids), "associations": issuing}
    held = [_Held._make(row) for row in connection.execute(_HELD, wanted)]
    if not held:
        return
    these = {"ids": [row.id for row in held]}
    issued = {tuple(row) for row in connection.execute(_ISSUED, these)}
    settled: defaultdict[int, list[_Settled]] = defaultdict(list)
    for row in connection.execute(_SETTLED, these):
        settled[row.endorsement_id].append(_Settled._make(row))
    rows: list[dict[str, Any]] = []
    for each in held:
        rows += _list_new(rulebooks, each, settled[each.id], issued, now)
    _store(session, rows, now)


def reissue_certificates(
    session: Session,
    rulebooks: Rulebooks,
    now: datetime,
    *,
    person_id: int | None = None,
    association: str | None = None,
) -> None:
    """Issue certificates again whose names were corrected, of a person or an association.

    Imports correct names, too, so that every night's evaluation looks for them.
    """
    if not rulebooks.certificate_issuers:
        return
    # A day early, for every time zone.
    yesterday = now.date() - _DAY
    query = (
        select_rows(Certificate.endorsement_id)
        .join(Endorsement)
        .join(Person)
        .where(Certificate.name != Person.name, Certificate.valid_through >= yesterday)
    )
    if person_id is not None:
        query = query.where(Endorsement.person_id == person_id)
    if association is not None:
        query = query.where(Endorsement.association == association)
    session.flush()
    ids = {each for each in session.exec(query) if each is not None}
    issue_certificates(session, rulebooks, ids, now)


def _list_new(
    rulebooks: Rulebooks,
    held: _Held,
    settled: Sequence[_Settled],
    issued: Collection[tuple[Any, ...]],
    now: datetime,
) -> Iterator[dict[str, Any]]:
    """The rows of the certificates that an endorsement lacks, each with a new number."""
    for due in _list_due(rulebooks, held, settled, now):
        if (held.id, due.kind, due.cycle_starts_on, held.name) in issued:
            continue
        yield {
            "endorsement_id": held.id,
            "name": held.name,
            **due._asdict(),
            "number": generate_number(),
            "issued_at": now,
        }


def _list_due(
    rulebooks: Rulebooks, held: _Held, settled: Sequence[_Settled], now: datetime
) -> Iterator[_Due]:
    """The certificates that an endorsement should have today, whether they exist or not."""
    today = local_day(now, rulebooks.associations[held.association].time_zone)
    if held.last_day is not None and as_date(held.last_day) < today:
        return
    if (first := _find_first(rulebooks, held, today)) is not None:
        yield first
    for row in settled:
        renewal = _find_renewal(rulebooks, held, row, today)
        if renewal is not None:
            yield renewal


def _find_first(rulebooks: Rulebooks, held: _Held, today: date) -> _Due | None:
    """The certificate of a new endorsement, for the cycle in which it began."""
    rulebook, starts_on = rulebooks.associations[held.association], held.starts_on
    rule = rulebook.certificate_rule(held.category, starts_on)
    cycle = cycle_containing(rulebook.cycles, starts_on, starts_on)
    if rule is None or not rule.first or cycle is None:
        return None
    if not starts_on <= today <= cycle.ends_on:
        return None
    return _Due(ENDORSEMENT, cycle.starts_on, starts_on, _end_by(cycle.ends_on, held.last_day))


def _find_renewal(rulebooks: Rulebooks, held: _Held, settled: _Settled, today: date) -> _Due | None:
    """The certificate of a settled cycle, if it was renewed, for the cycle after it.

    It is valid from the day of issue, if that is before the first day of that cycle.
    """
    rulebook = rulebooks.associations[held.association]
    if rulebook.certificate_rule(held.category, settled.settled_on) is None:
        return None
    name = (held.association, held.starts_on)
    renewed = find_renewed_cycle(rulebooks, *name, settled.cycle_starts_on)
    if renewed is None or renewed.ends_on < today:
        return None
    if parse_settlement(settled.content).status is not Status.MET:
        return None
    through = _end_by(renewed.ends_on, held.last_day)
    return _Due(RENEWAL, settled.cycle_starts_on, min(renewed.starts_on, today), through)


def _end_by(ends_on: date, last_day: date | str | None) -> date:
    """The last day of a cycle, or that of the endorsement if it is earlier."""
    return ends_on if last_day is None else min(ends_on, as_date(last_day))


def _store(session: Session, rows: Sequence[dict[str, Any]], now: datetime) -> None:
    """Store certificates, with an audit event for each; another process may have been faster."""
    if not upsert(session, Certificate, rows, key=_KEY):
        return
    by_number = select(col(Certificate.id), col(Certificate.number)).where(
        col(Certificate.number).in_([row["number"] for row in rows])
    )
    ids = {number: id_ for id_, number in session.connection().execute(by_number)}
    audited = ("endorsement_id", "kind", "cycle_starts_on", "valid_from", "valid_through", "name")
    changes = []
    for row in rows:
        if row["number"] in ids:
            after = {name: row[name] for name in audited}
            changes.append(Change(_SYSTEM, now, "certificate", ids[row["number"]], None, after))
    record_changes(session, changes)
