"""A closed cycle keeps what it came to; a coordinator sees what differs, and may reopen it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from tests.support.cast import ALICE, BOOKS, CAROL, DAN, DANA, NOW
from tests.support.nights import evaluate_due
from tests.web.client import WebClient, problems, text_of
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.notifications.attention_text import describe_attention
from tracker.services.attention import list_attention
from tracker.services.evaluation import days_at, evaluate_people, judge_all

CLOSED = date(2026, 1, 31)
AFTER = datetime(2026, 2, 1, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)


@pytest.fixture
def settled_web(web: WebClient) -> WebClient:
    """Alice's 2025 is complete, and was settled the night after its grace period."""
    pass_the_night(web, CLOSED)
    return web


def pass_the_night(web: WebClient, since: date) -> None:
    """The night after the grace period of 2025, if the one before was that of ``since``."""
    with writing(web.cast.engine) as session:
        evaluate_people(session, BOOKS, web.cast.people.values(), AFTER - timedelta(days=3))
        evaluate_due(session, BOOKS, "NCIMHA", AFTER, since=since)


def end_vetting(web: WebClient, ends_on: date) -> None:
    """Dana's vetting turns out to have ended: most of Alice's sessions of 2025 come after."""
    vetting = METADATA.tables["vetting"]
    with writing(web.cast.engine) as session:
        session.connection().execute(update(vetting).values(ends_on=ends_on))
        evaluate_people(session, BOOKS, {web.cast.people[DANA]}, NOW)


def path_of(web: WebClient) -> str:
    return f"/coordinator/people/{web.cast.endorsements[ALICE]}/2025-01-01"


def status_of_2025(web: WebClient, now: datetime = NOW) -> str:
    with reading(web.cast.engine) as session:
        [standing] = judge_all(
            session,
            BOOKS,
            days_at(BOOKS, now),
            cycle_day=date(2025, 6, 1),
            endorsement_ids=[web.cast.endorsements[ALICE]],
        )
    return standing.status.value


def test_a_settled_cycle_stays_as_it_was(settled_web: WebClient) -> None:
    end_vetting(settled_web, date(2025, 3, 31))
    assert status_of_2025(settled_web) == "met"
    words = text_of(
        settled_web.visit(ALICE).get(f"/my-year/{settled_web.cast.endorsements[ALICE]}/2025-01-01")
    ).replace("\xa0", " ")
    assert "It was settled on February 1, 2026" in words
    assert "12 of 12" in words
    # Nor are its sessions judged again for her.
    assert "Does not count" not in words


def test_a_cycle_that_is_open_is_not_settled(settled_web: WebClient) -> None:
    rows = settled_web.cast.rows("settled_cycle")
    assert {row["cycle_starts_on"] for row in rows} == {date(2025, 1, 1)}


def test_what_closed_before_the_last_night_is_not_settled(web: WebClient) -> None:
    pass_the_night(web, CLOSED + timedelta(days=1))
    assert web.cast.rows("settled_cycle") == []


def test_days_before_the_settlement_are_judged_by_records(settled_web: WebClient) -> None:
    end_vetting(settled_web, date(2025, 3, 31))
    assert status_of_2025(settled_web, datetime(2026, 1, 15, 12, tzinfo=UTC)) == "overdue"


def test_coordinators_are_told_what_would_differ(settled_web: WebClient) -> None:
    with reading(settled_web.cast.engine) as session:
        before = list_attention(session, BOOKS, "NCIMHA", settled_web.now)
    assert "records changed" not in {item.kind.value for item in before}
    end_vetting(settled_web, date(2025, 3, 31))
    [row] = settled_web.cast.rows(
        "settled_cycle", endorsement_id=settled_web.cast.endorsements[ALICE]
    )
    assert row["differs_since"] == TODAY
    page = text_of(settled_web.visit(CAROL).get(path_of(settled_web))).replace("\xa0", " ")
    assert "records it would be lapsed" in page
    assert "12 hours counted then, 0 hours by" in page


def test_changed_records_are_listed_for_attention(settled_web: WebClient) -> None:
    end_vetting(settled_web, date(2025, 3, 31))
    with reading(settled_web.cast.engine) as session:
        changed = [
            describe_attention(item, "NCIMHA", TODAY)
            for item in list_attention(session, BOOKS, "NCIMHA", settled_web.now)
            if item.kind.value == "records changed"
        ]
    assert [(text.todo, text.path) for text in changed] == [("review", path_of(settled_web))]
    assert "was settled as met" in changed[0].reason


def test_records_that_agree_again_need_no_attention(settled_web: WebClient) -> None:
    end_vetting(settled_web, date(2025, 3, 31))
    end_vetting(settled_web, date(2026, 12, 31))
    [row] = settled_web.cast.rows(
        "settled_cycle", endorsement_id=settled_web.cast.endorsements[ALICE]
    )
    assert row["differs_since"] is None


def test_a_reopened_cycle_follows_todays_records(settled_web: WebClient) -> None:
    end_vetting(settled_web, date(2025, 3, 31))
    carol = settled_web.visit(CAROL)
    form = {"action": "reopen", "reason": "Dana left in March"}
    answer = carol.post(path_of(settled_web), form)
    assert status_of_2025(settled_web) == "lapsed"
    words = text_of(carol.follow(answer))
    assert "records count for it until you settle it again" in words
    assert "Dana left in March" in words
    [event] = [
        row for row in settled_web.cast.rows("audit_event") if row["table_name"] == "settled_cycle"
    ]
    assert event["who"] == CAROL


def test_a_reopened_cycle_can_be_settled_again(settled_web: WebClient) -> None:
    end_vetting(settled_web, date(2025, 3, 31))
    carol = settled_web.visit(CAROL)
    carol.post(path_of(settled_web), {"action": "reopen", "reason": "Dana left in March"})
    answer = carol.post(path_of(settled_web), {"action": "settle"})
    assert "The cycle is settled as it is now" in text_of(carol.follow(answer))
    end_vetting(settled_web, date(2026, 12, 31))
    assert status_of_2025(settled_web) == "lapsed"


def test_reopening_requires_a_reason(settled_web: WebClient) -> None:
    answer = settled_web.visit(CAROL).post(path_of(settled_web), {"action": "reopen"})
    assert problems(answer) == [("reason", "Enter a short reason")]
    assert settled_web.cast.rows("settled_cycle")[0]["reopened_at"] is None


def test_other_associations_cannot_reopen_a_cycle(settled_web: WebClient) -> None:
    form = {"action": "reopen", "reason": "Mine"}
    assert settled_web.visit(DAN).post(path_of(settled_web), form).status_code == 404
    assert settled_web.visit(ALICE).post(path_of(settled_web), form).status_code == 404
