"""A coordinator decides about others, and never about herself."""

import pytest

from tests.support.cast import ALICE, Cast
from tests.support.held import settle_last_year
from tests.support.referees import apply
from tests.web.client import Visitor, WebClient, text_of
from tracker.db.engine import writing
from tracker.settings import Coordinator

REFUSED = "You can't decide about yourself. Ask another coordinator of the association"
DAY = {"month": "11", "day": "20", "year": "2026"}
LEAVE = {
    **{f"starts_{part}": value for part, value in DAY.items()},
    "subject": "",
    "reason": "Parental leave",
}


@pytest.fixture
def alice(sqlite_web: WebClient) -> Visitor:
    """Alice, who is endorsed by the association that she coordinates."""
    cast: Cast = sqlite_web.cast
    own = Coordinator(email=ALICE, name="Alice Moreno", association="NCIMHA")
    coordinators = (*cast.settings.coordinators, own)
    settings = cast.settings.model_copy(update={"coordinators": coordinators})
    return WebClient(cast, settings=settings).visit(ALICE)


def test_a_coordinator_does_not_endorse_herself(sqlite_web: WebClient, alice: Visitor) -> None:
    cast = sqlite_web.cast
    with writing(cast.engine) as session:
        number = apply(session, cast.people[ALICE], association="NCIMHA", category="IMHM-C")
    path = f"/coordinator/applicants/{number}"
    for decision, more in (("endorse", {}), ("decline", {"answer": "No"})):
        answer = alice.post(f"{path}/{decision}", {**DAY, **more})
        assert (answer.status_code, REFUSED in text_of(answer)) == (422, True)
    (row,) = cast.rows("application", id=number)
    assert row["state"] == "open"


def test_a_coordinator_does_not_grant_herself_leave(sqlite_web: WebClient, alice: Visitor) -> None:
    cast = sqlite_web.cast
    alice.post("/requests/leave", {**LEAVE, "subject": str(cast.endorsements[ALICE])})
    (asked,) = cast.rows("time_request")
    path = f"/coordinator/requests/{asked['id']}"
    for decision in ("grant", "decline"):
        answer = alice.post(path, {**LEAVE, "decision": decision, "answer": "Of course"})
        assert (answer.status_code, REFUSED in text_of(answer)) == (422, True)
    assert cast.rows("leave") == []
    assert cast.rows("time_request") == [asked]


def test_a_coordinator_does_not_reopen_her_own_cycle(sqlite_web: WebClient, alice: Visitor) -> None:
    cast = sqlite_web.cast
    with writing(cast.engine) as session:
        settle_last_year(session, cast, ALICE)
    path = f"/coordinator/people/{cast.endorsements[ALICE]}/2025-01-01"
    answer = alice.post(path, {"action": "reopen", "reason": "It was met"})
    assert REFUSED in text_of(answer)
    assert [row["reopened_at"] for row in cast.rows("settled_cycle")] == [None]
