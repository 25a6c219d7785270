"""Submitted renewals on the desk: those that lack something wait, and are accepted or returned."""

import csv
import re
from collections.abc import Iterator

import pytest

from tests.support.cast import BOOKS, KAI
from tests.support.submitting import ALL_SIGNED, CYCLE, FAY, SUBMITTED_AT, fill_with_fay
from tests.web.client import Visitor, WebClient, text_of
from tests.web.coordinator.test_entries import save, undo_last
from tracker.db.engine import writing
from tracker.services.context import Actor, ServiceContext
from tracker.services.submissions import SubmissionInput, submit_renewal


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    cast = fill_with_fay(sqlite_url)
    yield WebClient(cast, SUBMITTED_AT)
    cast.engine.dispose()


@pytest.fixture
def kai(web: WebClient) -> Visitor:
    return web.visit(KAI)


def submit(web: WebClient, signed: frozenset[str]) -> str:
    """Fay submits; the address of the desk's page about it."""
    with writing(web.cast.engine) as session:
        fay = Actor(FAY, web.cast.people[FAY])
        context = ServiceContext(session, BOOKS, fay, SUBMITTED_AT)
        held = web.cast.endorsements[FAY]
        renewal = SubmissionInput(held, CYCLE, "Fay Lani", signed, "a" * 32)
        return f"/coordinator/renewals/{submit_renewal(context, renewal).id}"


def status(web: WebClient) -> str:
    rows = web.cast.rows("standing", endorsement_id=web.cast.endorsements[FAY])
    return str(rows[-1]["status"])


def test_only_what_lacks_something_is_on_today(web: WebClient, kai: Visitor) -> None:
    submit(web, frozenset({"ethics"}))
    today = text_of(kai.get("/coordinator"))
    assert (
        "submitted the renewal for 2025 to 2027: 25 training hours and 36 RSC hours missing"
        in today
    )
    assert "Review renewal" in today


def test_the_list_of_people_has_a_lane_for_each_stage(web: WebClient, kai: Visitor) -> None:
    submit(web, frozenset({"ethics"}))
    people = "/coordinator/people?association=ATTESTING"
    assert "Stage Needs attention 1 Lapsed 1" in text_of(kai.get(people))
    lane = text_of(kai.get(f"{people}&stage=needs+attention"))
    assert "Fay Lani fay@example.org IFS" in lane
    file = kai.get("/coordinator/people.csv?association=ATTESTING").text.splitlines()
    assert {row["Stage"] for row in csv.DictReader(file)} == {"Needs attention", "Lapsed"}


def test_what_meets_every_rule_is_not_on_today(web: WebClient, kai: Visitor) -> None:
    submit(web, ALL_SIGNED)
    assert "submitted the" not in text_of(kai.get("/coordinator"))


def test_accepting_waives_what_is_missing_and_can_be_undone(web: WebClient, kai: Visitor) -> None:
    path = submit(web, frozenset({"ethics"}))
    page = text_of(kai.get(path))
    assert "Training 20 of 45 hours Not complete" in page
    assert "Signed as Fay Lani" in page
    preview = save(kai, path, action="accept", accept_reason="Lost in a fire")
    assert "You are renewed through December 31, 2030" in preview
    assert status(web) == "met"
    [certificate] = web.cast.rows("certificate")
    public_page = f"/verify/{certificate['number']}"
    assert "This certificate is valid" in text_of(web.visit().get(public_page))
    said = "by Kai Akana: Lost in a fire Renewed through December 31, 2030."
    assert said in text_of(kai.get(path))
    undo_last(kai)
    assert status(web) == "open"
    assert web.cast.rows("submission")[0]["state"] == "submitted"
    assert web.cast.rows("settled_cycle") == web.cast.rows("waiver") == []
    assert "This certificate was revoked" in text_of(web.visit().get(public_page))
    assert {row["state"] for row in web.cast.rows("outbox", kind="request")} == {"dropped"}


def test_the_preview_shows_no_number_of_a_certificate(web: WebClient, kai: Visitor) -> None:
    sent = {"action": "accept", "accept_reason": "Lost in a fire"}
    shown = text_of(kai.post(submit(web, frozenset({"ethics"})), sent))
    assert "(its number)" in shown
    # As they are read aloud.
    assert re.findall(r"\b\w{4}(?:-\w{4}){3}\b", shown) == []


def test_history_names_the_coordinator_who_accepts(web: WebClient, kai: Visitor) -> None:
    save(kai, submit(web, frozenset({"ethics"})), action="accept", accept_reason="Lost in a fire")
    events = web.cast.rows("audit_event", table_name="submission")
    assert [event["who"] for event in events] == [FAY, KAI]


def test_returning_an_accepted_renewal_can_be_undone(web: WebClient, kai: Visitor) -> None:
    path = submit(web, ALL_SIGNED)
    before = web.cast.rows("settled_cycle")
    save(kai, path, action="return", return_reason="A wrong date")
    assert status(web) == "open"
    undo_last(kai)
    assert status(web) == "met"
    assert web.cast.rows("settled_cycle") == before


def test_another_associations_coordinator_sees_nothing(web: WebClient) -> None:
    path, carol = submit(web, frozenset({"ethics"})), web.visit("carol@example.org")
    assert carol.get(path).status_code == 404
    form = {"action": "accept", "accept_reason": "Mine"}
    assert carol.post(path, form).status_code == 404
    assert "Fay Lani" not in text_of(carol.get("/coordinator"))


def test_the_snapshot_lacks_what_the_submission_settles(web: WebClient, kai: Visitor) -> None:
    page = text_of(kai.get(submit(web, frozenset({"ethics"}))))
    assert "Not submitted" not in page
    assert "When it was submitted" not in page
