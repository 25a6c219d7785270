"""Lists of certificates: of people and associations, revoked, and not announced yet."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlmodel import Session, select

from tests.support.cast import ATTESTING, BOB, BOOKS, KAI, Cast
from tests.support.certificates import LAST_DAY, RULE, TODAY, TODAY_AT_TEN, certify, with_rulebook
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
from tracker.db.people import Endorsement
from tracker.db.submissions import Submission
from tracker.services.certificate_checks import (
    CertificateState,
    IssuedCertificate,
    get_certificate,
    list_certificates,
    list_newest_certificates,
    list_revoked,
    rule_of,
    verify_certificate,
)
from tracker.services.certificates import (
    claim_certificate_mail,
    find_renewal_certificate,
    list_unannounced,
)
from tracker.services.context import Actor, NotFound, ServiceContext
from tracker.services.submissions import SubmissionInput, submit_renewal

DAY = timedelta(days=1)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_fay(database_url)
    yield filled
    filled.engine.dispose()


def submit(session: Session, cast: Cast) -> Certificate:
    """Submit Fay's renewal; the certificate of it."""
    context = ServiceContext(session, BOOKS, Actor(FAY, cast.people[FAY]), SUBMITTED_AT)
    held = cast.endorsements[FAY]
    submit_renewal(context, SubmissionInput(held, CYCLE, "Fay Lani", ALL_SIGNED, "a" * 32))
    return session.exec(select(Certificate)).one()


def test_a_persons_certificates_are_the_newest_first(session: Session, cast: Cast) -> None:
    renewal = submit(session, cast)
    held = session.get_one(Endorsement, cast.endorsements[FAY])
    held.ends_on = date(2035, 6, 30)
    first = certify(session, held.id, valid_through=date(2027, 12, 31))
    newest = certify(session, held.id, kind="renewal", cycle_starts_on=date(2028, 1, 1))
    certify(session, cast.endorsements[BOB])
    [settled] = session.exec(select(SettledCycle)).all()
    listed = list_certificates(session, held.person_id)
    assert [one.id for one in listed] == [newest.id, renewal.id, first.id]
    assert [one.settled for one in listed] == [None, settled.content, None]
    assert listed[1]._replace(settled=None) == IssuedCertificate(
        id=renewal.id,
        number=renewal.number,
        kind="renewal",
        cycle_starts_on=CYCLE,
        name="Fay Lani",
        valid_from=date(2027, 11, 15),
        valid_through=LAST_DAY,
        issued_at=SUBMITTED_AT,
        endorsement_id=held.id,
        association=ATTESTING,
        category="IFS",
        endorsed_on=date(2020, 5, 1),
        person_id=held.person_id,
        person_name="Fay Lani",
        last_day=date(2035, 6, 30),
        settled=None,
    )
    settled.reopened_at, settled.reopened_by = SUBMITTED_AT, KAI
    session.flush()
    assert list_certificates(session, held.person_id)[1].settled is None


def test_each_endorsement_has_one_newest_certificate(session: Session, cast: Cast) -> None:
    add_endorsee(session, cast, GIL, "ann Mahoe")
    fay, gil, bob = cast.people[FAY], cast.people[GIL], cast.people[BOB]
    other = Endorsement(
        person_id=fay, association=ATTESTING, category="IFRS", starts_on=date(2020, 5, 1)
    )
    session.add(other)
    session.flush()
    newest = certify(session, cast.endorsements[FAY])
    certify(session, cast.endorsements[FAY], name="Fay", valid_through=LAST_DAY - DAY)
    others = certify(session, other.id, valid_through=LAST_DAY + DAY)
    gils = certify(session, cast.endorsements[GIL])
    certify(session, cast.endorsements[BOB])
    listed = list_newest_certificates(session, ATTESTING, [fay, gil, bob])
    assert [one.id for one in listed] == [gils.id, newest.id, others.id]
    assert [one.id for one in list_newest_certificates(session, ATTESTING, [gil])] == [gils.id]


def test_only_owners_and_their_associations_get_one(session: Session, cast: Cast) -> None:
    certify(session, cast.endorsements[BOB])
    own = certify(session, cast.endorsements[FAY])
    assert get_certificate(session, own.id, person_id=cast.people[FAY]).id == own.id
    assert get_certificate(session, own.id, associations={"NCIMHA", ATTESTING}).id == own.id
    for whose in ({"person_id": cast.people[BOB]}, {"associations": {"NCIMHA"}}, {}):
        with pytest.raises(NotFound):
            get_certificate(session, own.id, **whose)


def test_revoked_badges_are_listed_until_they_expire(session: Session, cast: Cast) -> None:
    held = cast.endorsements[FAY]
    replaced = certify(session, held, name="Fay", valid_through=TODAY)
    certify(session, held, name="F. Lani", valid_through=TODAY - DAY)
    certify(session, held)
    certify(session, cast.endorsements[BOB], name="Rob")
    removed = certify(session, None)
    now = TODAY_AT_TEN

    def revoked(first: int, last: int) -> list[int]:
        return list_revoked(session, BOOKS, ATTESTING, range(first, last + 1), now)

    assert revoked(replaced.id, removed.id) == [replaced.id, removed.id]
    assert revoked(replaced.id, removed.id - 1) == [replaced.id]
    assert revoked(replaced.id + 1, removed.id) == [removed.id]
    tomorrow = list_revoked(session, BOOKS, ATTESTING, range(removed.id), now + DAY)
    assert tomorrow == []


def test_a_lapse_before_the_last_day_revokes_badges(session: Session, cast: Cast) -> None:
    certificate = submit(session, cast)
    [scheme] = BOOKS.associations[ATTESTING].cycles
    books = with_rulebook(cycles=(scheme.model_copy(update={"due_days_before_end": 100}),))
    places = range(certificate.id + 1)
    # Due on September 22, 2030, with 31 days of grace.
    for day, revoked in ((22, []), (24, [certificate.id])):
        now = datetime(2030, 10, day, 20, tzinfo=UTC)
        assert list_revoked(session, books, ATTESTING, places, now) == revoked


def test_without_a_rulebook_names_are_keys(session: Session, cast: Cast) -> None:
    renewal = submit(session, cast)
    certificate = certify(session, cast.endorsements[FAY], issued_at=SUBMITTED_AT + DAY / 2)
    books = replace(BOOKS, associations={})
    found = verify_certificate(session, books, certificate.number, SUBMITTED_AT)
    assert found is not None
    assert (found.association_name, found.category_name) == (ATTESTING, "IFS")
    assert (found.state, found.issued_on) == (CertificateState.VALID, date(2027, 11, 16))
    found = verify_certificate(session, books, renewal.number, SUBMITTED_AT)
    assert found is not None
    assert found.state is CertificateState.VALID
    renamed = with_rulebook(categories={})
    found = verify_certificate(session, renamed, certificate.number, SUBMITTED_AT)
    assert found is not None
    assert found.category_name == "IFS"


def test_the_rule_of_the_day_of_issue_prints_it(session: Session, cast: Cast) -> None:
    certify(session, cast.endorsements[FAY], issued_at=TODAY_AT_TEN)
    [issued] = list_certificates(session, cast.people[FAY])
    days = (TODAY - 2 * DAY, TODAY - DAY, TODAY, TODAY + DAY)
    rules = [RULE.model_copy(update={"starts_from": day}) for day in days]
    books = with_rulebook(certificates=tuple(rules))
    assert rule_of(books.associations[ATTESTING], issued) == rules[2]
    books = with_rulebook(certificates=(rules[3],))
    assert rule_of(books.associations[ATTESTING], issued) is None


def test_each_certificate_is_announced_once(session: Session, cast: Cast) -> None:
    add_endorsee(session, cast, GIL, "Gil Mahoe")
    held, gils = cast.endorsements[FAY], cast.endorsements[GIL]

    def settle(endorsement_id: int, start: date, reopened_at: datetime | None = None) -> None:
        session.add(
            SettledCycle(
                endorsement_id=endorsement_id,
                cycle_starts_on=start,
                settled_on=TODAY,
                content="{}",
                reopened_at=reopened_at,
                reopened_by=KAI if reopened_at else None,
            )
        )

    years = [date(2025 + 3 * number, 1, 1) for number in range(6)]
    renewed = [certify(session, held, cycle_starts_on=day, kind="renewal") for day in years]
    # Neither a corrected name, nor a first certificate, nor another association's.
    certify(session, held, cycle_starts_on=years[0], name="Fay", kind="renewal")
    certify(session, gils, cycle_starts_on=years[0])
    second = certify(session, gils, cycle_starts_on=years[0], kind="renewal")
    certify(session, cast.endorsements[BOB], kind="renewal")
    settle(cast.endorsements[BOB], years[0])
    settle(gils, years[0])
    settle(gils, years[5])
    for day in years[:4]:
        settle(held, day)
    settle(held, years[4], reopened_at=SUBMITTED_AT)
    renewed[1].announced_at = SUBMITTED_AT
    for submitted, number, state in (
        (held, 2, "accepted"),
        (held, 3, "returned"),
        (gils, 3, "accepted"),
    ):
        session.add(
            Submission(
                endorsement_id=submitted,
                cycle_starts_on=years[number],
                cycle_ends_on=years[number + 1] - DAY,
                form_key=state,
                state=state,
                submitted_at=SUBMITTED_AT,
                signed_name="Fay Lani",
                statements="{}",
                content="{}",
                accepted_at=SUBMITTED_AT,
                returned_at=SUBMITTED_AT if state == "returned" else None,
            )
        )
    session.flush()
    listed = list_unannounced(session, ATTESTING)
    assert [one.certificate.id for one in listed] == [renewed[0].id, renewed[3].id, second.id]
    assert [one.person.name for one in listed] == ["Fay Lani", "Fay Lani", "Gil Mahoe"]
    assert listed[2].endorsement.id == gils
    claims = [claim_certificate_mail(session, second, TODAY_AT_TEN) for _ in range(2)]
    assert claims == [True, False]
    session.expire_all()
    assert (second.announced_at, renewed[0].announced_at) == (TODAY_AT_TEN, None)


def test_the_newest_certificate_of_a_renewal_is_found(session: Session, cast: Cast) -> None:
    held, later = cast.endorsements[FAY], date(2028, 1, 1)
    certify(session, held, kind="renewal", name="Fay")
    newest = certify(session, held, kind="renewal")
    certify(session, held)
    certify(session, held, kind="renewal", cycle_starts_on=later)
    certify(session, cast.endorsements[BOB], kind="renewal")
    assert find_renewal_certificate(session, held, CYCLE) == newest
    assert find_renewal_certificate(session, held, later + DAY) is None
