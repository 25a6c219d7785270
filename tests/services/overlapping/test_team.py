"""A team is changed twice at the same moment."""

from datetime import date, timedelta

from sqlmodel import Session

from tests.support.cast import BOOKS, CAROL, NOW, Cast
from tests.support.overlap import overlap
from tracker.db.engine import writing
from tracker.services.context import Actor, Refused, ServiceContext
from tracker.services.team import (
    NewMember,
    add_member,
    change_team_setting,
    end_member,
    find_member,
)

TODAY = date(2026, 11, 22)
RUTH, SAM = "ruth@example.org", "sam@example.org"


def carol(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)


def add(session: Session, cast: Cast, email: str, role: str = "coordinator") -> int:
    name = email.partition("@")[0].title()
    member = NewMember("NCIMHA", email, name, role, TODAY)
    return add_member(carol(session), cast.settings, member)


def end(session: Session, cast: Cast, email: str) -> None:
    members = {str(row["email"]): str(row["id"]) for row in cast.rows("team_role")}
    member = find_member(session, cast.settings, "NCIMHA", members[email])
    end_member(carol(session), cast.settings, member, TODAY + timedelta(days=1))


def test_two_coordinators_cannot_end_each_other(cast: Cast) -> None:
    with writing(cast.engine) as session:
        add(session, cast, RUTH)
    _, error = overlap(cast.engine, lambda s: end(s, cast, CAROL), lambda s: end(s, cast, RUTH))
    assert isinstance(error, Refused)
    assert [one.code for one in error.refusals] == ["last-coordinator"]
    assert [row["email"] for row in cast.rows("team_role", ends_on=None)] == [RUTH]


def test_two_first_members_store_the_coordinator_once(cast: Cast) -> None:
    overlap(
        cast.engine, lambda s: add(s, cast, RUTH, "viewer"), lambda s: add(s, cast, SAM, "viewer")
    )
    assert [row["email"] for row in cast.rows("team_role")] == [CAROL, RUTH, SAM]


def test_a_member_added_twice_is_refused_once(cast: Cast) -> None:
    with writing(cast.engine) as session:
        add(session, cast, SAM)
    _, error = overlap(cast.engine, lambda s: add(s, cast, RUTH), lambda s: add(s, cast, RUTH))
    assert isinstance(error, Refused)
    assert [one.code for one in error.refusals] == ["role-already-held"]


def test_the_first_settings_of_a_team_do_not_collide(cast: Cast) -> None:
    overlap(
        cast.engine,
        lambda s: change_team_setting(carol(s), "NCIMHA", notes="Ask Ruth."),
        lambda s: change_team_setting(carol(s), "NCIMHA", requires_second_factor=True),
    )
    [setting] = cast.rows("team_setting")
    assert (setting["notes"], setting["requires_second_factor"]) == ("Ask Ruth.", True)
