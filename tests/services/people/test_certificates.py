"""Certificates: issued with the renewal, and valid or not by the records of the day."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from tests.support.cast import ATTESTING, BOOKS, KAI, Cast
from tests.support.submitting import ALL_SIGNED, CYCLE, FAY, SUBMITTED_AT, fill_with_fay
from tracker.db.certificates import Certificate
from tracker.db.engine import writing
from tracker.db.people import Endorsement
from tracker.rulebooks import Rulebooks
from tracker.services.certificate_checks import (
    CertificateState,
    Revocation,
    VerifiedCertificate,
    normalize_number,
    verify_certificate,
)
from tracker.services.certificates import generate_number
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.holdings import Term, change_days
from tracker.services.person_facts import rename_person
from tracker.services.removals import list_removable, remove_row, restore
from tracker.services.submissions import (
    SubmissionInput,
    restore_renewal,
    return_renewal,
    submit_renewal,
)

RENEWAL = SubmissionInput(0, CYCLE, "Fay Lani", ALL_SIGNED, "a" * 32)
# The renewal for 2028 through 2030 is accepted early; the next one is due at its end.
LAST_DAY = date(2030, 12, 31)
TODAY = SUBMITTED_AT.date()


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_fay(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def session(cast: Cast) -> Iterator[Session]:
    with writing(cast.engine) as session:
        yield session


def act(session: Session, cast: Cast, email: str) -> ServiceContext:
    person_id = cast.people.get(email)
    actor = Actor(email, person_id, () if person_id else (ATTESTING,))
    return ServiceContext(session, BOOKS, actor, SUBMITTED_AT)


def submit(session: Session, cast: Cast, key: str = "a") -> int:
    renewal = replace(RENEWAL, endorsement_id=cast.endorsements[FAY], form_key=key * 32)
    return submit_renewal(act(session, cast, FAY), renewal).id


def issued(session: Session) -> list[Certificate]:
    return list(session.exec(select(Certificate).order_by(col(Certificate.id))))


def verify(
    session: Session, number: str, day: date = TODAY, books: Rulebooks = BOOKS
) -> VerifiedCertificate:
    # Ten in the evening in Honolulu is the next day in UTC.
    at_ten = datetime(day.year, day.month, day.day, 8, tzinfo=UTC) + timedelta(days=1)
    found = verify_certificate(session, books, number, at_ten)
    assert found is not None
    return found


def test_an_accepted_renewal_has_one_certificate(session: Session, cast: Cast) -> None:
    submit(session, cast)
    evaluate_people(session, BOOKS, {cast.people[FAY]}, SUBMITTED_AT)
    [certificate] = issued(session)
    assert certificate.name == "Fay Lani"
    assert (certificate.valid_from, certificate.valid_through) == (date(2027, 11, 15), LAST_DAY)
    found = verify(session, certificate.number.lower().replace("-", " "))
    assert found.state is CertificateState.VALID
    assert found.category_name == "Infant Family Specialist"
    assert found.association_name == "Association of Attestations"


@pytest.mark.parametrize(
    ("day", "state", "why"),
    [
        (LAST_DAY - timedelta(days=1), CertificateState.VALID, None),
        (LAST_DAY, CertificateState.VALID, None),
        (date(2031, 1, 1), CertificateState.EXPIRED, None),
        # The last day of the grace period, and the day after.
        (date(2031, 1, 31), CertificateState.EXPIRED, None),
        (date(2031, 2, 1), CertificateState.REVOKED, Revocation.LAPSED),
    ],
)
def test_it_ends_by_itself_without_a_job(
    session: Session,
    cast: Cast,
    day: date,
    state: CertificateState,
    why: Revocation | None,
) -> None:
    submit(session, cast)
    [certificate] = issued(session)
    found = verify(session, certificate.number, day)
    assert (found.state, found.why) == (state, why)


def test_a_returned_renewal_revokes_it_until_accepted(session: Session, cast: Cast) -> None:
    submission_id = submit(session, cast)
    [certificate] = issued(session)
    return_renewal(act(session, cast, KAI), submission_id, "Two sessions are missing.")
    assert verify(session, certificate.number).why is Revocation.WITHDRAWN
    submit(session, cast, "b")
    assert verify(session, certificate.number).state is CertificateState.VALID
    assert len(issued(session)) == 1


def test_undoing_a_return_makes_it_valid_again(session: Session, cast: Cast) -> None:
    submission_id = submit(session, cast)
    kai = act(session, cast, KAI)
    return_renewal(kai, submission_id, "Two sessions are missing.")
    restore_renewal(kai, submission_id, "The appeal was right")
    [certificate] = issued(session)
    assert verify(session, certificate.number).state is CertificateState.VALID


def test_an_ended_endorsement_revokes_it_on_the_next_day(session: Session, cast: Cast) -> None:
    submit(session, cast)
    [certificate] = issued(session)
    term = Term(date(2020, 5, 1), date(2028, 6, 30))
    change_days(act(session, cast, KAI), Endorsement, cast.endorsements[FAY], term)
    assert verify(session, certificate.number, term.last_day).state is CertificateState.VALID
    found = verify(session, certificate.number, date(2028, 7, 1))
    assert (found.why, found.last_day) == (Revocation.ENDED, term.last_day)


def test_a_corrected_name_has_another_certificate(session: Session, cast: Cast) -> None:
    submit(session, cast)
    rename_person(act(session, cast, KAI), cast.people[FAY], "Fay Lani-Kahale")
    first, second = issued(session)
    assert verify(session, first.number).why is Revocation.REPLACED
    assert verify(session, first.number).name == "Fay Lani"
    assert verify(session, second.number).state is CertificateState.VALID
    assert verify(session, second.number).name == "Fay Lani-Kahale"
    assert second.valid_through == first.valid_through


def test_a_removed_endorsement_leaves_no_name(session: Session, cast: Cast) -> None:
    submit(session, cast)
    [certificate] = issued(session)
    kai = act(session, cast, KAI)
    [row] = list_removable(session, "endorsement", FAY)
    removal = remove_row(kai, row, "It was recorded twice.")
    found = verify(session, certificate.number)
    assert (found.why, found.name, found.association) == (Revocation.WITHDRAWN, "", "")
    restore(kai, removal)
    assert verify(session, certificate.number).state is CertificateState.VALID


def test_a_rulebook_without_certificates_issues_none(session: Session, cast: Cast) -> None:
    own = BOOKS.associations[ATTESTING].model_copy(update={"certificates": ()})
    books = replace(BOOKS, associations={**BOOKS.associations, ATTESTING: own})
    context = replace(act(session, cast, FAY), rulebooks=books)
    submit_renewal(context, replace(RENEWAL, endorsement_id=cast.endorsements[FAY]))
    assert issued(session) == []


def test_a_first_endorsement_has_one_if_the_rulebook_says(session: Session, cast: Cast) -> None:
    own = BOOKS.associations[ATTESTING]
    rule = own.certificates[0].model_copy(update={"first": True})
    own = own.model_copy(update={"certificates": (rule,)})
    books = replace(BOOKS, associations={**BOOKS.associations, ATTESTING: own})
    held = session.get(Endorsement, cast.endorsements[FAY])
    assert held is not None
    held.starts_on = date(2026, 5, 1)
    evaluate_people(session, books, {cast.people[FAY]}, SUBMITTED_AT)
    [certificate] = issued(session)
    assert certificate.kind == "endorsement"
    assert (certificate.valid_from, certificate.valid_through) == (
        date(2026, 5, 1),
        date(2027, 12, 31),
    )
    found = verify(session, certificate.number, date(2028, 2, 1), books)
    assert found.why is Revocation.LAPSED


@pytest.mark.parametrize("typed", ["", "7F3K", "7F3K-2QXP-94RH-WVMO", "é" * 16, "7" * 17])
def test_what_cannot_be_a_number_is_none(typed: str) -> None:
    assert normalize_number(typed) is None


def test_numbers_are_as_people_type_them() -> None:
    number = generate_number()
    assert normalize_number(f" {number.lower().replace('-', ' ')} ") == number
