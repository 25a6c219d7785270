"""What people start, open again, and leave to others of their own applications."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from tests.services.conftest import Act
from tests.services.people.test_removals import audit_events, refused_with
from tests.support.cast import ALICE, BOB, BOOKS, CAROL, EVE, NOW, Cast
from tracker.db.applications import Application
from tracker.db.corrections import FormerEmail
from tracker.db.people import Person
from tracker.services.context import NotFound, Refusal, Refused
from tracker.services.own_applications import (
    list_offered_categories,
    register_applicant,
    reopen_application,
    start_application,
)

TODAY = date(2026, 11, 22)
DAY = timedelta(days=1)
NELL = "nell@example.org"
IFS = ("NCIMHA", "IFS")


def store(session: Session, person_id: int, **values: object) -> Application:
    """An application that was withdrawn today, unless ``values`` say otherwise."""
    row: dict[str, Any] = {
        "association": "NCIMHA",
        "category": "IFS",
        "opened_on": TODAY - 30 * DAY,
    }
    row |= {"state": "withdrawn", "submitted_on": TODAY - 9 * DAY, "decided_on": TODAY, **values}
    application = Application(person_id=person_id, **row)
    session.add(application)
    session.flush()
    return application


def test_categories_with_rules_are_offered() -> None:
    def offered(day: date) -> set[tuple[str, str]]:
        return {(book.id, each) for book, each in list_offered_categories(BOOKS, lambda _: day)}

    assert {IFS, ("VAIMH", "IMHS")} <= offered(TODAY)
    # Nobody applies at an association without rules for it.
    assert "ATTESTING" not in {association for association, _ in offered(TODAY)}


def test_a_new_applicant_is_recorded_with_spaced_initials(session: Session, act: Act) -> None:
    number = register_applicant(act(NELL), NELL, "N.Reyes", IFS)
    person = session.get_one(Person, number)
    assert (person.email, person.name) == (NELL, "N. Reyes")
    [event] = audit_events(session)
    assert event[:5] == (NELL, "person", number, None, {"email": NELL, "name": "N. Reyes"})


def test_a_known_address_is_not_a_second_person(session: Session, act: Act, cast: Cast) -> None:
    assert register_applicant(act(EVE), EVE, "", ("NOWHERE", "IFS")) == cast.people[EVE]
    session.add(FormerEmail(email=NELL, person_id=cast.people[BOB], changed_at=NOW))
    refusal = refused_with(lambda: register_applicant(act(NELL), NELL, "Nell Reyes", IFS))
    facts = {"email": NELL, "present": BOB}
    assert refusal == Refusal("name", "email-was-yours", facts)
    assert len(session.exec(select(Person)).all()) == len(cast.people)


def test_a_name_and_a_category_are_refused_together(session: Session, act: Act) -> None:
    with pytest.raises(Refused) as refused:
        register_applicant(act(NELL), NELL, "", ("NOWHERE", "IFS"))
    assert refused.value.refusals == (
        Refusal("name", "applicant-name-required"),
        Refusal("category", "category-not-offered"),
    )
    assert session.exec(select(Person).where(Person.email == NELL)).all() == []


def test_an_application_starts_today_at_the_association(session: Session, act: Act) -> None:
    late = replace(act(EVE), now=datetime(2026, 11, 23, 4, 30, tzinfo=UTC))
    number = start_application(late, *IFS)
    application = session.get_one(Application, number)
    assert (application.association, application.category) == IFS
    assert (application.state, application.opened_on) == ("open", TODAY)
    assert application.person_id == late.actor.person_id


def test_a_double_click_starts_one_application(session: Session, act: Act, cast: Cast) -> None:
    eve = act(EVE)
    other = store(session, cast.people[EVE], category="ECFS", state="open", opened_on=TODAY,
                  submitted_on=None, decided_on=None)  # fmt: skip
    number = start_application(eve, *IFS)
    assert number != other.id
    assert start_application(eve, *IFS) == number
    facts = {"association": "NCIMHA", "category": "IFS", "opened_on": TODAY}
    undecided = Refusal("day", "application-undecided", facts)
    assert refused_with(lambda: start_application(replace(eve, now=NOW + DAY), *IFS)) == undecided
    session.get_one(Application, number).state = "submitted"
    assert refused_with(lambda: start_application(eve, *IFS)) == undecided
    not_offered = Refusal("category", "category-not-offered")
    assert refused_with(lambda: start_application(eve, "NOWHERE", "IFS")) == not_offered


@pytest.mark.parametrize("days", [0, 1])
def test_a_withdrawal_is_taken_back_for_a_day(
    session: Session, act: Act, cast: Cast, days: int
) -> None:
    own = store(session, cast.people[EVE], decided_on=TODAY - days * DAY)
    # Neither another category nor another association is in the way.
    for elsewhere in ({"category": "ECFS"}, {"association": "CT-AIMH"}):
        store(session, cast.people[EVE], state="open", decided_on=None, **elsewhere)
    reopen_application(act(EVE), own.id)
    session.refresh(own)
    assert (own.state, own.submitted_on, own.decided_on) == ("open", None, None)
    [event] = audit_events(session)
    assert event[:3] == (EVE, "application", own.id)
    before, after = event[3], event[4]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"state", "submitted_on", "decided_on"}


@pytest.mark.parametrize(
    ("state", "days"), [("withdrawn", 2), ("declined", 0), ("endorsed", 0), ("open", None)]
)
def test_only_a_fresh_withdrawal_is_taken_back(
    session: Session, act: Act, cast: Cast, state: str, days: int | None
) -> None:
    decided_on = None if days is None else TODAY - days * DAY
    own = store(session, cast.people[EVE], state=state, decided_on=decided_on)
    refusal = refused_with(lambda: reopen_application(act(EVE), own.id))
    assert refusal == Refusal("", "application-not-withdrawn")


def test_a_new_application_prevents_the_old_one(session: Session, act: Act, cast: Cast) -> None:
    own = store(session, cast.people[EVE])
    new = store(session, cast.people[EVE], state="open", opened_on=TODAY, decided_on=None)
    refusal = refused_with(lambda: reopen_application(act(EVE), own.id))
    facts = {"association": "NCIMHA", "category": "IFS", "opened_on": new.opened_on}
    assert refusal == Refusal("", "application-undecided", facts)
    assert own.state == "withdrawn"


def test_only_applicants_take_a_withdrawal_back(session: Session, act: Act, cast: Cast) -> None:
    own = store(session, cast.people[EVE])
    for outsider in (act(CAROL), act(ALICE)):
        with pytest.raises(NotFound):
            reopen_application(outsider, own.id)
    assert own.state == "withdrawn"
