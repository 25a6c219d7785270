"""Inactive and emeritus status, from the request or the desk to My year and the list of people."""

from collections.abc import Iterator

import pytest

from tests.support.absences import with_absences
from tests.support.cast import ALICE, CAROL, fill
from tests.web.client import WebClient, text_of
from tests.web.coordinator.desk_steps import day, preview, save

PEOPLE = "/coordinator/people?association=NCIMHA&status=inactive"
REQUEST = {**day("starts", 11, 1, 2026), **day("ends", 10, 31, 2027), "reason": "Retired for now"}


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    """The site of an association with inactive status of at least a year."""
    inactive = {"kind": "inactive", "excuses": "hours in proportion", "shortest_months": 12}
    cast = fill(sqlite_url)
    yield WebClient(cast, rulebooks=with_absences(inactive))
    cast.engine.dispose()


def test_a_coordinator_records_inactive_status(web: WebClient) -> None:
    carol, cast = web.visit(CAROL), web.cast
    page = f"/coordinator/person/{cast.people[ALICE]}"
    path = f"{page}/add/leave?endorsement={cast.endorsements[ALICE]}"
    form = text_of(carol.get(path))
    assert "Each month of inactive status in the cycle reduces the hours that are required." in form
    short = {**REQUEST, **day("ends", 10, 30, 2027), "what": "inactive"}
    refused = text_of(carol.post(path, short))
    assert (
        "Inactive status lasts at least 12 months: the last day must be October 31, 2027" in refused
    )
    shown = preview(carol, path, {**REQUEST, "what": "inactive"})
    assert "Record inactive status of Alice Moreno from November 1, 2026" in text_of(shown)
    saved = text_of(save(carol, shown))
    assert "Their endorsement is inactive through October 31, 2027." in saved
    assert "2 of 12 months inactive: 12.5 of 15 hours required" in saved
    assert [row["kind"] for row in cast.rows("leave")] == ["inactive"]
    assert "Alice Moreno" in text_of(carol.get(PEOPLE))
    [letter] = cast.rows("outbox")
    assert letter["subject"] == "Your inactive status is recorded from November 1, 2026"


def test_a_coordinator_records_emeritus_status(sqlite_url: str) -> None:
    cast = fill(sqlite_url)
    web = WebClient(cast, rulebooks=with_absences({"kind": "emeritus", "held_years": 1}))
    carol = web.visit(CAROL)
    page = f"/coordinator/person/{cast.people[ALICE]}"
    path = f"{page}/add/leave?endorsement={cast.endorsements[ALICE]}"
    assert "Add leave or emeritus status" in text_of(carol.get(path))
    retired = {**day("starts", 11, 1, 2026), "reason": "Retired", "what": "emeritus"}
    saved = text_of(save(carol, preview(carol, path, retired)))
    assert "Emeritus since November 1, 2026." in saved
    assert "Emeritus since Nov 1, 2026" in saved
    listed = "/coordinator/people?association=NCIMHA&status=emeritus"
    assert "Alice Moreno" in text_of(carol.get(listed))
    [letter] = cast.rows("outbox")
    assert letter["subject"] == "You are emeritus from November 1, 2026"
    cast.engine.dispose()


def test_an_endorsee_requests_inactive_status(web: WebClient) -> None:
    alice, carol = web.visit(ALICE), web.visit(CAROL)
    assert "/requests/inactive" in alice.get("/requests").text
    form = {"subject": str(web.cast.endorsements[ALICE]), **REQUEST}
    sent = text_of(alice.follow(alice.post("/requests/inactive", form)))
    assert "Inactive status Waiting November 1, 2026 to October 31, 2027" in sent
    [request] = web.cast.rows("time_request")
    path = f"/coordinator/requests/{request['id']}"
    assert "Alice Moreno requests inactive status." in text_of(carol.get(path))
    carol.post(path, {**REQUEST, "decision": "grant"})
    year = text_of(alice.get("/my-year"))
    assert "Your endorsement is inactive through October 31, 2027." in year
    assert "2 of 12 months inactive: 12.5 of 15 hours required" in year
