"""Whom a coordinator may see and change on the desk."""

from datetime import date

import pytest
from sqlmodel import Session

from tests.support.cast import ALICE, BOOKS, CAROL, DANA, ERIN, EVE, NOW, Cast
from tracker.db.applications import Application
from tracker.db.people import Endorsement
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_access import (
    check_association,
    check_sole,
    get_desk_person,
    list_associations_of,
)

OPERATOR = Actor("tracker person")
COORDINATOR = Actor(CAROL, None, ("NCIMHA",))


def test_coordinators_act_for_their_associations() -> None:
    check_association(COORDINATOR, "NCIMHA")
    check_association(OPERATOR, "CT-AIMH")
    for actor, association in ((COORDINATOR, "CT-AIMH"), (Actor(ALICE, 1), "NCIMHA")):
        with pytest.raises(NotFound):
            check_association(actor, association)


def test_people_belong_by_what_they_hold(session: Session, cast: Cast) -> None:
    application = Application(
        person_id=cast.people[EVE],
        association="CT-AIMH",
        category="IFS",
        opened_on=date(2026, 1, 1),
    )
    session.add(application)
    session.flush()
    for email, association in (
        (ALICE, "NCIMHA"),
        (DANA, "NCIMHA"),  # vetted
        (ERIN, "CT-AIMH"),
        (EVE, "CT-AIMH"),  # applied
    ):
        assert list_associations_of(session, cast.people[email]) == {association}


def test_coordinators_see_their_associations_people(session: Session, cast: Cast) -> None:
    for email in (ALICE, DANA):
        person = get_desk_person(session, COORDINATOR, cast.people[email])
        assert person.email == email
    assert get_desk_person(session, OPERATOR, cast.people[EVE]).email == EVE
    for actor, person_id in (
        (COORDINATOR, cast.people[ERIN]),
        (COORDINATOR, cast.people[EVE]),
        (OPERATOR, 999),
    ):
        with pytest.raises(NotFound):
            get_desk_person(session, actor, person_id)


def test_shared_people_need_every_coordinator(session: Session, cast: Cast) -> None:
    alice = cast.people[ALICE]
    for association in ("PAYING", "CT-AIMH"):
        held = Endorsement(
            person_id=alice, association=association, category="IFS", starts_on=date(2025, 1, 1)
        )
        session.add(held)
    session.flush()
    with pytest.raises(Refused) as refused:
        check_sole(ServiceContext(session, BOOKS, COORDINATOR, NOW), alice)
    facts = {"associations": ["CT-AIMH", "PAYING"]}
    assert refused.value.refusals == (Refusal("", "person-shared", facts),)
    for actor in (OPERATOR, Actor(CAROL, None, ("NCIMHA", "CT-AIMH", "PAYING"))):
        check_sole(ServiceContext(session, BOOKS, actor, NOW), alice)
