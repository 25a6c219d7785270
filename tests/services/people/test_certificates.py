"""Certificates: issued with the renewal, and valid or not by the records of the day."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete
from sqlmodel import Session, col, select

from tests.support.cast import ATTESTING, BOB, BOOKS, KAI, Cast
from tests.support.certificates import LAST_DAY, RULE, TODAY, TODAY_AT_TEN, with_rulebook
from tests.support.submitting import (
    ALL_SIGNED,
    CYCLE,
    FAY,
    GIL,
    SUBMITTED_AT,
    add_endorsee,
    fill_with_fay,
)
from tracker.db.certificates import Certificate
from tracker.db.ledgers import SettledCycle
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Person
from tracker.rulebooks import Rulebooks
from tracker.services.certificate_checks import (
    CertificateState,
    Revocation,
    VerifiedCertificate,
    normalize_number,
    verify_certificate,
)
from tracker.services.certificates import (
    find_renewed_cycle,
    generate_number,
    issue_certificates,
    reissue_certificates,
)
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
DAY = timedelta(days=1)
FIRST_DAY = date(2026, 5, 1)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_fay(database_url)
    yield filled
    filled.engine.dispose()


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
    found = verify_certificate(session, books, number, TODAY_AT_TEN + (day - TODAY))
    assert found is not None
    return found


def test_an_accepted_renewal_has_one_certificate(session: Session, cast: Cast) -> None:
    submit(session, cast)
    evaluate_people(session, BOOKS, {cast.people[FAY]}, SUBMITTED_AT)
    [certificate] = issued(session)
    assert certificate.name == "Fay Lani"
    assert (certificate.valid_from, certificate.valid_through) == (date(2027, 11, 15), LAST_DAY)
    found = verify(session, certificate.number.lower().replace("-", " "))
    assert found == VerifiedCertificate(
        certificate.number,
        CertificateState.VALID,
        None,
        issued_on=date(2027, 11, 15),
        name="Fay Lani",
        association=ATTESTING,
        association_name="Association of Attestations",
        category="IFS",
        category_name="Infant Family Specialist",
        valid_from=date(2027, 11, 15),
        valid_through=LAST_DAY,
    )
    assert verify_certificate(session, BOOKS, generate_number(), SUBMITTED_AT) is None
    assert verify_certificate(session, BOOKS, "7F3K", SUBMITTED_AT) is None


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
    found = verify(session, certificate.number, term.last_day)
    assert (found.state, found.last_day) == (CertificateState.VALID, None)
    found = verify(session, certificate.number, date(2028, 7, 1))
    assert (found.why, found.last_day) == (Revocation.ENDED, term.last_day)


def test_a_corrected_name_has_another_certificate(session: Session, cast: Cast) -> None:
    submit(session, cast)
    rename_person(act(session, cast, KAI), cast.people[FAY], "Fay Lani-Kahale")
    first, second = issued(session)
    replaced, found = verify(session, first.number), verify(session, second.number)
    assert (replaced.why, replaced.is_replaced) == (Revocation.REPLACED, True)
    assert (found.state, found.is_replaced) == (CertificateState.VALID, False)
    assert (replaced.name, found.name) == ("Fay Lani", "Fay Lani-Kahale")
    assert second.valid_through == first.valid_through


def test_a_removed_endorsement_leaves_no_name(session: Session, cast: Cast) -> None:
    submit(session, cast)
    [certificate] = issued(session)
    kai = act(session, cast, KAI)
    [row] = list_removable(session, "endorsement", FAY)
    removal = remove_row(kai, row, "It was recorded twice.")
    found = verify(session, certificate.number)
    revoked = CertificateState.REVOKED
    assert found == VerifiedCertificate(certificate.number, revoked, Revocation.WITHDRAWN)
    assert (found.name, found.association, found.category) == ("", "", "")
    restore(kai, removal)
    assert verify(session, certificate.number).state is CertificateState.VALID


def test_a_rulebook_without_certificates_issues_none(session: Session, cast: Cast) -> None:
    books = with_rulebook(certificates=())
    context = replace(act(session, cast, FAY), rulebooks=books)
    submit_renewal(context, replace(RENEWAL, endorsement_id=cast.endorsements[FAY]))
    assert issued(session) == []


def test_a_first_endorsement_has_one_if_the_rulebook_says(session: Session, cast: Cast) -> None:
    books = with_rulebook(certificates=(RULE.model_copy(update={"first": True}),))
    held = session.get(Endorsement, cast.endorsements[FAY])
    assert held is not None
    held.starts_on = FIRST_DAY
    evaluate_people(session, books, {cast.people[FAY]}, SUBMITTED_AT)
    [certificate] = issued(session)
    assert certificate.kind == "endorsement"
    assert (certificate.valid_from, certificate.valid_through) == (
        date(2026, 5, 1),
        date(2027, 12, 31),
    )
    found = verify(session, certificate.number, date(2028, 2, 1), books)
    assert found.why is Revocation.LAPSED
    renewal = replace(RENEWAL, endorsement_id=held.id)
    submit_renewal(replace(act(session, cast, FAY), rulebooks=books), renewal)
    assert [one.kind for one in issued(session)] == ["endorsement", "renewal"]


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "changed"),
    [
        (FIRST_DAY, TODAY - DAY, {}),
        (FIRST_DAY, None, {"first": False}),
        (FIRST_DAY, None, {"categories": ("IFRS",)}),
        (TODAY + DAY, None, {}),
        # No cycle contains the day, or it is over.
        (date(2020, 5, 1), None, {"starts_from": date(2020, 1, 1)}),
        (date(2024, 5, 1), None, {}),
    ],
)
def test_only_endorsements_of_today_have_a_first_one(
    session: Session,
    cast: Cast,
    starts_on: date,
    ends_on: date | None,
    changed: dict[str, object],
) -> None:
    held = session.get_one(Endorsement, cast.endorsements[FAY])
    held.starts_on, held.ends_on = starts_on, ends_on
    session.flush()
    rule = RULE.model_copy(update={"first": True, **changed})
    issue_certificates(session, with_rulebook(certificates=(rule,)), [held.id], TODAY_AT_TEN)
    assert issued(session) == []


def test_an_endorsement_of_one_day_has_a_first_one(session: Session, cast: Cast) -> None:
    held = session.get_one(Endorsement, cast.endorsements[FAY])
    held.starts_on = held.ends_on = TODAY
    session.flush()
    rule = RULE.model_copy(update={"first": True, "categories": ("IFS",)})
    issue_certificates(session, with_rulebook(certificates=(rule,)), [held.id], TODAY_AT_TEN)
    [certificate] = issued(session)
    assert (certificate.valid_from, certificate.valid_through) == (TODAY, TODAY)


def test_a_renewal_has_one_by_the_rule_of_its_day(session: Session, cast: Cast) -> None:
    submit(session, cast)
    [first] = issued(session)
    session.delete(first)
    session.flush()

    def issue(now: datetime = TODAY_AT_TEN, **changed: object) -> list[tuple[date, date]]:
        books = with_rulebook(certificates=(RULE.model_copy(update=changed),))
        issue_certificates(session, books, [cast.endorsements[FAY]], now)
        days = [(one.valid_from, one.valid_through) for one in issued(session)]
        session.exec(delete(Certificate))
        return days

    assert issue(starts_from=TODAY + DAY) == issue(categories=("IFRS",)) == []
    assert issue(starts_from=TODAY, categories=("IFS",)) == [(TODAY, LAST_DAY)]
    last = TODAY_AT_TEN + (LAST_DAY - TODAY)
    assert issue(last) == [(date(2028, 1, 1), LAST_DAY)]
    assert issue(last + DAY) == []
    held = session.get_one(Endorsement, cast.endorsements[FAY])
    held.ends_on = TODAY
    session.flush()
    assert issue() == [(TODAY, TODAY)]
    settled = session.exec(select(SettledCycle)).one()
    settled.content = settled.content.replace('"status":"met"', '"status":"lapsed"')
    session.flush()
    assert issue() == []


def test_no_cycle_follows_before_the_first_scheme() -> None:
    starts_on = date(2020, 5, 1)
    assert find_renewed_cycle(BOOKS, ATTESTING, starts_on, date(2021, 1, 1)) is None
    cycle = find_renewed_cycle(BOOKS, ATTESTING, starts_on, CYCLE)
    assert cycle is not None
    assert (cycle.starts_on, cycle.ends_on) == (date(2028, 1, 1), LAST_DAY)


def test_names_are_corrected_for_whom_it_is_asked(session: Session, cast: Cast) -> None:
    add_endorsee(session, cast, GIL, "Gil Mahoe")
    both = [cast.endorsements[FAY], cast.endorsements[GIL]]
    for held in both:
        session.get_one(Endorsement, held).starts_on = FIRST_DAY
    session.flush()
    books = with_rulebook(certificates=(RULE.model_copy(update={"first": True}),))
    issue_certificates(session, books, both, TODAY_AT_TEN)
    for email in (FAY, GIL):
        session.get_one(Person, cast.people[email]).name += "-Kahale"
    # The last day on which they are valid, ten in the evening.
    last = datetime(2028, 1, 1, 8, tzinfo=UTC)
    reissue_certificates(session, books, last, association="NCIMHA")
    reissue_certificates(session, books, last, person_id=cast.people[BOB])
    assert len(issued(session)) == 2
    reissue_certificates(session, books, last, person_id=cast.people[FAY])
    assert [one.name for one in issued(session)[2:]] == ["Fay Lani-Kahale"]
    reissue_certificates(session, books, last, association=ATTESTING)
    assert [one.name for one in issued(session)[3:]] == ["Gil Mahoe-Kahale"]
    gils = issued(session)[3]
    assert gils.issued_at == last
    logged = select(AuditEvent).where(AuditEvent.table_name == "certificate")
    event = session.exec(logged.order_by(col(AuditEvent.id).desc())).first()
    assert event is not None
    assert (event.who, event.at, event.row_id) == ("evaluation", last, gils.id)
    assert event.before is None
    assert json.loads(event.after or "") == {
        "endorsement_id": both[1],
        "kind": "endorsement",
        "cycle_starts_on": "2025-01-01",
        "valid_from": "2026-05-01",
        "valid_through": "2027-12-31",
        "name": "Gil Mahoe-Kahale",
    }


@pytest.mark.parametrize("typed", ["", "7F3K", "7F3K-2QXP-94RH-WVMO", "é" * 16, "7" * 17])
def test_what_cannot_be_a_number_is_none(typed: str) -> None:
    assert normalize_number(typed) is None


def test_numbers_are_as_people_type_them() -> None:
    number = generate_number()
    assert normalize_number(f" {number.lower().replace('-', ' ')} ") == number
