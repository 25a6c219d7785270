"""How the system is doing at an association: failed jobs, missing nights, and email on its way."""

from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from sqlmodel import Session

from tests.rules.case_data import insert_row
from tests.support.cast import ALICE, BOB, NOW, Cast
from tracker.db.ledgers import RunFailure, RunRow
from tracker.db.people import Person
from tracker.services.run_health import (
    JobProblem,
    JobTrouble,
    MailState,
    RunHealth,
    UnsentMail,
    find_unsent,
    list_job_problems,
    list_job_troubles,
    read_run_health,
)

ZONE = "America/New_York"
TODAY, DAY, SECOND = NOW.date(), timedelta(days=1), timedelta(seconds=1)
# The evening before in New York.
NIGHT, EVENING = datetime(2026, 11, 20, 3, 0, tzinfo=UTC), date(2026, 11, 19)
NUMBERS = count()


def fail(
    session: Session,
    job: str,
    subject: str = "",
    *,
    association: str = "NCIMHA",
    since: datetime = NIGHT,
) -> None:
    names = {"job": job, "association": association, "subject": subject, "error": "boom"}
    times = {"first_failed_at": since, "last_failed_at": NOW}
    session.add(RunFailure.model_validate({**names, **times, "attempts": 2}))
    session.flush()


def run(
    session: Session, job: str, day: date, finished_at: datetime = NOW, association: str = "NCIMHA"
) -> None:
    names = {"job": job, "association": association, "local_date": day, "report": "{}"}
    times = {"started_at": NOW - DAY, "finished_at": finished_at}
    session.add(RunRow.model_validate({**names, **times}))
    session.flush()


def post(
    session: Session, state: str, finished_at: datetime | None = None, /, **more: object
) -> None:
    """Store a message to Alice, unless another recipient is given."""
    key = str(next(NUMBERS))
    content = {"dedupe_key": key, "message_id": key, "kind": "notices", "subject": "", "body": b""}
    times = {"created_at": NIGHT, "next_attempt_at": NIGHT, "finished_at": finished_at}
    values = {"association": "NCIMHA", "person_id": 1, "recipient": ALICE, "state": state, **times}
    insert_row(session, "outbox", **content, **{**values, **more})


def test_failed_parts_of_jobs_name_their_people(session: Session, cast: Cast) -> None:
    for subject in ("", str(cast.people[BOB]), "999", "dana@nc.example"):
        fail(session, "notices", subject)
    fail(session, "digest", association="CT-AIMH")
    assert list_job_problems(session, "NCIMHA") == [
        JobProblem("notices", ""),
        JobProblem("notices", "Bob Osei"),
        JobProblem("notices", ""),
        JobProblem("notices", "dana@nc.example"),
    ]


def test_each_failed_job_is_one_trouble_since_its_first_failure(session: Session) -> None:
    fail(session, "notices", "2", since=NOW)
    fail(session, "notices", "1")
    fail(session, "digest", since=NOW)
    fail(session, "evaluate", association="CT-AIMH")
    assert list_job_troubles(session, "NCIMHA", ZONE, TODAY) == [
        JobTrouble("digest", 1, TODAY),
        JobTrouble("notices", 2, EVENING),
    ]


@pytest.mark.parametrize(
    ("days_ago", "since"),
    [(None, None), (0, None), (1, None), (2, TODAY - DAY), (9, TODAY - 8 * DAY)],
)
def test_missing_nights_are_a_trouble(
    session: Session, days_ago: int | None, since: date | None
) -> None:
    run(session, "digest", TODAY - 5 * DAY)
    run(session, "evaluate", TODAY - 5 * DAY, association="CT-AIMH")
    if days_ago is not None:
        run(session, "evaluate", TODAY - days_ago * DAY)
    expected = [JobTrouble("evaluate", 0, since)] if since else []
    assert list_job_troubles(session, "NCIMHA", ZONE, TODAY) == expected


def test_a_failed_evaluation_explains_its_missing_nights(session: Session) -> None:
    run(session, "evaluate", TODAY - 5 * DAY)
    fail(session, "evaluate")
    troubles = [JobTrouble("evaluate", 1, EVENING)]
    assert list_job_troubles(session, "NCIMHA", ZONE, TODAY) == troubles


def test_unsent_mail_is_counted_since_the_first(session: Session, cast: Cast) -> None:
    assert find_unsent(session, "NCIMHA", ZONE, NOW) is None
    post(session, "failed", NIGHT, bounced=False)
    post(session, "failed", NOW, bounced=None, person_id=cast.people[BOB], recipient=BOB)
    for more in ({"bounced": True}, {"person_id": None}, {"association": "CT-AIMH"}):
        post(session, "failed", NIGHT - DAY, **more)
    post(session, "waiting")
    post(session, "dropped", NIGHT - DAY)
    assert find_unsent(session, "NCIMHA", ZONE, NOW) == UnsentMail(2, EVENING)


@pytest.mark.parametrize(
    ("age", "is_found"), [(timedelta(days=30), False), (30 * DAY - SECOND, True)]
)
def test_old_unsent_mail_is_not_counted(
    session: Session, age: timedelta, *, is_found: bool
) -> None:
    post(session, "failed", NOW - age)
    assert (find_unsent(session, "NCIMHA", ZONE, NOW) is not None) is is_found


@pytest.mark.parametrize(
    ("later", "is_over"),
    [
        ({}, True),
        ({"association": "CT-AIMH"}, True),
        ({"finished_at": NIGHT}, False),
        ({"person_id": 2}, False),
        ({"state": "dropped"}, False),
    ],
)
def test_unsent_mail_ends_once_a_later_one_arrives(
    session: Session, later: dict[str, object], *, is_over: bool
) -> None:
    post(session, "failed", NIGHT)
    post(session, "sent", NIGHT + SECOND, **later)
    assert (find_unsent(session, "NCIMHA", ZONE, NOW) is None) is is_over


def test_health_has_the_last_runs_and_the_mail(session: Session, cast: Cast) -> None:
    assert read_run_health(session, "NCIMHA", NOW) == RunHealth(
        None, None, [], MailState(0, None, 0, 0)
    )
    for job, association, finished_at in (
        ("evaluate", "NCIMHA", NIGHT),
        ("evaluate", "CT-AIMH", NOW),
        ("digest", "NCIMHA", NIGHT - DAY),
        ("notices", "NCIMHA", NOW),
    ):
        run(session, job, TODAY, finished_at, association)
        run(session, job, TODAY - DAY, finished_at - 2 * DAY, association)
    fail(session, "notices")
    fail(session, "notices", association="CT-AIMH")
    for age in (7 * DAY, 7 * DAY - SECOND, DAY):
        post(session, "failed", NOW - age, bounced=True)
        post(session, "failed", NOW - age, bounced=False)
    for bounced in (None, None, False):
        post(session, "failed", NOW, bounced=bounced)
    for state in ("failed", "waiting"):
        post(session, state, NOW, association="CT-AIMH", created_at=NIGHT - 2 * DAY)
    post(session, "sent", NOW)
    post(session, "waiting")
    post(session, "sending", created_at=NIGHT - DAY)
    session.get_one(Person, cast.people[BOB]).email_refused_at = NIGHT
    session.flush()
    held = {"person_id": cast.people[BOB], "recipient": BOB, "created_at": NIGHT - 2 * DAY}
    post(session, "waiting", **held)
    assert read_run_health(session, "NCIMHA", NOW) == RunHealth(
        NIGHT, NIGHT - DAY, [JobProblem("notices", "")], MailState(2, NIGHT - DAY, 2, 5)
    )
