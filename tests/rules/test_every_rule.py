"""What happens to an endorsement over the years under a rulebook with every kind of rule.

WHOLE: due on November 30, grace through March 31, removed after June 30, reinstated for two years.
"""

from datetime import UTC, date, datetime
from typing import Any

from sqlmodel import Session, col, select

from tests.rules.case_data import ENDORSEE, IMAGINED, CasePeople, insert_row, populate
from tracker.db.certificates import Certificate
from tracker.db.people import REMOVED, Endorsement
from tracker.db.submissions import Submission
from tracker.rules.standing import Status
from tracker.services.applications import endorse_applicant, get_application_standings
from tracker.services.certificate_checks import CertificateState, verify_certificate
from tracker.services.certificates import RENEWAL
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.lapse_removals import list_removed_by_itself, remove_lapsed
from tracker.services.registry import PublicStatus, list_registry
from tracker.services.reinstatements import list_ways_back, start_reinstatement

HELD = {"endorsed": ["WHOLE IFS 2020-05-01"], "members": ["WHOLE 2020-01-01"]}


def noon(day: str) -> datetime:
    """Noon in Guam."""
    return datetime.fromisoformat(f"{day}T02:00:00").replace(tzinfo=UTC)


def live(session: Session, *days: str, **case: Any) -> CasePeople:  # noqa: ANN401 - a case's values
    """Store Alice with a case's facts, and evaluate her on some days."""
    people = populate(session, IMAGINED, {**HELD, **case})
    for day in days:
        evaluate(session, people, day)
    return people


def evaluate(session: Session, people: CasePeople, day: str) -> None:
    evaluate_people(session, IMAGINED, {people.ids[ENDORSEE]}, noon(day))
    session.expire_all()


def act(session: Session, people: CasePeople, day: str) -> ServiceContext:
    """A context in which Alice acts."""
    actor = Actor("alice@example.org", people.ids[ENDORSEE])
    return ServiceContext(session, IMAGINED, actor, noon(day))


def coordinate(session: Session, day: str) -> ServiceContext:
    actor = Actor("wren@example.org", None, ("WHOLE",))
    return ServiceContext(session, IMAGINED, actor, noon(day))


def held(people: CasePeople) -> int:
    return people.endorsements[f"{ENDORSEE}: WHOLE IFS"]


def list_removed(session: Session, day: str) -> list[str]:
    found = list_removed_by_itself(coordinate(session, day), "WHOLE")
    return [str(lapsed.removal_on) for lapsed in found]


def remove(session: Session, people: CasePeople, day: str) -> None:
    """What the nightly evaluation does."""
    remove_lapsed(coordinate(session, day), held(people))
    session.expire_all()


def check_certificates(session: Session, day: str) -> list[tuple[str, CertificateState]]:
    """The first days of certificates with their states."""
    issued = session.exec(select(Certificate).order_by(col(Certificate.id))).all()
    states = []
    for each in issued:
        verified = verify_certificate(session, IMAGINED, each.number, noon(day))
        assert verified is not None
        states.append((str(each.valid_from), verified.state))
    return states


def test_lapse_is_removed_after_the_calendar_day(session: Session) -> None:
    live(session, "2029-04-01")
    assert list_removed(session, "2029-06-30") == []
    assert list_removed(session, "2029-07-01") == ["2029-07-01"]


def test_leave_after_a_lapse_holds_no_removal_back(session: Session) -> None:
    live(session, "2029-04-01", leave=["WHOLE IFS 2029-04-10..2029-08-10"])
    assert list_removed(session, "2029-07-01") == ["2029-07-01"]


def test_emeritus_on_the_due_date_is_never_removed(session: Session) -> None:
    live(session, "2029-04-01", emeritus=["WHOLE IFS 2028-11-30"])
    assert list_removed(session, "2029-07-01") == []


def test_submitted_renewal_is_decided_before_removal(session: Session) -> None:
    live(session, "2029-04-01", submitted=["WHOLE IFS 2026-01-01 2028-11-15 ethics"])
    assert list_removed(session, "2029-07-01") == []


def test_emeritus_leaves_a_submission_to_the_coordinator(session: Session) -> None:
    people = live(session, "2028-11-16", submitted=["WHOLE IFS 2026-01-01 2028-11-15 ethics hours"])
    people.leave("WHOLE IFS 2028-11-20", "emeritus")
    evaluate(session, people, "2028-11-21")
    evaluate(session, people, "2029-04-01")
    assert session.exec(select(Submission.state)).all() == ["submitted"]
    renewed = select(Certificate).where(Certificate.kind == RENEWAL)
    assert session.exec(renewed).all() == []


def test_reinstated_endorsement_gets_a_certificate_of_its_own(session: Session) -> None:
    people = live(session, "2020-05-01", "2029-04-01", entries=["training 6h 2029-09-01"])
    remove(session, people, "2029-07-01")
    removed = session.get_one(Endorsement, held(people))
    assert (removed.ends_on, removed.ended_as) == (date(2029, 6, 30), REMOVED)
    application_id = start_reinstatement(act(session, people, "2029-10-01"), held(people))
    endorse_applicant(coordinate(session, "2029-10-05"), application_id, date(2029, 10, 5))
    assert check_certificates(session, "2029-10-05") == [
        ("2020-05-01", CertificateState.REVOKED),
        ("2029-10-05", CertificateState.VALID),
    ]


def test_registry_follows_removal_and_return(session: Session) -> None:
    people = live(session, "2029-03-31")
    insert_row(
        session,
        "registry_listing",
        person_id=people.ids[ENDORSEE],
        association="WHOLE",
        listed_at=noon("2029-01-01"),
    )
    assert list_public(session, "2029-03-31") == [PublicStatus.ENDORSED]
    evaluate(session, people, "2029-04-01")
    assert list_public(session, "2029-04-01") == [PublicStatus.NOT_ENDORSED]
    remove(session, people, "2029-07-01")
    application_id = start_reinstatement(act(session, people, "2029-10-01"), held(people))
    endorse_applicant(coordinate(session, "2029-10-05"), application_id, date(2029, 10, 5))
    assert list_public(session, "2029-10-05") == [PublicStatus.ENDORSED]


def list_public(session: Session, day: str) -> list[PublicStatus]:
    listed = list_registry(session, IMAGINED.associations["WHOLE"], date.fromisoformat(day))
    return [category.status for person in listed for category in person.categories]


def test_reinstatement_asks_for_everything_at_once(session: Session) -> None:
    people = live(
        session,
        "2029-04-01",
        providers={"Rae": ["WHOLE IFRS 2015-01-01"]},
        entries=[
            *("training 3h 2028-10-01", "training 4h 2028-10-02", "training 2h 2029-09-01"),
            *("rsc 1h individual 2029-06-30 with Rae", "rsc 1h individual 2029-07-01 with Rae"),
        ],
    )
    remove(session, people, "2029-07-01")
    day_of = days_at(IMAGINED, noon("2029-10-01"))
    [way] = list_ways_back(session, IMAGINED, day_of, people.ids[ENDORSEE])
    assert way.latest_on == date(2031, 7, 1)
    number = start_reinstatement(act(session, people, "2029-10-01"), held(people))
    standing = get_application_standings(session, IMAGINED, day_of, [number])[number]
    assert standing.status is Status.NOT_READY
    counted = {result.requirement.id: result.counted for result in standing.results}
    # Training of the twelve months through today, and RSC since the day of the removal.
    assert counted == {
        "back.training": 6 * 60,
        "back.rsc": 60,
        "back.membership": 1,
        "back.ethics": 0,
        "back.fee": 0,
    }
