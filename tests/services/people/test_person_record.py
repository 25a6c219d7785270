"""A person's record as the coordinators of some associations see it."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.support.cast import ALICE, ATTESTING, BOB, BOOKS, CAROL, DANA, ERIN, EVE, NOW, Cast
from tracker.db.access import SecurityEvent
from tracker.db.applications import Application
from tracker.db.corrections import FormerEmail
from tracker.db.people import REMOVED, Endorsement, Leave, Renewal, Vetting, Waiver
from tracker.services.context import Actor, NotFound, ServiceContext
from tracker.services.person_record import (
    LoggedProvider,
    PersonRecord,
    list_providers_used,
    read_person_record,
)

DAY = timedelta(days=1)
TODAY = NOW.date()
COORDINATOR = Actor(CAROL, None, ("NCIMHA", "CT-AIMH"))


def read(session: Session, person_id: int, actor: Actor = COORDINATOR) -> PersonRecord:
    return read_person_record(ServiceContext(session, BOOKS, actor, NOW), person_id)


def add_all(session: Session, *rows: object) -> None:
    for row in rows:
        session.add(row)
        session.flush()


def endorse(session: Session, person_id: int, association: str, **more: object) -> int:
    values = {"category": "IFS", "starts_on": date(2020, 1, 1), **more}
    return insert_row(
        session, "endorsement", person_id=person_id, association=association, **values
    )


def test_a_record_has_what_its_associations_may_see(session: Session, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    own = cast.endorsements[ALICE]
    other = endorse(session, alice, ATTESTING)
    for person_id in (alice, bob):
        for association in ("NCIMHA", ATTESTING):
            days = {"category": "IMHS", "opened_on": TODAY}
            insert_row(session, "application", person_id=person_id, association=association, **days)
    insert_row(
        session,
        "membership",
        person_id=alice,
        organization="OTHER",
        starts_on=date(2026, 1, 1),
        ends_on=date(2026, 12, 31),
    )
    record = read(session, alice)
    assert (record.person.email, record.associations) == (ALICE, ("NCIMHA",))
    assert (record.is_shared, record.is_own) == (True, False)
    assert [each.id for each in record.endorsements] == [own]
    assert [(each.person_id, each.association) for each in record.applications] == [
        (alice, "NCIMHA")
    ]
    terms = [(term.organization, term.starts_on.year) for term in record.memberships]
    assert sorted(terms) == [("NCIMHA", 2025), ("NCIMHA", 2026)]
    assert record.listings == []
    everywhere = Actor("alice at work", alice, ("NCIMHA", ATTESTING))
    record = read(session, alice, everywhere)
    assert (record.is_shared, record.is_own) == (False, True)
    assert [each.id for each in record.endorsements] == [other, own]
    assert [choice.association for choice in record.listings] == [ATTESTING]


def test_people_of_other_associations_have_no_record(session: Session, cast: Cast) -> None:
    assert read(session, cast.people[ERIN]).associations == ("CT-AIMH",)
    for actor in (Actor(CAROL, None, ("NCIMHA",)), Actor(ERIN, cast.people[ERIN])):
        with pytest.raises(NotFound):
            read(session, cast.people[ERIN], actor)


def test_what_was_granted_is_listed_latest_first(session: Session, cast: Cast) -> None:
    alice, own = cast.people[ALICE], cast.endorsements[ALICE]
    others = (endorse(session, alice, ATTESTING), cast.endorsements[BOB])
    for endorsement_id in (own, *others):
        held = {"endorsement_id": endorsement_id}
        for year in (2025, 2026):
            cycle = {**held, "cycle_starts_on": date(year, 1, 1), "reason": str(year)}
            days = {"starts_on": date(year, 5, 1), "ends_on": date(year, 5, 31)}
            insert_row(session, "leave", **held, **days)
            insert_row(session, "waiver", **cycle, requirement="rsc")
            insert_row(session, "renewal", **cycle, extended_due_on=date(year + 1, 2, 1))
    record = read(session, alice)
    [endorsed] = record.endorsements
    for granted, model in (
        (record.leaves, Leave),
        (record.waivers, Waiver),
        (record.extensions, Renewal),
    ):
        assert [each.endorsement for each in granted] == [endorsed, endorsed]
        assert all(isinstance(each.row, model) for each in granted)
    assert [each.row.starts_on.year for each in record.leaves] == [2026, 2025]
    assert [each.row.reason for each in record.waivers] == ["2026", "2025"]
    assert [each.row.reason for each in record.extensions] == ["2026", "2025"]


def test_vettings_are_listed_latest_first(session: Session, cast: Cast) -> None:
    dana = cast.people[DANA]
    for person_id, association, year in (
        (dana, "NCIMHA", 2024),
        (dana, "CT-AIMH", 2022),
        (dana, ATTESTING, 2023),
        (cast.people[ALICE], "NCIMHA", 2021),
    ):
        vetting = Vetting(person_id=person_id, association=association, starts_on=date(year, 1, 1))
        add_all(session, vetting)
    found = read(session, dana).vettings
    assert [(each.person_id, each.starts_on.year) for each in found] == [
        (dana, 2024),
        (dana, 2022),
        (dana, 2020),
    ]


def test_earlier_addresses_are_listed_latest_first(session: Session, cast: Cast) -> None:
    alice = cast.people[ALICE]
    for email, person_id, days in (
        ("b@example.org", alice, 2),
        ("a@example.org", alice, 1),
        ("c@example.org", alice, 3),
        (ALICE, alice, 0),
        ("d@example.org", cast.people[BOB], 0),
    ):
        former = FormerEmail(email=email, person_id=person_id, changed_at=NOW - days * DAY)
        add_all(session, former)
    assert read(session, alice).former_emails == [
        "a@example.org",
        "b@example.org",
        "c@example.org",
    ]


def test_the_last_sign_in_is_the_latest_that_succeeded(session: Session, cast: Cast) -> None:
    alice = cast.people[ALICE]
    assert read(session, alice).signed_in_at is None
    for person_id, kind, outcome, days in (
        (alice, "sign-in", "done", 5),
        (alice, "sign-in", "done", 4),
        (alice, "sign-in", "done", 6),
        (alice, "sign-in", "wrong code", 3),
        (alice, "download", "done", 2),
        (cast.people[BOB], "sign-in", "done", 1),
    ):
        add_all(
            session,
            SecurityEvent(at=NOW - days * DAY, kind=kind, outcome=outcome, person_id=person_id),
        )
    assert read(session, alice).signed_in_at == NOW - 4 * DAY


def test_removed_endorsements_are_marked(session: Session, cast: Cast) -> None:
    alice = cast.people[ALICE]
    ended = {"ends_on": date(2021, 1, 1), "ended_as": REMOVED}
    removed = endorse(session, alice, "NCIMHA", **ended)
    endorse(session, cast.people[BOB], "NCIMHA", **ended)
    assert read(session, alice).removed == {removed}


def log(session: Session, person_id: int, held_on: date, **more: object) -> None:
    values = {"activity": "rsc", "minutes": 30, "title": "RSC", "format": "individual", **more}
    insert_row(session, "entry", person_id=person_id, held_on=held_on, **values)


def decline(session: Session, person_id: int, association: str) -> None:
    application = Application(
        person_id=person_id,
        association=association,
        category="IFS",
        state="declined",
        opened_on=TODAY,
        decided_on=TODAY,
    )
    add_all(session, application)


def used(session: Session, cast: Cast, actor: Actor = COORDINATOR) -> Sequence[LoggedProvider]:
    return list_providers_used(session, actor, cast.people[ALICE])


def test_providers_are_listed_by_logged_hours(session: Session, cast: Cast) -> None:
    alice, dana, eve = (cast.people[each] for each in (ALICE, DANA, EVE))
    for day in (1, 3, 2):
        log(session, alice, date(2026, 7, day), provider_id=eve)
    log(session, alice, date(2026, 7, 4))
    log(session, alice, date(2026, 7, 5), provider_name="Dana Ruiz", minutes=10)
    log(session, cast.people[BOB], TODAY, provider_id=eve)
    assert read(session, alice).providers == [
        (dana, "Dana Ruiz", 7, 1230, date(2026, 11, 14)),
        (eve, "Eve Chen", 3, 90, date(2026, 7, 3)),
        (None, "Jo Hart", 1, 60, date(2026, 10, 19)),
        (None, "", 1, 30, date(2026, 7, 4)),
        (None, "Dana Ruiz", 1, 10, date(2026, 7, 5)),
    ]


def test_providers_are_listed_through_the_last_day(session: Session, cast: Cast) -> None:
    alice, eve = cast.people[ALICE], cast.people[EVE]
    last_day = date(2025, 3, 1)
    session.get_one(Endorsement, cast.endorsements[ALICE]).ends_on = last_day
    endorse(session, alice, "CT-AIMH", ends_on=last_day - 30 * DAY)
    decline(session, alice, "NCIMHA")
    log(session, alice, last_day, provider_id=eve)
    log(session, alice, last_day + DAY, provider_id=eve)
    assert used(session, cast) == [(eve, "Eve Chen", 1, 30, last_day)]
    assert used(session, cast, Actor(CAROL, None, (ATTESTING,))) == []
    endorse(session, alice, ATTESTING)
    everywhere = Actor(CAROL, None, ("NCIMHA", ATTESTING))
    assert sum(each.sessions for each in used(session, cast, everywhere)) == 10


def test_a_decided_application_shows_no_providers(session: Session, cast: Cast) -> None:
    decline(session, cast.people[ALICE], "CT-AIMH")
    assert used(session, cast, Actor(CAROL, None, ("CT-AIMH",))) == []
