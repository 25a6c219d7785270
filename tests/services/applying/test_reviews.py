"""Who reviews an application, when, and what is recorded of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from tests.support.cast import BOB, BOOKS, CAROL, EVE, NOW, Cast, fill
from tracker.db.applications import Application, Degree
from tracker.db.log import AuditEvent
from tracker.refusal_text import format_refusal
from tracker.services.applications import (
    decline_application,
    open_application,
    submit_application,
)
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.reviews import (
    ReviewDecision,
    confirm_degree,
    list_reviews,
    record_review,
    send_back_application,
    take_back_application,
)

ACCEPTED = ReviewDecision(accepted=True)
REFUSED = ReviewDecision(accepted=False, note="Please document competency 3.")
LATER = NOW + timedelta(days=1)
OPENED, SUBMITTED = date(2026, 1, 10), date(2026, 2, 10)


@pytest.fixture
def cast(sqlite_url: str) -> Iterator[Cast]:
    filled = fill(sqlite_url)
    yield filled
    filled.engine.dispose()


def acting(session: Session, person_id: int | None, *coordinates: str) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor("somebody", person_id, coordinates), NOW)


@pytest.fixture
def carol(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)


def problems(work: Callable[..., object], *arguments: object) -> list[tuple[str, str]]:
    """Each refused field with the sentence that people read there."""
    with pytest.raises(Refused) as refused:
        work(*arguments)
    return [(each.field, format_refusal(each.code, each.facts)) for each in refused.value.refusals]


def list_changes(session: Session, table: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """What the audit log has of a table: who, and the values before and after each change."""
    query = select(AuditEvent).filter_by(table_name=table).order_by(col(AuditEvent.id))
    return [
        (row.who, json.loads(row.before or "{}"), json.loads(row.after or "{}"))
        for row in session.exec(query)
    ]


def add_degree(session: Session, person_id: int, transcript: str = "unofficial") -> Degree:
    degree = Degree(
        person_id=person_id,
        level="master",
        title="MSW",
        awarded_on=date(2020, 5, 15),
        transcript=transcript,
        recorded_by=EVE,
    )
    session.add(degree)
    session.flush()
    return degree


@pytest.fixture
def submitted(cast: Cast, session: Session) -> int:
    eve = acting(session, cast.people[EVE])
    own = open_application(eve, cast.people[EVE], "NCIMHA", "IFS", OPENED)
    submit_application(eve, own.id, SUBMITTED)
    return own.id


def test_only_the_associations_coordinators_review(session: Session, submitted: int) -> None:
    for outsider in (acting(session, None, "CT-AIMH"), acting(session, None)):
        with pytest.raises(NotFound):
            record_review(outsider, submitted, "competencies", ACCEPTED)


def test_nobody_reviews_their_own_application(cast: Cast, session: Session, submitted: int) -> None:
    both = acting(session, cast.people[EVE], "NCIMHA")
    with pytest.raises(Refused, match="own-decision"):
        record_review(both, submitted, "competencies", ACCEPTED)
    with pytest.raises(Refused, match="own-decision"):
        send_back_application(both, submitted, "Please add a job")
    assert list_reviews(session, submitted) == {}


def test_an_open_application_is_not_reviewed(
    cast: Cast, session: Session, carol: ServiceContext, submitted: int
) -> None:
    eve = acting(session, cast.people[EVE])
    take_back_application(eve, submitted)
    reason = "The application is not submitted, or was decided meanwhile"
    review = (carol, submitted, "competencies", ACCEPTED)
    assert problems(record_review, *review) == [("note", reason)]
    assert problems(send_back_application, carol, submitted, "Why") == [("answer", reason)]
    assert problems(take_back_application, eve, submitted) == [("", reason)]


def test_strangers_neither_submit_nor_withdraw(session: Session, submitted: int) -> None:
    with pytest.raises(NotFound):
        take_back_application(acting(session, 999), submitted)


def test_a_review_says_who_decided_and_when(carol: ServiceContext, submitted: int) -> None:
    record_review(carol, submitted, "competencies", REFUSED)
    [(requirement, review)] = list_reviews(carol.session, submitted).items()
    assert requirement == review.requirement == "competencies"
    assert (review.accepted, review.note) == (False, REFUSED.note)
    assert (review.reviewed_by, review.reviewed_at) == (CAROL, NOW)


def test_a_later_decision_replaces_an_earlier_one(carol: ServiceContext, submitted: int) -> None:
    record_review(carol, submitted, "competencies", REFUSED)
    olga = replace(carol, actor=Actor("olga@example.org", None, ("NCIMHA",)), now=LATER)
    record_review(olga, submitted, "competencies", REFUSED)
    [review] = list_reviews(carol.session, submitted).values()
    assert (review.reviewed_by, review.reviewed_at) == (CAROL, NOW)
    for decision in (replace(REFUSED, note="Please document competency 4."), ACCEPTED):
        record_review(olga, submitted, "competencies", decision)
        [review] = list_reviews(carol.session, submitted).values()
        assert (review.accepted, review.note) == (decision.accepted, decision.note)
        assert (review.reviewed_by, review.reviewed_at) == ("olga@example.org", LATER)


def test_a_decision_can_be_taken_back(carol: ServiceContext, submitted: int) -> None:
    record_review(carol, submitted, "competencies", None)
    record_review(carol, submitted, "competencies", ACCEPTED)
    record_review(carol, submitted, "training", None)
    assert list_reviews(carol.session, submitted)
    record_review(carol, submitted, "competencies", None)
    assert list_reviews(carol.session, submitted) == {}


def test_reviews_belong_to_one_application(
    cast: Cast, carol: ServiceContext, submitted: int
) -> None:
    other = open_application(carol, cast.people[BOB], "NCIMHA", "IFS", OPENED).id
    submit_application(carol, other, SUBMITTED)
    for application_id in (submitted, other):
        record_review(carol, application_id, "competencies", ACCEPTED)
    send_back_application(carol, submitted, "Please add a job")
    assert list_reviews(carol.session, submitted) == {}
    assert [*list_reviews(carol.session, other)] == ["competencies"]


def test_the_audit_log_leaves_notes_out(carol: ServiceContext, submitted: int) -> None:
    record_review(carol, submitted, "competencies", REFUSED)
    record_review(replace(carol, now=LATER), submitted, "competencies", ACCEPTED)
    record_review(carol, submitted, "competencies", None)
    record_review(carol, submitted, "competencies", REFUSED)
    send_back_application(carol, submitted, "Please add a job")
    refused = {
        "application_id": submitted,
        "requirement": "competencies",
        "accepted": False,
        "reviewed_by": CAROL,
        "reviewed_at": NOW.isoformat(),
    }
    accepted = {**refused, "accepted": True, "reviewed_at": LATER.isoformat()}
    assert list_changes(carol.session, "review") == [
        (CAROL, {}, refused),
        (CAROL, refused, accepted),
        (CAROL, accepted, {}),
        (CAROL, {}, refused),
        (CAROL, refused, {}),
    ]


@pytest.mark.parametrize(
    ("requirement", "decision", "reason"),
    [
        ("training", ACCEPTED, "There is nothing for the reviewers to decide here"),
        ("competencies", replace(REFUSED, note=""),
         "Enter a short reason. The applicant reads it."),
        ("competencies", replace(REFUSED, note="x" * 501),
         "Use at most 500 characters"),
    ],
)  # fmt: skip
def test_a_wrong_review_is_refused_at_its_note(
    carol: ServiceContext, submitted: int, requirement: str, decision: ReviewDecision, reason: str
) -> None:
    assert problems(record_review, carol, submitted, requirement, decision) == [("note", reason)]
    assert list_reviews(carol.session, submitted) == {}


def test_an_acceptance_may_have_a_note(carol: ServiceContext, submitted: int) -> None:
    record_review(carol, submitted, "competencies", replace(REFUSED, accepted=True))
    assert list_reviews(carol.session, submitted)["competencies"].note == REFUSED.note


def test_a_reviewed_application_is_not_taken_back(
    cast: Cast, carol: ServiceContext, submitted: int
) -> None:
    record_review(carol, submitted, "competencies", ACCEPTED)
    eve = acting(carol.session, cast.people[EVE])
    reason = (
        "NCIMHA has begun to review the application. Ask your coordinator to send it back "
        "if you need to change something."
    )
    assert problems(take_back_application, eve, submitted) == [("", reason)]
    assert carol.session.get_one(Application, submitted).state == "submitted"


def test_an_applicant_takes_an_application_back(
    cast: Cast, carol: ServiceContext, submitted: int
) -> None:
    eve = acting(carol.session, cast.people[EVE])
    send_back_application(carol, submitted, "Please add a job")
    submit_application(eve, submitted, NOW.date())
    application = carol.session.get_one(Application, submitted)
    assert application.answer is None
    take_back_application(eve, submitted)
    assert (application.state, application.submitted_on) == ("open", None)


def test_sending_back_tells_the_applicant_why(carol: ServiceContext, submitted: int) -> None:
    missing = [("answer", "Enter a reason. It is sent by email.")]
    assert problems(send_back_application, carol, submitted, "") == missing
    send_back_application(carol, submitted, "Please add a job")
    application = carol.session.get_one(Application, submitted)
    assert (application.state, application.submitted_on) == ("open", None)
    assert application.answer == "Please add a job"
    keys = ("person_id", "association", "category", "decided_on")
    unchanged = {key: getattr(application, key) for key in keys} | {"opened_on": "2026-01-10"}
    assert list_changes(carol.session, "application")[-1] == (
        CAROL,
        {**unchanged, "state": "submitted", "submitted_on": SUBMITTED.isoformat()},
        {**unchanged, "state": "open", "submitted_on": None},
    )


@pytest.mark.parametrize(
    ("transcript", "official", "confirmed"),
    [
        ("unofficial", True, "official"),
        ("none", True, "official"),
        ("unofficial", False, "unofficial"),
    ],
)
def test_a_confirmed_degree_becomes_the_associations(
    cast: Cast,
    carol: ServiceContext,
    submitted: int,
    transcript: str,
    official: bool,  # noqa: FBT001
    confirmed: str,
) -> None:
    degree = add_degree(carol.session, cast.people[EVE], transcript)
    confirm_degree(carol, submitted, degree.id, official=official)
    assert (degree.transcript, degree.recorded_by) == (confirmed, None)
    [(who, before, after)] = list_changes(carol.session, "degree")
    assert (who, before["recorded_by"], after["recorded_by"]) == (CAROL, EVE, None)
    assert after.get("transcript", transcript) == confirmed


def test_only_the_applicants_degrees_are_confirmed(
    cast: Cast, carol: ServiceContext, submitted: int
) -> None:
    degree = add_degree(carol.session, cast.people[BOB])
    for degree_id in (degree.id, degree.id + 1):
        with pytest.raises(NotFound):
            confirm_degree(carol, submitted, degree_id, official=True)
    assert degree.recorded_by == EVE
    degree = add_degree(carol.session, cast.people[EVE])
    with pytest.raises(NotFound):
        confirm_degree(acting(carol.session, None, "CT-AIMH"), submitted, degree.id, official=True)


def test_a_decided_application_keeps_its_degrees(
    cast: Cast, carol: ServiceContext, submitted: int
) -> None:
    degree = add_degree(carol.session, cast.people[EVE])
    decline_application(carol, submitted, NOW.date(), "Not yet")

    def confirm() -> None:
        confirm_degree(carol, submitted, degree.id, official=True)

    reason = "The application was declined on November 22, 2026, and that decision is final"
    assert problems(confirm) == [("", reason)]
    assert degree.transcript == "unofficial"
