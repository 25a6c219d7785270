"""Addresses of people, and what they want to get, change twice at the same moment."""

from datetime import date

from sqlmodel import Session

from tests.support.cast import BOOKS, CAROL, ERIN, NOW, Cast, acting
from tests.support.overlap import overlap, overlap_call
from tracker.db.engine import lock_names, writing
from tracker.services.context import Actor, NotFound, Refused, ServiceContext, lock_person
from tracker.services.dead_addresses import mark_address
from tracker.services.email_changes import change_email, release_email
from tracker.services.holdings import Term
from tracker.services.new_endorsees import NewEndorsee, add_endorsee
from tracker.services.notification_preferences import MailChoice, disable_kinds
from tracker.services.own_applications import register_applicant
from tracker.services.profile import confirm_second_email
from tracker.services.provider_answers import NewPerson, ProviderAnswer, confirm_names
from tracker.services.sign_in import create_sign_in

NEW, OTHER = "new@example.org", "other@example.org"


def operator(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor("tracker person"), NOW)


def carol(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)


def move(session: Session, old: str, new: str) -> None:
    change_email(operator(session), old, new)


def codes(error: object) -> list[str]:
    assert isinstance(error, Refused), error
    return [one.code for one in error.refusals]


def test_an_address_changed_twice_changes_once(cast: Cast) -> None:
    _, error = overlap(cast.engine, lambda s: move(s, ERIN, NEW), lambda s: move(s, ERIN, OTHER))
    assert isinstance(error, NotFound)
    assert cast.rows("person", id=cast.people[ERIN])[0]["email"] == NEW


def test_a_former_address_is_released_once(cast: Cast) -> None:
    with writing(cast.engine) as session:
        move(session, ERIN, NEW)
    _, error = overlap(
        cast.engine,
        lambda s: release_email(operator(s), ERIN),
        lambda s: release_email(operator(s), ERIN),
    )
    assert isinstance(error, NotFound)


def test_returned_mail_does_not_mark_another_address(cast: Cast) -> None:
    erin = cast.people[ERIN]
    _, is_marked = overlap(
        cast.engine,
        lambda s: move(s, ERIN, NEW),
        lambda s: mark_address(s, erin, ERIN, "unknown user", NOW),
    )
    assert is_marked is False
    assert cast.rows("person", id=erin)[0]["email_refused_at"] is None


def test_a_confirmed_address_waits_for_the_person(cast: Cast) -> None:
    erin = cast.people[ERIN]
    with writing(cast.engine) as session:
        code = create_sign_in(session, "token", NEW, NOW, erin)

    def confirm() -> object:
        with writing(cast.engine) as session:
            return confirm_second_email(acting(session, cast, ERIN), "token", code)

    # As `move_email` locks: in the other order both would wait for each other.
    _, person = overlap_call(
        cast.engine,
        lambda s: lock_person(s, erin),
        confirm,
        lambda s: lock_names(s, ["second email"]),
    )
    assert not isinstance(person, Exception)
    assert cast.rows("person", id=erin)[0]["second_email"] == NEW


def test_a_newcomer_registers_who_is_being_added(cast: Cast) -> None:
    new = NewEndorsee("Nina Park", NEW, "NCIMHA", "IFS", Term(date(2026, 3, 1)))
    added, registered = overlap(
        cast.engine,
        lambda s: add_endorsee(carol(s), new).person.id,
        lambda s: register_applicant(
            ServiceContext(s, BOOKS, Actor(NEW), NOW), NEW, "Nina Park", ("NCIMHA", "IFS")
        ),
    )
    assert registered == added


def test_a_new_provider_is_confirmed_once(cast: Cast) -> None:
    petra = NewPerson("Jo Hart", NEW, "master")
    answer = ProviderAnswer("NCIMHA", frozenset(["jo hart"]), petra)
    _, error = overlap(
        cast.engine,
        lambda s: confirm_names(carol(s), answer),
        lambda s: confirm_names(carol(s), answer),
    )
    assert codes(error) == ["name-not-waiting"]
    assert len(cast.rows("person", email=NEW)) == 1


def test_two_links_switch_off_both_kinds(cast: Cast) -> None:
    erin = cast.people[ERIN]
    overlap(
        cast.engine,
        lambda s: disable_kinds(operator(s), MailChoice(erin, ("pace",))),
        lambda s: disable_kinds(operator(s), MailChoice(erin, ("digest",))),
    )
    assert {row["kind"] for row in cast.rows("mail_off")} == {"pace", "digest"}
