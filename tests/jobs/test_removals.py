"""The nightly evaluation removes lapsed endorsements by itself where the rulebook has it so."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.jobs.harness import JobHarness
from tests.support.cast import BOOKS, REMOVING
from tracker.settings import Coordinator

BOOK = BOOKS.associations[REMOVING]
[RULE] = BOOK.removals
BY_ITSELF = BOOK.model_copy(update={"removals": (RULE.model_copy(update={"by_itself": True}),)})
ONE = replace(BOOKS, associations={REMOVING: BY_ITSELF})
REX = Coordinator(email="rex@example.org", name="Rex", association=REMOVING)
KEPT, DUE = datetime(2026, 2, 28, 17, 0, tzinfo=UTC), datetime(2026, 3, 1, 17, 0, tzinfo=UTC)
NEXT = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)


@pytest.fixture
def jobs(sqlite_url: str) -> Iterator[JobHarness]:
    """Uma has logged nothing, so that her 2025 renewal lapsed."""
    jobs = JobHarness(sqlite_url, rulebooks=ONE, coordinators=(REX,))
    with jobs.storing(KEPT) as people:
        people.add("Uma", [f"{REMOVING} IFS 2025-01-01"])
    yield jobs
    jobs.engine.dispose()


def test_nobody_is_removed_on_the_last_kept_day(jobs: JobHarness) -> None:
    jobs.run(KEPT)
    assert jobs.mails("request") == []


def test_lapsed_endorsement_is_removed_and_mailed_once(jobs: JobHarness) -> None:
    jobs.run(KEPT, DUE, NEXT)
    [mail] = jobs.mails("request")
    assert mail.subject == "Your REMOVING IFS endorsement was removed"
    assert "March 1, 2027" in mail.text


def test_removed_endorsement_gets_no_lapse_notice(jobs: JobHarness) -> None:
    jobs.run(DUE, NEXT)
    assert jobs.mails("notices") == []


def test_undecided_request_holds_the_removal_back(jobs: JobHarness) -> None:
    jobs.execute(
        "INSERT INTO time_request (endorsement_id, kind, starts_on, ends_on, reason, form_key, "
        "state, asked_at) VALUES (:held, 'extension', '2025-01-01', '2026-06-30', 'Ill', 'a', "
        "'asked', '2026-02-20 12:00:00')",
        held=jobs.endorsements[f"Uma: {REMOVING} IFS"],
    )
    jobs.run(KEPT, DUE)
    assert jobs.mails("request") == []


def test_lapse_notice_says_when_the_endorsement_is_removed(jobs: JobHarness) -> None:
    jobs.run(datetime(2026, 2, 1, 17, 0, tzinfo=UTC))
    [mail] = jobs.mails("notices")
    assert "Your endorsement is removed after February 28, 2026, unless" in mail.text
