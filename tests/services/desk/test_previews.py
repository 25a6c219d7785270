"""What a preview shows: standings that move, renewals that are decided, and emails."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from email.message import EmailMessage

import pytest
from sqlmodel import Session, col, delete

from tests.services.conftest import Act
from tests.support.auditing import store_submission
from tests.support.cast import ALICE, BOB, CAROL, ERIN, EVE, NOW, Cast
from tests.support.certificates import certify
from tests.support.waiting_mail import add_mail
from tracker.db.ledgers import StandingRow
from tracker.db.people import REMOVED, Endorsement, Person
from tracker.db.signing_keys import body_cipher
from tracker.rules.audit_sampling import FrameLine
from tracker.services.context import Actor, ServiceContext
from tracker.services.desk_changes import ChangePlan, digest_rows, read_rows
from tracker.services.desk_previews import (
    ChangePreview,
    DecidedRenewal,
    PreviewedMessage,
    StandingChange,
    StoredStanding,
    preview_change,
)

LAST_YEAR, YEAR = date(2025, 1, 1), date(2026, 1, 1)
Work = Callable[[Session], None]


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def preview(context: ServiceContext, work: Work, *people: int) -> ChangePreview:
    """A preview of work on rows, for a change of people at NCIMHA."""
    plan = ChangePlan(
        "NCIMHA",
        "Change rows",
        frozenset(people),
        ("person",),
        lambda own: work(own.session),
    )
    return preview_change(context, plan)


def excuse(session: Session, endorsement_id: int, starts_on: date = YEAR) -> None:
    standing = session.get_one(StandingRow, (endorsement_id, starts_on))
    standing.status, standing.requirements = "excused", "[]"
    session.flush()


def list_moved(preview: ChangePreview) -> list[tuple[str, date]]:
    return [(moved.name, moved.cycle_starts_on) for moved in preview.standings]


def test_a_moved_standing_has_its_person_and_days(carol: ServiceContext, cast: Cast) -> None:
    alice, held = cast.people[ALICE], cast.endorsements[ALICE]
    people = {alice, cast.people[BOB]}

    def work(session: Session) -> None:
        session.get_one(Person, alice).name = "Alice Diaz"
        excuse(session, held)

    shown = preview(carol, work, *people)
    [moved] = shown.standings
    after = StoredStanding("excused", date(2026, 12, 31), ())
    assert moved == StandingChange(
        alice, "Alice Diaz", "NCIMHA", "IFS", YEAR, moved.before, after, (False, False)
    )
    assert moved.before
    assert (moved.before.status, moved.before.due_on) == ("open", date(2026, 12, 31))
    assert shown.row_count == 1
    assert shown.state == digest_rows(read_rows(carol.session, ["person"], people))
    assert carol.session.get_one(Person, alice).name == "Alice Moreno"


def test_moved_standings_are_in_the_order_of_names(carol: ServiceContext, cast: Cast) -> None:
    alice, bob = cast.endorsements[ALICE], cast.endorsements[BOB]
    carol.session.get_one(Person, cast.people[ALICE]).name = "Zed"
    carol.session.get_one(Person, cast.people[BOB]).name = "amy"

    def work(session: Session) -> None:
        excuse(session, alice)
        excuse(session, bob)
        excuse(session, bob, LAST_YEAR)

    assert list_moved(preview(carol, work)) == [("amy", LAST_YEAR), ("amy", YEAR), ("Zed", YEAR)]


def test_a_new_name_alone_moves_no_standing(carol: ServiceContext, cast: Cast) -> None:
    alice = cast.people[ALICE]

    def work(session: Session) -> None:
        session.get_one(Person, alice).name = "Alice Diaz"
        session.flush()

    assert list_moved(preview(carol, work, alice)) == []


def test_a_removed_endorsement_has_no_standing(carol: ServiceContext, cast: Cast) -> None:
    alice, bob = cast.endorsements[ALICE], cast.endorsements[BOB]
    removed = {"ends_on": NOW.date(), "ended_as": REMOVED}

    def work(session: Session) -> None:
        for name, value in removed.items():
            setattr(session.get_one(Endorsement, alice), name, value)
        session.exec(delete(StandingRow).where(col(StandingRow.endorsement_id) == alice))
        excuse(session, bob)

    moved = preview(carol, work).standings
    assert [(each.name, each.after is None, each.removed) for each in moved] == [
        ("Alice Moreno", True, (False, True)),
        ("Alice Moreno", True, (False, True)),
        ("Bob Osei", False, (False, False)),
    ]
    for name, value in removed.items():
        setattr(carol.session.get_one(Endorsement, bob), name, value)
    moved = preview(carol, lambda session: excuse(session, bob)).standings
    assert [each.removed for each in moved] == [(True, True)]


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (Actor(CAROL, None, ("NCIMHA",)), ["Alice Moreno"]),
        (Actor(CAROL, None, ("NCIMHA", "CT-AIMH")), ["Alice Moreno", "Erin Vance"]),
        (Actor("tracker person"), ["Alice Moreno"]),
    ],
)
def test_standings_are_of_the_own_associations(
    carol: ServiceContext, cast: Cast, actor: Actor, expected: list[str]
) -> None:
    """The operator sees those of the association of the change."""
    alice, erin = cast.endorsements[ALICE], cast.endorsements[ERIN]

    def work(session: Session) -> None:
        excuse(session, alice)
        excuse(session, erin)

    assert [name for name, _ in list_moved(preview(replace(carol, actor=actor), work))] == expected


def store_renewals(session: Session, cast: Cast) -> dict[str, int]:
    """Renewals of last year of four people, and their endorsements, by email."""
    held = {}
    for email in (ALICE, BOB, ERIN, EVE):
        association = "CT-AIMH" if email == ERIN else "NCIMHA"
        row = Endorsement(
            person_id=cast.people[email], association=association, category="IFA", starts_on=YEAR
        )
        session.add(row)
        session.flush()
        held[email] = row.id
    return held


def test_decided_renewals_have_their_certificates(carol: ServiceContext, cast: Cast) -> None:
    session, held = carol.session, store_renewals(carol.session, cast)
    days = {"cycle_starts_on": LAST_YEAR, "kind": "renewal"}
    ends_on = date(2025, 12, 31)
    rows = {
        email: store_submission(
            session, FrameLine("IFA", held[email], LAST_YEAR), ends_on=ends_on, state=state
        )
        for email, state in (
            (EVE, "submitted"),
            (ALICE, "submitted"),
            (BOB, "accepted"),
            (ERIN, "submitted"),
        )
    }
    again = store_submission(session, FrameLine("IFA", held[ALICE], YEAR), state="submitted")
    certify(session, held[BOB], **days)

    def work(session: Session) -> None:
        for row in (rows[EVE], rows[ALICE], rows[ERIN], again):
            row.state, row.accepted_at = "accepted", NOW
        rows[BOB].state, rows[BOB].returned_at = "returned", NOW
        certify(session, held[EVE], **days)
        certify(session, held[ALICE], **{**days, "kind": "endorsement"})
        certify(session, held[ALICE], cycle_starts_on=date(2024, 1, 1), kind="renewal")
        store_submission(session, FrameLine("IFA", held[BOB], YEAR))

    assert preview(carol, work).decided == (
        DecidedRenewal("Alice Moreno", LAST_YEAR, ends_on, "accepted", has_certificate=False),
        DecidedRenewal("Alice Moreno", YEAR, date(2027, 12, 31), "accepted", has_certificate=False),
        DecidedRenewal("Bob Osei", LAST_YEAR, ends_on, "returned", has_certificate=True),
        DecidedRenewal("Eve Chen", LAST_YEAR, ends_on, "accepted", has_certificate=True),
    )


def test_a_certificate_that_was_there_is_not_announced(carol: ServiceContext, cast: Cast) -> None:
    held = store_renewals(carol.session, cast)[ALICE]
    row = store_submission(carol.session, FrameLine("IFA", held, YEAR), state="submitted")
    certify(carol.session, held, cycle_starts_on=YEAR, kind="renewal")

    def work(session: Session) -> None:
        row.state, row.accepted_at = "accepted", NOW
        session.flush()

    assert [each.has_certificate for each in preview(carol, work).decided] == [False]


def write(text: str) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Your hours"
    message.set_content(text)
    message.add_alternative("<p>Not this</p>", subtype="html")
    return message.as_bytes().replace(b"\n", b"\r\n")


def test_new_emails_are_shown_without_numbers(carol: ServiceContext, cast: Cast) -> None:
    held = cast.endorsements[ALICE]
    known = certify(carol.session, held, cycle_starts_on=LAST_YEAR).number
    add_mail(carol.session, "before", body=write("An earlier email"))

    def work(session: Session) -> None:
        number = certify(session, held, cycle_starts_on=YEAR).number
        other = certify(session, cast.endorsements[BOB], cycle_starts_on=YEAR).number
        body = write(f"Yours is {number},\nnot {other}, and {number} replaces {known}.")
        stored = body_cipher(session).encrypt("<1@example.org>", body)
        add_mail(session, "1", body=stored, recipient=BOB, subject="Renewed")
        add_mail(session, "2", body=b"Content-Type: text/html\n\n<p>Hello</p>")
        damaged = body_cipher(session).encrypt("<another@example.org>", body)
        add_mail(session, "3", body=damaged)

    assert preview(carol, work).messages == (
        PreviewedMessage(
            BOB,
            "Renewed",
            f"Yours is (its number),\nnot (its number), and (its number) replaces {known}.\n",
        ),
        PreviewedMessage(ALICE, "Your hours", ""),
        PreviewedMessage(ALICE, "Your hours", ""),
    )


def test_the_first_twenty_emails_have_their_text(carol: ServiceContext, cast: Cast) -> None:
    def work(session: Session) -> None:
        body = write(certify(session, cast.endorsements[ALICE]).number)
        for number in range(22):
            add_mail(session, str(number), subject=f"Email {number}", body=body)

    shown = preview(carol, work).messages
    assert [message.subject for message in shown] == [f"Email {number}" for number in range(22)]
    assert [message.text for message in shown] == [*["(its number)\n"] * 20, "", ""]
    assert {message.recipient for message in shown} == {ALICE}
