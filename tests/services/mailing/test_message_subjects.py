"""What a waiting message is about, and when that is no longer true."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from tests.rules.case_data import CasePeople
from tests.support.cast import NOW
from tests.support.certificates import certify
from tests.support.waiting_mail import add_mail
from tracker.db.applications import Application
from tracker.db.ledgers import Outbox, SettledCycle
from tracker.db.people import Endorsement
from tracker.services.message_subjects import (
    About,
    list_endorsed_applications,
    list_outdated,
    mark_outdated,
)

DAY = timedelta(days=1)
FIRST, DECIDED, LAST = date(2024, 3, 1), date(2024, 6, 1), date(2026, 2, 28)
CYCLE = date(2025, 1, 1)


@pytest.fixture
def people(empty_session: Session) -> CasePeople:
    people = CasePeople(empty_session)
    people.add("Abe", [f"NCIMHA IFS {FIRST}..{LAST}"])
    people.add("Bea", ["NCIMHA IFS 2024-03-01"])
    return people


@pytest.fixture
def session(people: CasePeople) -> Session:
    return people.session


def apply(people: CasePeople, name: str, **values: object) -> Application:
    """Store an application that was endorsed, or with other values."""
    fixed: dict[str, Any] = {
        "association": "NCIMHA",
        "category": "IFS",
        "opened_on": date(2023, 1, 1),
        "state": "endorsed",
        "decided_on": DECIDED,
    }
    row = Application(person_id=people.ids[name], **{**fixed, **values})
    people.session.add(row)
    people.session.flush()
    return row


def test_a_row_that_is_gone_or_changed_outdates_a_message(
    people: CasePeople, session: Session
) -> None:
    opened = apply(people, "Abe", state="open", decided_on=None)
    held = people.endorsements["Abe: NCIMHA IFS"]
    current = [
        About("application", opened.id, "open"),
        About("application", opened.id),
        About("endorsement", held),
    ]
    outdated = {
        About("application", opened.id, "submitted"),
        About("application", opened.id + 1, "open"),
        About("application", opened.id + 1),
        About("endorsement", held + 9),
        About("certificate", 1),
    }
    assert list_outdated(session, [*current, *outdated]) == outdated
    assert list_outdated(session, current) == set()


def test_an_application_is_endorsed_by_its_endorsement(
    people: CasePeople, session: Session
) -> None:
    kept = [
        apply(people, "Abe", decided_on=FIRST),
        apply(people, "Abe", decided_on=LAST, opened_on=date(2023, 1, 2)),
    ]
    open_ended = apply(people, "Bea", decided_on=LAST + DAY)
    lost = [
        apply(people, "Abe", decided_on=FIRST - DAY, opened_on=date(2023, 1, 3)),
        apply(people, "Abe", decided_on=LAST + DAY, opened_on=date(2023, 1, 4)),
        apply(people, "Abe", category="ECFS"),
        apply(people, "Abe", association="CT-AIMH"),
    ]
    declined = apply(people, "Abe", state="declined", opened_on=date(2023, 1, 5))
    away = apply(people, "Abe", state="declined", category="IMHS")
    abouts = {
        row.id: About("application", row.id, row.state)
        for row in (*kept, open_ended, *lost, declined, away)
    }
    assert list_outdated(session, abouts.values()) == {abouts[row.id] for row in lost}
    found = {
        name: list_endorsed_applications(
            session, session.get_one(Endorsement, people.endorsements[f"{name}: NCIMHA IFS"])
        )
        for name in ("Abe", "Bea")
    }
    assert {name: sorted(ids) for name, ids in found.items()} == {
        "Abe": [row.id for row in kept],
        "Bea": [open_ended.id],
    }


def test_a_certificate_needs_its_settled_renewal(people: CasePeople, session: Session) -> None:
    held = people.endorsements["Abe: NCIMHA IFS"]
    other = people.endorsements["Bea: NCIMHA IFS"]
    reopened: dict[str, Any] = {"reopened_at": NOW, "reopened_by": "carol@example.org"}
    for number, first, values in (
        (held, CYCLE, {}),
        (other, CYCLE + DAY, {}),
        (held, CYCLE + 2 * DAY, reopened),
    ):
        row = SettledCycle(
            endorsement_id=number, cycle_starts_on=first, settled_on=LAST, content="{}", **values
        )
        session.add(row)
    session.flush()
    certificates = [
        certify(session, held, kind="renewal", cycle_starts_on=CYCLE),
        certify(session, other, kind="renewal", cycle_starts_on=CYCLE),
        certify(session, held, kind="renewal", cycle_starts_on=CYCLE + DAY),
        certify(session, held, kind="renewal", cycle_starts_on=CYCLE + 2 * DAY),
        certify(session, None, kind="renewal", cycle_starts_on=CYCLE),
    ]
    abouts = [About("certificate", each.id) for each in certificates]
    assert list_outdated(session, abouts) == set(abouts[1:])


def test_waiting_messages_of_people_are_marked(people: CasePeople, session: Session) -> None:
    ids = people.ids
    add_mail(session, "1", person_id=ids["Abe"])
    add_mail(session, "2", person_id=ids["Abe"], state="sending")
    add_mail(session, "3", person_id=ids["Bea"])
    add_mail(session, "4")
    mark_outdated(session, [ids["Abe"]])
    session.expire_all()
    marked = session.exec(select(Outbox.is_outdated).order_by(col(Outbox.dedupe_key)))
    assert marked.all() == [True, None, None, None]
