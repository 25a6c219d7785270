"""What a waiting message is about: the row that has to be as it was for the message to be true."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col, or_
from sqlmodel import select as select_rows

from tracker.db.applications import Application
from tracker.db.certificates import Certificate
from tracker.db.ledgers import Outbox, SettledCycle
from tracker.db.people import Endorsement
from tracker.db.tables import METADATA

_APPLICATION = str(Application.__tablename__)
_CERTIFICATE = str(Certificate.__tablename__)
_ENDORSED = "endorsed"


class About(NamedTuple):
    """A row (its table and id) and the state of it that makes a message true (None: any)."""

    kind: str
    id: int
    state: str | None = None


def list_outdated(session: Session, abouts: Iterable[About]) -> set[About]:
    """Those whose row is gone, or is in another state by now."""
    by_kind: defaultdict[str, set[About]] = defaultdict(set)
    for about in abouts:
        by_kind[about.kind].add(about)
    outdated = set[About]()
    for kind, group in by_kind.items():
        table = METADATA.tables[kind]
        columns = [table.c.id, *([table.c.state] if "state" in table.c else [])]
        ids = {about.id for about in group}
        rows = session.connection().execute(select(*columns).where(table.c.id.in_(ids)))
        states = {row.id: getattr(row, "state", None) for row in rows}
        for about in group:
            is_there = about.id in states and about.state in {None, states[about.id]}
            if not is_there:
                outdated.add(about)
    outdated |= _list_reopened(session, by_kind[_CERTIFICATE])
    return outdated | _list_unendorsed(session, by_kind[_APPLICATION])


def _list_reopened(session: Session, abouts: Collection[About]) -> set[About]:
    """The certificates of renewals that were reopened, or whose endorsement was removed."""
    settled = (
        select_rows(Certificate.id)
        .join(
            SettledCycle,
            (col(SettledCycle.endorsement_id) == Certificate.endorsement_id)
            & (col(SettledCycle.cycle_starts_on) == Certificate.cycle_starts_on),
        )
        .where(
            col(Certificate.id).in_({about.id for about in abouts}),
            col(SettledCycle.reopened_at).is_(None),
        )
    )
    still = set(session.exec(settled))
    return {about for about in abouts if about.id not in still}


def _list_unendorsed(session: Session, abouts: Collection[About]) -> set[About]:
    """The endorsed applications whose endorsement was removed."""
    endorsed = {about.id: about for about in abouts if about.state == _ENDORSED}
    covered = (
        select_rows(Application.id)
        .join(
            Endorsement,
            (col(Endorsement.person_id) == Application.person_id)
            & (col(Endorsement.association) == Application.association)
            & (col(Endorsement.category) == Application.category),
        )
        .where(
            col(Application.id).in_(endorsed),
            col(Endorsement.starts_on) <= col(Application.decided_on),
            or_(
                col(Endorsement.ends_on).is_(None),
                col(Endorsement.ends_on) >= col(Application.decided_on),
            ),
        )
    )
    still = set(session.exec(covered))
    return {about for number, about in endorsed.items() if number not in still}


def list_endorsed_applications(session: Session, endorsement: Endorsement) -> list[int]:
    """The ids of the applications that were endorsed with an endorsement."""
    query = select_rows(Application.id).where(
        Application.person_id == endorsement.person_id,
        Application.association == endorsement.association,
        Application.category == endorsement.category,
        Application.state == _ENDORSED,
        col(Application.decided_on) >= endorsement.starts_on,
    )
    if endorsement.ends_on is not None:
        query = query.where(col(Application.decided_on) <= endorsement.ends_on)
    return list(session.exec(query))


def mark_outdated(session: Session, people: Collection[int]) -> None:
    """Have the waiting messages of people checked before they leave, even very recent ones."""
    waiting = col(Outbox.person_id).in_(people) & (col(Outbox.state) == "waiting")
    outbox = METADATA.tables["outbox"]
    session.connection().execute(outbox.update().where(waiting).values(is_outdated=True))
