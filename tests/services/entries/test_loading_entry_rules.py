"""The rules for a person's entries come from their endorsements and open applications."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from tests.support.cast import ALICE, BOB, BOOKS, ERIN, EVE, NOW, Cast
from tracker.db.applications import REINSTATEMENT, Application
from tracker.db.people import Endorsement, Person
from tracker.services.entry_rules import EntryRules, load_entry_rules

# November 23 in New York and Chicago, but still November 22 in Honolulu.
MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
IN_CLOSED_CYCLE = date(2025, 6, 1)
RSC_GIVEN = "reflective supervision that you provide to others"


def load(session: Session, cast: Cast, email: str, now: datetime = NOW) -> EntryRules:
    return load_entry_rules(session, BOOKS, cast.people[email], now)


def endorse(
    session: Session, cast: Cast, email: str, association: str, starts_on: date = date(2024, 3, 1)
) -> None:
    session.add(
        Endorsement(
            person_id=cast.people[email],
            association=association,
            category="IFS",
            starts_on=starts_on,
        )
    )
    session.flush()


def apply(
    session: Session, cast: Cast, email: str, association: str, category: str, **values: object
) -> None:
    application = Application(
        person_id=cast.people[email],
        association=association,
        category=category,
        opened_on=date(2024, 12, 1),
    )
    session.add(application.sqlmodel_update(values))
    session.flush()


def set_time_zone(session: Session, cast: Cast, email: str, zone: str) -> None:
    person = col(Person.id) == cast.people[email]
    session.connection().execute(update(Person).where(person).values(time_zone=zone))


def test_an_endorsement_decides_what_can_be_entered(session: Session, cast: Cast) -> None:
    rules = load(session, cast, ALICE)
    assert rules.topics == {"rsc": {}, "training": {"DEIA": "DEIA"}}
    assert rules.provider_rules == {"NCIMHA/ifs-rsc"}
    assert rules.associations == {"NCIMHA"}
    assert rules.requires_provider


def test_an_application_decides_what_can_be_entered(session: Session, cast: Cast) -> None:
    apply(session, cast, EVE, "VAIMH", "IMHM-C")
    apply(session, cast, EVE, "VAIMH", "IFRS")
    rules = load(session, cast, EVE)
    assert rules.topics == {
        "rsc": {"RSC-GIVEN": RSC_GIVEN},
        "training": {"DEIA": "DEIA", "RSC": "RSC"},
    }
    assert list(rules.topics["training"]) == ["DEIA", "RSC"]
    assert rules.provider_rules == {"VAIMH/rsc", "VAIMH/rsc-of-mentors"}
    assert rules.associations == {"VAIMH"}


def test_a_topic_without_a_name_is_its_own_label(session: Session, cast: Cast) -> None:
    apply(session, cast, EVE, "VAIMH", "IMHM-C")
    unnamed = BOOKS.associations["VAIMH"].model_copy(update={"topic_names": {}})
    books = replace(BOOKS, associations={"VAIMH": unnamed})
    rules = load_entry_rules(session, books, cast.people[EVE], NOW)
    assert rules.topics["rsc"] == {"RSC-GIVEN": "RSC-GIVEN"}


def test_several_endorsements_and_applications_add_up(session: Session, cast: Cast) -> None:
    endorse(session, cast, ALICE, "CT-AIMH")
    endorse(session, cast, ALICE, "NCIMHA", date(2020, 3, 1))
    apply(session, cast, ALICE, "VAIMH", "IFS")
    rules = load(session, cast, ALICE)
    assert rules.associations == {"CT-AIMH", "NCIMHA", "VAIMH"}
    assert rules.provider_rules >= {"NCIMHA/ifs-rsc", "VAIMH/rsc"}
    assert rules.topics["training"] == {"DEIA": "DEIA"}


def test_an_application_follows_the_rules_of_its_day(session: Session, cast: Cast) -> None:
    # REMOVING has rules for reinstatements from January 1, 2025.
    reinstatement = {"purpose": REINSTATEMENT, "state": "submitted"}
    for email, day in ((EVE, date(2024, 12, 31)), (BOB, date(2025, 1, 1))):
        apply(session, cast, email, "REMOVING", "IFRS", submitted_on=day, **reinstatement)
    apply(session, cast, ERIN, "REMOVING", "IFRS", purpose=REINSTATEMENT)
    assert load(session, cast, EVE).provider_rules == set()
    assert "REMOVING/rsc" in load(session, cast, BOB).provider_rules
    assert "REMOVING/rsc" in load(session, cast, ERIN).provider_rules


def test_first_applications_skip_the_rules_for_reinstatement(session: Session, cast: Cast) -> None:
    apply(session, cast, EVE, "REMOVING", "IFRS")
    assert load(session, cast, EVE).provider_rules == set()


def test_decided_applications_decide_nothing_about_entries(session: Session, cast: Cast) -> None:
    day = date(2025, 1, 10)
    apply(session, cast, EVE, "VAIMH", "IMHM-C", state="declined", decided_on=day)
    assert load(session, cast, EVE).associations == set()


def test_an_endorsement_yet_to_come_has_no_topics(session: Session, cast: Cast) -> None:
    endorse(session, cast, EVE, "NCIMHA", date(2027, 3, 1))
    rules = load(session, cast, EVE)
    assert rules.associations == {"NCIMHA"}
    assert rules.topics == {"rsc": {}, "training": {}}


def test_associations_without_a_rulebook_are_ignored(session: Session, cast: Cast) -> None:
    endorse(session, cast, EVE, "GONE")
    apply(session, cast, EVE, "LOST", "IFS")
    endorse(session, cast, EVE, "ATTESTING")
    assert load(session, cast, EVE).associations == {"ATTESTING"}


@pytest.mark.parametrize(
    ("associations", "day"),
    [
        (["NCIMHA"], 23),
        (["ATTESTING"], 22),
        (["ATTESTING", "NCIMHA"], 23),
        ([], 23),
    ],
)
def test_today_is_the_latest_day_of_the_associations(
    session: Session, cast: Cast, associations: list[str], day: int
) -> None:
    for association in associations:
        endorse(session, cast, EVE, association)
    assert load(session, cast, EVE, MONDAY).today == date(2026, 11, day)


@pytest.mark.parametrize(
    ("zone", "day"), [("Pacific/Honolulu", 22), ("Asia/Tokyo", 23), ("Mars/Base", 23)]
)
def test_a_persons_time_zone_decides_their_today(
    session: Session, cast: Cast, zone: str, day: int
) -> None:
    set_time_zone(session, cast, ALICE, zone)
    assert load(session, cast, ALICE, MONDAY).today == date(2026, 11, day)


def test_locale_is_that_of_the_association(session: Session, cast: Cast) -> None:
    british = BOOKS.associations["NCIMHA"].model_copy(update={"locale": "en_GB"})
    books = replace(BOOKS, associations={**BOOKS.associations, "NCIMHA": british})
    locales = {
        email: load_entry_rules(session, books, cast.people[email], NOW).locale
        for email in (ALICE, ERIN, EVE)
    }
    assert locales == {ALICE: "en_GB", ERIN: "en_US", EVE: "en_US"}


def test_closed_cycles_are_locked_unless_an_application_waits(session: Session, cast: Cast) -> None:
    lock = load(session, cast, ALICE).lock_on(IN_CLOSED_CYCLE)
    assert lock is not None
    assert lock.grace_ends_on == date(2026, 1, 31)
    assert load(session, cast, EVE).lock_on(IN_CLOSED_CYCLE) is None
    apply(session, cast, ALICE, "NCIMHA", "IFRS")
    assert load(session, cast, ALICE).lock_on(IN_CLOSED_CYCLE) is None
