"""Cutoff warnings: before a provider lately seen stops qualifying, for whichever reason."""

from datetime import timedelta

import pytest

from tests.jobs.harness import TWO, JobHarness, at
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks

DAY = timedelta(days=1)


@pytest.fixture
def rulebooks() -> Rulebooks:
    """One association more than in most tests."""
    return TWO


def tell_of(jobs: JobHarness, endorsed: str, bob: list[str], first: str, *, session: str) -> None:
    """Alice sees Bob on the day ``session``; judged on the day ``first``."""
    with jobs.storing(at(first)) as people:
        people.add("Bob", bob, provides_rsc=True)
        people.add("Alice", [endorsed])
        people.join(f"{endorsed.split(maxsplit=1)[0]} 2020-01-01..2030-12-31")
        people.log(f"rsc 5h {session} with Bob")
    jobs.run(at(first))


def cutoffs(jobs: JobHarness) -> list[str]:
    return [what for what in jobs.sent() if what.startswith("provider cutoff")]


@pytest.mark.parametrize(
    ("endorsed", "bob", "last_day", "why"),
    [
        (
            "CT-AIMH IFS 2020-01-01",
            ["CT-AIMH IMHS 2015-01-01"],
            "2024-04-30",
            "endorsement as IMHS counts only through April 30, 2024",
        ),
        (
            "NCIMHA IFS 2020-01-01",
            ["vetted NCIMHA 2015-01-01"],
            "2027-12-21",
            "counts only through December 21, 2027",
        ),
        (
            "NCIMHA IFS 2020-01-01",
            ["vetted NCIMHA 2015-01-01..2024-06-30"],
            "2024-06-30",
            "vetting by NCIMHA",
        ),
        (
            "NCIMHA IFS 2020-01-01",
            ["NCIMHA IMHM-C 2015-01-01..2024-06-30"],
            "2024-06-30",
            "endorsement as IMHM-C",
        ),
    ],
    ids=["rule", "end of all vetting", "vetting", "own endorsement"],
)
def test_each_step_is_told_of_with_the_sessions_that_will_not_count(
    jobs: JobHarness, endorsed: str, bob: list[str], last_day: str, why: str
) -> None:
    last = at(last_day)
    before = last - 185 * DAY
    session = (last - 190 * DAY).date()
    tell_of(jobs, endorsed, bob, str(before.date()), session=str(session))
    for step in (180, 90, 30):
        jobs.run(last - (step + 1) * DAY)
        told = cutoffs(jobs)
        jobs.run(last - step * DAY)
        assert cutoffs(jobs) == [*told, f"provider cutoff -{step} {last_day}"]
    text = " ".join(next(m for m in jobs.mails() if "RSC with Bob" in m.subject).text.split())
    last_counted = format_date(last.date())
    assert f"Sessions through {last_counted} count. Later sessions will not count" in text
    assert why in text
    assert "You logged 5 hours with this provider in the last 12 months." in text


@pytest.mark.parametrize(
    ("session", "number"), [("2023-05-30", 0), ("2023-05-31", 1), ("2023-06-01", 1)]
)
def test_a_provider_counts_as_lately_seen_for_12_months(
    jobs: JobHarness, session: str, number: int
) -> None:
    bob = ["NCIMHA IMHM-C 2015-01-01..2024-06-30"]
    tell_of(jobs, "NCIMHA IFS 2020-01-01", bob, "2024-05-30", session=session)
    jobs.run(at("2024-05-31"))
    assert cutoffs(jobs).count("provider cutoff -30 2024-06-30") == number


def test_whoever_first_sees_a_provider_who_ends_soon_is_told_at_once(jobs: JobHarness) -> None:
    bob = ["NCIMHA IMHM-C 2015-01-01..2024-06-30"]
    tell_of(jobs, "NCIMHA IFS 2020-01-01", bob, "2024-06-10", session="2022-06-01")
    assert cutoffs(jobs) == []
    with jobs.storing(at("2024-06-12")) as people:
        people.log("rsc 1h 2024-06-12 with Bob")
    jobs.run(at("2024-06-13"))
    assert cutoffs(jobs) == ["provider cutoff -30 2024-06-30"]


def test_a_provider_whose_end_was_put_off_is_told_of_under_the_new_day(jobs: JobHarness) -> None:
    bob = ["NCIMHA IMHM-C 2015-01-01..2024-06-30"]
    tell_of(jobs, "NCIMHA IFS 2020-01-01", bob, "2024-05-31", session="2024-02-01")
    jobs.execute("UPDATE endorsement SET ends_on = '2024-09-30' WHERE category = 'IMHM-C'")
    with jobs.storing(at("2024-06-01")):
        pass
    jobs.run(*(at("2024-06-02") + number * DAY for number in range(3)), at("2024-08-31"))
    assert cutoffs(jobs) == [
        "provider cutoff -30 2024-06-30",
        "provider cutoff -180 2024-09-30",
        "provider cutoff -30 2024-09-30",
    ]


def test_nobody_is_told_once_the_last_day_is_over(sqlite_jobs: JobHarness) -> None:
    bob = ["NCIMHA IMHM-C 2015-01-01..2024-06-30"]
    tell_of(sqlite_jobs, "NCIMHA IFS 2020-01-01", bob, "2024-07-01", session="2024-02-01")
    assert cutoffs(sqlite_jobs) == []


def test_trainings_are_no_reason_for_a_warning(sqlite_jobs: JobHarness) -> None:
    bob = ["NCIMHA IMHM-C 2015-01-01..2024-06-30"]
    with sqlite_jobs.storing(at("2024-06-10")) as people:
        people.add("Bob", bob, provides_rsc=True)
        people.add("Alice", ["NCIMHA IFS 2020-01-01"])
        people.log("training 3h 2024-02-01 with Bob")
    sqlite_jobs.run(at("2024-06-10"))
    assert cutoffs(sqlite_jobs) == []


def test_two_associations_that_accept_one_provider_differently_are_told_apart(
    jobs: JobHarness,
) -> None:
    with jobs.storing(at("2024-04-01")) as people:
        # CT-AIMH accepts IMHM-C without an end, and NCIMHA vetting that ends.
        people.add("Bob", ["CT-AIMH IMHM-C 2015-01-01", "vetted NCIMHA 2015-01-01..2024-06-30"])
        people.add("Alice", ["NCIMHA IFS 2020-01-01", "CT-AIMH IFS 2020-01-01"])
        people.log("rsc 1h 2024-02-01 with Bob")
    jobs.run(at("2024-04-02"))
    # IMHM-C counts at NCIMHA, too: his sessions go on counting there.
    assert cutoffs(jobs) == []
