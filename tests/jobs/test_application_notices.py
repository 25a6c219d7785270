"""The notices job on applications, on both engines: from what is on record to the mail."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from tests.jobs.harness import BASE_URL, DANA, JobHarness, Mail, at
from tests.jobs.test_atomicity import Broken, assert_whole, failing_at
from tests.rules.applicants import populate
from tests.rules.case_data import REAL
from tracker.settings import Coordinator

DAY = timedelta(days=1)
VERA = Coordinator(email="vera@va.example", name="Vera", association="VAIMH")
ONE = replace(REAL, associations={name: REAL.associations[name] for name in ("NCIMHA", "VAIMH")})
MEMBER = "VAIMH 2020-01-01..2030-12-31"
BOB = "VAIMH IMHM-C 2015-01-01"
# Alice applies with 38 of 50 hours; the window of her first session closes on February 28, 2026.
APPLYING: dict[str, Any] = {
    "applies": "VAIMH IMHS 2024-02-01",
    "providers": {"Bob": [BOB]},
    "members": [MEMBER],
    "degrees": ["master 2020-05-15 official"],
    "entries": [
        "rsc 10h 2024-03-01 with Bob",
        "rsc 14h 2025-06-01 with Bob",
        "rsc 14h 2025-06-15 with Bob",
    ],
    "references": ["program-supervisor", "rsc-provider", "trainer"],
}
WINDOW_CLOSES = at("2026-02-28")


@pytest.fixture
def jobs(database_url: str) -> Iterator[JobHarness]:
    """A harness on each engine."""
    yield from _desk(database_url)


@pytest.fixture
def sqlite_jobs(sqlite_url: str) -> Iterator[JobHarness]:
    """The same on SQLite, for what does not touch the database's ways."""
    yield from _desk(sqlite_url)


def _desk(url: str) -> Iterator[JobHarness]:
    jobs = JobHarness(url, rulebooks=ONE, coordinators=(DANA, VERA))
    yield jobs
    jobs.engine.dispose()


def tell_of(jobs: JobHarness, on: datetime, **case: Any) -> None:  # noqa: ANN401 - as in applicants.py
    """Store Alice's application as ``APPLYING`` and ``case`` say, on a day whose run is done."""
    with jobs.storing(on) as people:
        told = populate(people.session, jobs.rulebooks, {**APPLYING, **case})
        people.ids.update(told.ids)
        people.endorsements.update(told.endorsements)
    jobs.run(on)


def words(mail: Mail) -> str:
    """The text part, each run of spaces and line ends as one space."""
    return " ".join(mail.text.split())


@contextmanager
def statements(jobs: JobHarness) -> Iterator[list[str]]:
    """All SQL that is executed meanwhile."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, sql: str, *_rest: Any) -> None:  # noqa: ANN401
        found.append(sql)

    event.listen(jobs.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(jobs.engine, "before_cursor_execute", note)


def test_a_window_is_told_of_on_each_of_its_days_once(jobs: JobHarness) -> None:
    tell_of(jobs, WINDOW_CLOSES - 95 * DAY)
    for step in (90, 30, 7):
        told = jobs.sent()
        jobs.run(WINDOW_CLOSES - (step + 1) * DAY)
        assert jobs.sent() == told
        jobs.run(WINDOW_CLOSES - step * DAY)
        assert jobs.sent() == [*told, f"rsc window -{step} 2026-02-28"]
        jobs.run(WINDOW_CLOSES - (step - 1) * DAY)
        assert len(jobs.sent()) == len(told) + 1
    assert [mail.subject for mail in jobs.mails()] == [
        "90 days left: 12 RSC hours missing, window ends Feb 28",
        "30 days left: 12 RSC hours missing, window ends Feb 28",
        "7 days left: 12 RSC hours missing, window ends Feb 28",
    ]


def test_a_windows_mail_says_what_is_missing_by_which_day_and_opens_the_application(
    jobs: JobHarness,
) -> None:
    tell_of(jobs, WINDOW_CLOSES - 95 * DAY)
    jobs.run(WINDOW_CLOSES - 30 * DAY)
    [mail] = jobs.mails()
    assert mail.recipient == "alice@example.org"
    assert mail.message["Reply-To"] == "vera@va.example"
    text = words(mail)
    assert "You need 12 RSC hours more by February 28, 2026." in text
    assert "RSC hours count only if they fall within 24 months of each other." in text
    assert "Reflective supervision (RSC): 38 of 50 hours, 12 short" in text
    assert "you are applying for an endorsement" in text
    for part in (mail.text, mail.html):
        assert f"{BASE_URL}/application/1" in part


def test_outstanding_references_are_told_of_with_how_many_have_come(jobs: JobHarness) -> None:
    opened = at("2024-02-01")
    tell_of(jobs, opened, references=["program-supervisor", "rsc-provider waiting"])
    jobs.run(*(opened + number * DAY for number in range(1, 40)))
    assert jobs.sent() == ["references 14 2024-02-01", "references 30 2024-02-01"]
    assert [mail.dedupe_key for mail in jobs.mails()] == ["day:2:2024-02-15", "day:2:2024-03-02"]
    [mail, again] = jobs.mails()
    assert mail.subject != again.subject
    text = words(mail)
    assert "Received: 1 of 3. Please name 1 more. Still missing:" in text
    assert "Provider of reflective supervision" in text
    assert "not received from rsc-provider waiting yet" in text
    assert "nobody named yet" in text
    assert f"{BASE_URL}/application/1/references" in mail.html
    assert "program supervisor" not in mail.text


def test_the_reminder_counts_roles_and_not_references(jobs: JobHarness) -> None:
    tell_of(jobs, at("2024-02-01"), references=["colleague", "trainer", "consultant"])
    jobs.run(at("2024-02-15"))
    [mail] = jobs.mails()
    text = words(mail)
    assert "1 of 3 references received." in text
    assert "2 references are in roles that are filled already or not required." in text
    for part in (mail.text, mail.html):
        assert "Current program supervisor" in part
        assert "Provider of reflective supervision" in part


def test_the_days_count_from_the_last_referee_asked(jobs: JobHarness) -> None:
    tell_of(jobs, at("2024-02-01"), references=["rsc-provider waiting"])
    # 03:00 UTC on March 2 is March 1 in Virginia.
    jobs.execute("UPDATE reference SET asked_at = :at", at="2024-03-02 03:00:00")
    jobs.run(at("2024-03-14"))
    assert jobs.sent() == []
    jobs.run(at("2024-03-15"))
    assert jobs.sent() == ["references 14 2024-03-01"]


def test_a_membership_is_told_of_before_and_when_it_lapses(jobs: JobHarness) -> None:
    tell_of(jobs, at("2024-08-20"), members=["VAIMH 2024-01-01..2024-09-30"])
    jobs.run(*(at("2024-08-21") + number * DAY for number in range(60)))
    assert jobs.sent() == [
        "membership -30 2024-09-30",
        "membership -7 2024-09-30",
        "membership 1 2024-09-30",
    ]
    assert [mail.dedupe_key[-10:] for mail in jobs.mails()] == [
        "2024-08-31",
        "2024-09-23",
        "2024-10-01",
    ]
    text = words(jobs.mails()[0])
    assert "Your application for the" in text
    assert "Your membership ends on September 30, 2024." in text


def test_a_provider_who_stops_qualifying_is_told_of(jobs: JobHarness) -> None:
    bob = {"Bob": [f"{BOB}..2025-09-30"]}
    tell_of(jobs, at("2025-06-10"), providers=bob)
    jobs.run(at("2025-08-30"))
    told = jobs.sent()
    jobs.run(at("2025-08-31"), at("2025-09-01"))
    assert jobs.sent() == [*told, "provider cutoff -30 2025-09-30"]
    text = words(jobs.mails()[-1])
    assert "Your application for the" in text
    assert "Sessions through September 30, 2025 count. Later sessions will not count" in text
    assert "You logged 28 hours with this provider in the last 12 months." in text


@pytest.mark.parametrize(("session", "number"), [("2024-08-30", 0), ("2024-08-31", 1)])
def test_a_provider_counts_as_lately_seen_for_12_months(
    sqlite_jobs: JobHarness, session: str, number: int
) -> None:
    bob = {"Bob": [f"{BOB}..2025-09-30"]}
    tell_of(sqlite_jobs, at("2025-08-30"), providers=bob, entries=[f"rsc 5h {session} with Bob"])
    sqlite_jobs.run(at("2025-08-31"))
    assert sqlite_jobs.sent().count("provider cutoff -30 2025-09-30") == number


def test_a_renewal_and_an_application_are_one_mail(jobs: JobHarness) -> None:
    tell_of(
        jobs,
        at("2024-11-17"),
        applies="VAIMH IMHS 2024-11-17",
        endorsed=["NCIMHA IFS 2020-05-01"],
        members=[MEMBER, "NCIMHA 2024-01-01..2026-12-31"],
        references=["rsc-provider waiting"],
    )
    told = len(jobs.mails())
    jobs.run(at("2024-11-30"))
    assert len(jobs.mails()) == told
    jobs.run(at("2024-12-01"), at("2024-12-02"))
    assert len(jobs.mails()) == told + 1
    mail = jobs.mails()[-1]
    news = [d for d in jobs.decisions(outcome="sent") if d["message_id"] == mail.message_id]
    assert [(d["association"], d["category"], d["kind"]) for d in news] == [
        ("NCIMHA", "IFS", "renewal"),
        ("VAIMH", "IMHS", "references"),
    ]
    assert mail.subject.startswith("30 days left:")
    assert "Infant Family Specialist, NCIMHA" in mail.text
    assert "References, for your application (VAIMH IMHS)" in mail.text
    assert f"{BASE_URL}/log?activity=training" in mail.text
    for part in (mail.text, mail.html):
        assert f"{BASE_URL}/application/1/references" in part


def test_an_endorsement_and_an_application_with_one_number_are_not_mistaken(
    jobs: JobHarness,
) -> None:
    # Both are number 1, and the membership that each of them asks ends on one day.
    tell_of(
        jobs,
        at("2024-08-20"),
        applies="VAIMH IMHS 2024-08-10",
        providers={},
        endorsed=["NCIMHA IFS 2020-05-01"],
        members=["VAIMH 2024-01-01..2024-09-30", "NCIMHA 2024-01-01..2024-09-30"],
    )
    jobs.run(at("2024-08-31"))
    told = [(d["category"], d["kind"]) for d in jobs.decisions(kind="membership", outcome="sent")]
    assert told == [("IFS", "membership"), ("IMHS", "membership")]
    [mail] = [m for m in jobs.mails() if m.dedupe_key.endswith("2024-08-31")]
    assert "Membership, for your application (VAIMH IMHS)" in mail.text


def test_mails_are_those_of_the_decisions_whatever_statement_fails(sqlite_jobs: JobHarness) -> None:
    tell_of(sqlite_jobs, WINDOW_CLOSES - 95 * DAY, endorsed=["NCIMHA IFS 2020-05-01"])
    number, told = 1, len(sqlite_jobs.mails())
    while True:
        try:
            with failing_at(sqlite_jobs, number):
                sqlite_jobs.run(WINDOW_CLOSES - 90 * DAY)
        except Broken:
            assert_whole(sqlite_jobs)
            number += 2
        else:
            break
    assert number > 10
    assert_whole(sqlite_jobs)
    assert len(sqlite_jobs.mails()) == told + 1
    assert sqlite_jobs.sent(kind="rsc window") == ["rsc window -90 2026-02-28"]


def test_twice_run_tells_once(jobs: JobHarness) -> None:
    tell_of(jobs, WINDOW_CLOSES - 95 * DAY)
    morning = WINDOW_CLOSES - 30 * DAY
    jobs.run(morning)
    before = (jobs.decisions(), len(jobs.mails()))
    jobs.run(morning)
    jobs.execute("DELETE FROM run_ledger WHERE job = 'notices'")
    jobs.run(morning, morning + timedelta(hours=1))
    assert (jobs.decisions(), len(jobs.mails())) == before


def test_after_an_outage_of_weeks_the_latest_step_is_sent(jobs: JobHarness) -> None:
    tell_of(jobs, WINDOW_CLOSES - 95 * DAY)
    jobs.run(WINDOW_CLOSES - 20 * DAY)
    assert [(step.what, step.reason) for step in jobs.steps(kind="rsc window")] == [
        ("rsc window -90 2026-02-28", "a later step was due as well"),
        ("rsc window -30 2026-02-28", None),
    ]
    assert len(jobs.mails()) == 1


def test_after_an_outage_over_the_last_day_a_window_is_not_told_of(jobs: JobHarness) -> None:
    tell_of(jobs, WINDOW_CLOSES - 95 * DAY, entries=["rsc 10h 2024-03-01 with Bob"])
    jobs.run(WINDOW_CLOSES + 5 * DAY)
    assert jobs.steps(kind="rsc window") == []


def test_references_that_are_long_outstanding_are_skipped_with_a_reason(jobs: JobHarness) -> None:
    tell_of(jobs, at("2024-02-02"), references=["rsc-provider waiting"])
    jobs.run(at("2024-06-01"))
    assert jobs.sent() == []
    assert {step.reason for step in jobs.steps(kind="references")} == {
        "a later step was due as well",
        "it fell due 91 days ago",
    }


@pytest.mark.parametrize("state", ["endorsed", "declined", "withdrawn"])
def test_a_decided_application_is_silent(jobs: JobHarness, state: str) -> None:
    tell_of(jobs, WINDOW_CLOSES - 95 * DAY)
    decisions = jobs.decisions()
    jobs.change("application", state=state, decided_on=(WINDOW_CLOSES - 92 * DAY).date())
    jobs.run(*(WINDOW_CLOSES - (95 - number) * DAY for number in range(1, 95, 3)))
    assert jobs.decisions() == decisions
    assert jobs.mails() == []


def test_a_submitted_application_is_told_of_what_it_lacks(sqlite_jobs: JobHarness) -> None:
    tell_of(sqlite_jobs, WINDOW_CLOSES - 95 * DAY, submitted=(WINDOW_CLOSES - 100 * DAY).date())
    sqlite_jobs.run(WINDOW_CLOSES - 90 * DAY)
    assert sqlite_jobs.sent() == ["rsc window -90 2026-02-28"]


def test_what_comes_after_the_days_mail_waits_for_the_next_day(jobs: JobHarness) -> None:
    tell_of(jobs, at("2024-02-01"), references=["rsc-provider waiting"])
    jobs.run(at("2024-02-15"))
    jobs.execute("UPDATE membership SET ends_on = '2024-03-01'")
    jobs.execute("DELETE FROM run_ledger WHERE job = 'notices' AND local_date = '2024-02-15'")
    jobs.run(at("2024-02-15 11:00"))
    assert len(jobs.mails()) == 1
    assert jobs.sent() == ["references 14 2024-02-01"]
    jobs.run(at("2024-02-16"))
    assert len(jobs.mails()) == 2
    assert jobs.sent()[1:] == ["membership -30 2024-03-01"]


def test_nobody_gets_the_mail_of_another(sqlite_jobs: JobHarness) -> None:
    tell_of(sqlite_jobs, at("2024-02-01"), references=["rsc-provider waiting"])
    sqlite_jobs.run(at("2024-02-15"))
    assert {mail.recipient for mail in sqlite_jobs.mails()} == {"alice@example.org"}


def test_an_association_without_applications_judges_none(sqlite_jobs: JobHarness) -> None:
    with sqlite_jobs.storing(at("2024-02-01")) as people:
        people.add("Bob", [BOB], provides_rsc=True)
    sqlite_jobs.run(at("2024-02-01"), at("2024-02-02"))
    with statements(sqlite_jobs) as found:
        sqlite_jobs.run(at("2024-02-03"))
    # A session that somebody is asked about may be an applicant's: that look is no judging.
    applying = [sql for sql in found if "application" in sql and "group_member" not in sql]
    # One look for each association: nobody is due anything, so no batch is worked on.
    assert len([sql for sql in applying if "FROM application" in sql]) == 2
    assert not [sql for sql in found if "noticed" in sql]


def test_applications_are_judged_in_one_pass_however_many(sqlite_jobs: JobHarness) -> None:
    tell_of(sqlite_jobs, at("2024-03-19"))
    # What was judged since the last run is looked at once more.
    sqlite_jobs.run(at("2024-03-20"))
    with statements(sqlite_jobs) as one:
        sqlite_jobs.run(at("2024-03-21"))
    for number in range(30):
        sqlite_jobs.execute(
            "INSERT INTO application (person_id, association, category, opened_on, state) "
            "VALUES (1, 'VAIMH', 'IMHS', :day, 'open')",
            day=str((at("2023-01-01") + number * DAY).date()),
        )
    sqlite_jobs.run(at("2024-03-22"))
    with statements(sqlite_jobs) as many:
        sqlite_jobs.run(at("2024-03-23"))
    assert len(many) == len(one)
