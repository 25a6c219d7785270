"""Records of people are merged, erased, or moved while somebody else writes for them."""

from datetime import date
from typing import Any

from sqlmodel import Session

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, ERIN, EVE, NOW, Cast, acting
from tests.support.erasing import find_traces
from tests.support.overlap import overlap
from tests.support.referees import apply
from tracker.db.engine import writing
from tracker.db.ledgers import Outbox
from tracker.db.people import Leave, Membership, Person
from tracker.errors import UserError
from tracker.services.context import Actor, NotFound, Refused, ServiceContext, lock_person
from tracker.services.email_changes import change_email
from tracker.services.entries import EntrySource, create_entry
from tracker.services.entry_rules import EntryInput
from tracker.services.erasure import erase_person
from tracker.services.grants import add_leave, change_leave
from tracker.services.holdings import Term, change_days
from tracker.services.merging import find_record, merge_people
from tracker.services.removals import list_removable, remove_row
from tracker.services.reviews import ReviewDecision, record_review
from tracker.services.time_requests import RequestedDays
from tracker.services.unmerging import undo_removal_or_merge

NEW = "new@example.org"
CLUB = EntryInput("training", date(2026, 6, 1), 60, "Book club")


def operator(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor("tracker person"), NOW)


def carol(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)


def merge(session: Session, kept: str, other: str) -> None:
    people = find_record(session, kept), find_record(session, other)
    merge_people(operator(session), *people, "The same person", None)


def log(session: Session, cast: Cast, email: str) -> int:
    person_id = cast.people[email]
    return create_entry(acting(session, cast, email), person_id, CLUB, EntrySource("key")).id


def erase(session: Session, email: str) -> None:
    erase_person(operator(session), email, "Asked for it", ())


def move(session: Session, old: str, new: str) -> None:
    change_email(operator(session), old, new)


def codes(error: object) -> list[str]:
    assert isinstance(error, Refused), error
    return [one.code for one in error.refusals]


def test_two_records_merge_into_each_other_once(cast: Cast) -> None:
    _, error = overlap(cast.engine, lambda s: merge(s, BOB, EVE), lambda s: merge(s, EVE, BOB))
    assert isinstance(error, NotFound)
    assert [row["email"] for row in cast.rows("former_email")] == [EVE]
    assert len(cast.rows("removal")) == 1


def test_nothing_is_saved_for_a_merged_record(cast: Cast) -> None:
    _, error = overlap(cast.engine, lambda s: merge(s, EVE, ERIN), lambda s: log(s, cast, ERIN))
    assert isinstance(error, NotFound)
    assert cast.rows("entry", title=CLUB.title) == []


def test_nothing_is_saved_for_an_erased_person(cast: Cast) -> None:
    _, error = overlap(cast.engine, lambda s: erase(s, ERIN), lambda s: log(s, cast, ERIN))
    assert isinstance(error, NotFound)
    assert cast.rows("entry", person_id=cast.people[ERIN]) == []


def test_a_merge_keeps_an_address_changed_meanwhile(cast: Cast) -> None:
    overlap(cast.engine, lambda s: move(s, ERIN, NEW), lambda s: merge(s, EVE, ERIN))
    former = {row["email"]: row["person_id"] for row in cast.rows("former_email")}
    assert former == {ERIN: cast.people[EVE], NEW: cast.people[EVE]}


def test_erasing_covers_what_was_changed_meanwhile(cast: Cast) -> None:
    def change(session: Session) -> None:
        lock_person(session, cast.people[ERIN])
        session.get_one(Person, cast.people[ERIN]).provider_line = "Ask me in New Haven"

    overlap(cast.engine, change, lambda s: erase(s, ERIN))
    assert find_traces(cast.engine, "New Haven") == []


def test_nobody_is_erased_whose_mail_is_leaving(cast: Cast) -> None:
    mail: dict[str, Any] = {
        "kind": "code",
        "recipient": ERIN,
        "person_id": cast.people[ERIN],
        "subject": "",
        "body": b"",
        "created_at": NOW,
        "next_attempt_at": NOW,
    }
    with writing(cast.engine) as session:
        session.add(Outbox(dedupe_key="1", message_id="1", **mail))

    def claim(session: Session) -> None:
        session.get_one(Outbox, cast.rows("outbox")[0]["id"]).state = "sending"

    _, error = overlap(cast.engine, claim, lambda s: erase(s, ERIN))
    assert isinstance(error, UserError)
    assert find_traces(cast.engine, ERIN)


def test_a_removal_is_undone_once(cast: Cast) -> None:
    with writing(cast.engine) as session:
        [row, *_] = list_removable(session, "membership", ALICE)
        removal_id = remove_row(operator(session), row, "Wrong").id
    _, error = overlap(
        cast.engine,
        lambda s: undo_removal_or_merge(operator(s), removal_id),
        lambda s: undo_removal_or_merge(operator(s), removal_id),
    )
    assert codes(error) == ["removal-undone"]


def test_a_leave_removed_meanwhile_is_not_changed(cast: Cast) -> None:
    days = RequestedDays(date(2026, 12, 1), date(2026, 12, 24))
    with writing(cast.engine) as session:
        add_leave(carol(session), cast.endorsements[ALICE], days, "Parental")
    leave_id = cast.rows("leave")[0]["id"]

    def delete(session: Session) -> None:
        lock_person(session, cast.people[ALICE])
        session.delete(session.get_one(Leave, leave_id))

    _, error = overlap(
        cast.engine, delete, lambda s: change_leave(carol(s), leave_id, days, "Back early")
    )
    assert isinstance(error, NotFound)


def test_a_membership_removed_meanwhile_is_not_changed(cast: Cast) -> None:
    with writing(cast.engine) as session:
        [row, *_] = list_removable(session, "membership", ALICE)
    year = Term(date(2026, 1, 1), date(2026, 12, 31))
    _, error = overlap(
        cast.engine,
        lambda s: remove_row(operator(s), row, "Wrong"),
        lambda s: change_days(carol(s), Membership, row.id, year),
    )
    assert isinstance(error, NotFound)


def test_an_application_removed_meanwhile_is_not_reviewed(cast: Cast) -> None:
    with writing(cast.engine) as session:
        number = apply(session, cast.people[EVE], association="NCIMHA", state="submitted")
    with writing(cast.engine) as session:
        [row] = list_removable(session, "application", EVE)
    accepted = ReviewDecision(accepted=True)
    _, error = overlap(
        cast.engine,
        lambda s: remove_row(operator(s), row, "Wrong"),
        lambda s: record_review(carol(s), number, "competencies", accepted),
    )
    assert isinstance(error, NotFound)
