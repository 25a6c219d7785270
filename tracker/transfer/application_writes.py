"""What follows once applications are stored: their ids, and endorsements that come of them."""

from datetime import date

from sqlalchemy import Connection

from tracker.records.applying.applications import Applied
from tracker.records.applying.endorsing import begin_endorsements
from tracker.records.store.audit import Stamp
from tracker.transfer.applied import Applications, is_newly_endorsed
from tracker.transfer.known import Held, Known
from tracker.transfer.upserts import Stored


def application_ids(
    applications: Applications, known: Known, stored: Stored
) -> dict[tuple[Held, date], int]:
    """Ids by whose and for what and the day of opening, those just stored among them."""
    return {
        (held, day): each.id or stored.ids[known.person_ids[held[0]], *held[1:], day]
        for held, own in applications.after.items()
        for day, each in own.items()
    }


def begin_what_is_endorsed(
    connection: Connection, applications: Applications, stored: Stored, stamp: Stamp
) -> int:
    """Let an endorsement begin for each application that became endorsed; how many are new.

    It begins on the day of the decision, unless one covers that day.
    """
    before = {each.id: each for own in applications.stored.values() for each in own.values()}
    moved = [Applied(*(row[name] for name in Applied._fields)) for _, row in stored.moved]
    wanted = [
        ((each.person_id, each.association, each.category), each.decided_on)
        for each in moved
        if each.decided_on and is_newly_endorsed(before.get(each.id), each)
    ]
    return sum(each.new for each in begin_endorsements(connection, wanted, stamp).values())
