"""What undoing a decision about an application brings back, and what is in its way."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.services.people.test_removals import refused_with
from tests.support.cast import BOB, CAROL, DANA, EVE, NOW, Cast
from tracker.db.applications import Application
from tracker.db.corrections import Removal
from tracker.db.ledgers import ProviderSpan, StandingRow
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person
from tracker.services.applications import (
    decline_application,
    endorse_applicant,
    find_undoable_decision,
    open_application,
    undo_application_decision,
    withdraw_application,
)
from tracker.services.context import NotFound, Refusal, ServiceContext

OPENED, DECIDED = date(2026, 1, 10), date(2026, 11, 20)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


@pytest.fixture
def eves(carol: ServiceContext, cast: Cast) -> int:
    """Eve, who provides RSC, has applied."""
    carol.session.get_one(Person, cast.people[EVE]).provides_rsc = True
    return open_application(carol, cast.people[EVE], "NCIMHA", "IMHM-C", OPENED).id


def find(carol: ServiceContext, *application_ids: int) -> Removal | None:
    return find_undoable_decision(carol.session, application_ids, carol.now)


def get_decision(carol: ServiceContext, application_id: int) -> Removal:
    removal = find(carol, application_id)
    assert removal is not None
    return removal


def log(session: Session, person_id: int, **values: object) -> None:
    """A session on the day of the decision, logged at the same moment."""
    row: dict[str, Any] = {"activity": "rsc", "held_on": DECIDED, "minutes": 60, "title": "RSC"}
    session.add(Entry(person_id=person_id, **{**row, "logged_at": NOW, **values}))
    session.flush()


def count_held(session: Session, person_id: int) -> tuple[int, int, int]:
    """How many endorsements a person has, with standings and days as a provider."""
    held = session.exec(select(Endorsement.id).filter_by(person_id=person_id)).all()
    standings = select(StandingRow).where(col(StandingRow.endorsement_id).in_(held))
    spans = select(ProviderSpan).filter_by(provider_id=person_id)
    return len(held), len(session.exec(standings).all()), len(session.exec(spans).all())


def test_an_undone_endorsement_leaves_nothing(carol: ServiceContext, cast: Cast, eves: int) -> None:
    session, eve = carol.session, cast.people[EVE]
    endorse_applicant(carol, eves, DECIDED)
    assert 0 not in count_held(session, eve)
    removal = get_decision(carol, eves)
    stored = (removal.person_id, removal.association, removal.subject_id, removal.description)
    assert stored == (eve, "NCIMHA", eves, "NCIMHA IMHM-C, endorsed")
    # What was decided may have been read before.
    session.get_one(Application, eves)
    undone = undo_application_decision(carol, removal)
    assert (undone.subject_id, undone.decided["state"]) == (eves, "endorsed")
    assert count_held(session, eve) == (0, 0, 0)
    application = session.get_one(Application, eves)
    assert (application.state, application.decided_on) == ("open", None)
    assert find(carol, eves) is None


@pytest.mark.parametrize("days", [0, 1])
def test_a_later_session_keeps_the_endorsement(
    carol: ServiceContext, cast: Cast, eves: int, days: int
) -> None:
    endorse_applicant(carol, eves, DECIDED)
    removal = get_decision(carol, eves)
    # One they had, and one that they provided before it.
    log(carol.session, cast.people[EVE], held_on=DECIDED + 2 * DAY, logged_at=NOW + MINUTE)
    provided = {"provider_id": cast.people[EVE], "held_on": DECIDED + days * DAY}
    log(carol.session, cast.people[BOB], **provided)
    refusal = refused_with(lambda: undo_application_decision(carol, removal))
    facts = {"held_on": DECIDED + days * DAY}
    assert refusal == Refusal("undo", "undo-logged-since", facts)


def test_the_applicants_own_session_keeps_the_endorsement(
    carol: ServiceContext, cast: Cast, eves: int
) -> None:
    endorse_applicant(carol, eves, DECIDED)
    removal = get_decision(carol, eves)
    log(carol.session, cast.people[EVE])
    refusal = refused_with(lambda: undo_application_decision(carol, removal))
    assert refusal == Refusal("undo", "undo-logged-since", {"held_on": DECIDED})


def test_other_sessions_do_not_keep_the_endorsement(
    carol: ServiceContext, cast: Cast, eves: int
) -> None:
    session, eve = carol.session, cast.people[EVE]
    endorse_applicant(carol, eves, DECIDED)
    log(session, eve, held_on=DECIDED - DAY)
    log(session, eve, logged_at=NOW - MINUTE)
    log(session, cast.people[BOB], provider_id=cast.people[DANA])
    undo_application_decision(carol, get_decision(carol, eves))
    assert count_held(session, eve) == (0, 0, 0)


def test_sessions_do_not_keep_a_decline(carol: ServiceContext, cast: Cast, eves: int) -> None:
    decline_application(carol, eves, DECIDED, "No exam")
    log(carol.session, cast.people[EVE])
    removal = get_decision(carol, eves)
    assert removal.description == "NCIMHA IMHM-C, declined"
    undo_application_decision(carol, removal)
    assert carol.session.get_one(Application, eves).answer is None


def test_only_a_new_application_alike_is_in_the_way(
    carol: ServiceContext, cast: Cast, eves: int
) -> None:
    bobs = open_application(carol, cast.people[BOB], "NCIMHA", "IMHM-C", OPENED).id
    decline_application(carol, eves, DECIDED, "No exam")
    withdraw_application(carol, bobs, DECIDED)
    both = replace(carol, actor=replace(carol.actor, coordinates=("NCIMHA", "CT-AIMH")))
    eve = cast.people[EVE]
    for person_id, association, category in (
        (cast.people[BOB], "NCIMHA", "IMHM-C"),
        (eve, "CT-AIMH", "IMHM-C"),
        (eve, "NCIMHA", "ECFS"),
    ):
        open_application(both, person_id, association, category, DECIDED + DAY)
        carol.session.add(
            Endorsement(
                person_id=person_id,
                association=association,
                category=category,
                starts_on=DECIDED,
            )
        )
    carol.session.flush()
    removal = get_decision(carol, eves)
    assert find(carol, bobs) is None
    open_application(carol, eve, "NCIMHA", "IMHM-C", DECIDED + DAY)
    assert find(carol, eves) is None
    refusal = refused_with(lambda: undo_application_decision(carol, removal))
    assert refusal.code == "undo-outdated"


def test_a_removed_application_has_nothing_to_undo(carol: ServiceContext, eves: int) -> None:
    decline_application(carol, eves, DECIDED, "No exam")
    removal = get_decision(carol, eves)
    carol.session.delete(carol.session.get_one(Application, eves))
    carol.session.flush()
    assert find(carol, eves) is None
    with pytest.raises(NotFound):
        undo_application_decision(carol, removal)
