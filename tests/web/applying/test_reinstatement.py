"""A lapsed endorsement is removed on the desk, and its holder asks to come back."""

import re
from collections.abc import Iterator

import pytest

from tests.support.cast import NOW, REX
from tests.support.removing import UMA, VIC, fill_with_uma
from tests.web.client import Visitor, WebClient, plain_text, text_of
from tests.web.coordinator.test_entries import save, undo_last

PEOPLE = "/coordinator/people?association=REMOVING"


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    """Uma has lapsed, and Vic was removed on March 1, 2026."""
    cast = fill_with_uma(sqlite_url)
    yield WebClient(cast, NOW)
    cast.engine.dispose()


@pytest.fixture
def vic(web: WebClient) -> Visitor:
    return web.visit(VIC)


def removal_path(web: WebClient) -> str:
    uma = web.cast.people[UMA]
    return f"/coordinator/person/{uma}/remove-lapsed/{web.cast.endorsements[UMA]}"


def start(web: WebClient, vic: Visitor) -> str:
    """Vic starts a reinstatement; the path of its checklist."""
    response = vic.post(f"/reinstatement/{web.cast.endorsements[VIC]}")
    return response.headers["location"].partition("?")[0]


def test_today_leads_to_the_removal(web: WebClient) -> None:
    page = web.visit(REX).get("/coordinator?association=REMOVING")
    assert removal_path(web) in page.text
    assert "Decide on removal" in text_of(page)


def test_removal_is_previewed_saved_mailed_and_undone(web: WebClient) -> None:
    rex = web.visit(REX)
    preview = save(rex, removal_path(web), reason="No answer to two letters")
    assert "Remove the lapsed endorsement REMOVING IFS of Uma Bell" in preview
    assert "Removed" in plain_text(preview)
    assert "Not tracked" not in preview
    [held] = web.cast.rows("endorsement", id=web.cast.endorsements[UMA])
    assert (str(held["ends_on"]), held["ended_as"]) == ("2026-11-21", "removed")
    web.settle()
    mail = web.mails()[-1]
    assert "REMOVING removed your IFS endorsement" in mail
    assert f"/reinstatement/{web.cast.endorsements[UMA]}" in mail
    assert "You can ask to be reinstated through November 22, 2027" in " ".join(mail.split())
    assert "Recent training: 6 hours" in mail
    assert "Reinstatement fee: $50.00" in mail
    undo_last(rex)
    [held] = web.cast.rows("endorsement", id=web.cast.endorsements[UMA])
    assert (held["ends_on"], held["ended_as"]) == (None, None)


def test_my_year_offers_the_way_back(web: WebClient, vic: Visitor) -> None:
    year = text_of(vic.get("/my-year"))
    assert "You can ask to be reinstated through March 1, 2027" in year
    assert "Lapsed:" not in year
    page = text_of(vic.get(f"/reinstatement/{web.cast.endorsements[VIC]}"))
    assert "Reinstatement fee: $50.00. Send a check to the association." in page
    assert re.search(r"Recent training: 6 hours\. ", page)


def test_request_is_started_and_submitted(web: WebClient, vic: Visitor) -> None:
    path = start(web, vic)
    page = text_of(vic.get(path))
    assert "Reinstatement · Infant Family Specialist" in page
    assert "0 of 6 hours" in page
    assert page.count("Sessions of the") == 1
    assert "Submit it by March 1, 2027." in page
    vic.post(f"{path}/status/submit")
    assert "Vic Soto has submitted a reinstatement request" in web.mails()[-1]
    [request] = web.cast.rows("application", person_id=web.cast.people[VIC])
    assert (request["state"], request["purpose"]) == ("submitted", "reinstatement")


def test_coordinator_reinstates_and_the_letter_says_so(web: WebClient, vic: Visitor) -> None:
    path = start(web, vic)
    vic.post(f"{path}/status/submit")
    number = path.rpartition("/")[2]
    rex = web.visit(REX)
    request = rex.get(f"/coordinator/applicants/{number}")
    assert "<title>Vic Soto: reinstatement" in request.text
    assert "Reinstate" in text_of(request)
    assert "No degree is on record." not in text_of(request)
    assert "No work is on record." not in text_of(request)
    day = {"day": "22", "month": "11", "year": "2026"}
    preview = save(rex, f"/coordinator/applicants/{number}/endorse", **day)
    assert "Reinstate the endorsement REMOVING IFS of Vic Soto" in preview
    assert "Some requirements are not met." in preview
    assert "You are reinstated as Infant Family Specialist" in web.mails()[-1]
    assert "You can ask to be reinstated" not in text_of(vic.get("/my-year"))
    assert "Reinstated 1" in text_of(rex.get(PEOPLE))
    assert "Removed 1" not in text_of(rex.get(PEOPLE))


def test_people_list_counts_the_removed(web: WebClient) -> None:
    rex = web.visit(REX)
    assert "Removed 1" in text_of(rex.get(PEOPLE))
    removed = text_of(rex.get(f"{PEOPLE}&stage=removed"))
    assert "Vic Soto" in removed
    assert "Uma Bell" not in removed


def test_fee_is_shown_recorded_and_then_done(web: WebClient, vic: Visitor) -> None:
    path = start(web, vic)
    assert "$50.00. Send a check to the association." in text_of(vic.get(path))
    rex, key = web.visit(REX), f"{web.cast.endorsements[VIC]}.2026-03-01.reinstatement"
    fees = "/coordinator/fees"
    assert "Vic Soto IFS Reinstatement Reinstatement fee" in text_of(rex.get(fees))
    when = {"day": "20", "month": "11", "year": "2026"}
    paid = {f"part.{key}": "50", "association": "REMOVING", "payer": "Vic Soto", **when}
    save(rex, f"{fees}/payment", form_key="a" * 32, **paid)
    assert "Missing: 6 hours of recent training and Code of Ethics" in text_of(vic.get(path))
    [payment] = web.cast.rows("payment")
    assert "IFS, Reinstatement Reinstatement fee" in text_of(
        rex.get(f"{fees}/payments/{payment['id']}")
    )


def test_late_request_is_refused_in_words(web: WebClient) -> None:
    web.pass_time(days=120)
    page = web.visit(VIC).post(f"/reinstatement/{web.cast.endorsements[VIC]}")
    assert "Reinstatement was possible through March 1, 2027" in text_of(page)


def test_paid_fee_stays_listed_once_it_is_granted(web: WebClient, vic: Visitor) -> None:
    path = start(web, vic)
    rex, key = web.visit(REX), f"{web.cast.endorsements[VIC]}.2026-03-01.reinstatement"
    paid = {f"part.{key}": "50", "association": "REMOVING", "payer": "Vic Soto"}
    paid |= {"day": "20", "month": "11", "year": "2026"}
    save(rex, "/coordinator/fees/payment", form_key="a" * 32, **paid)
    number = path.rpartition("/")[2]
    day = {"day": "22", "month": "11", "year": "2026"}
    save(rex, f"/coordinator/applicants/{number}/endorse", **day)
    page = text_of(rex.get("/coordinator/fees"))
    assert "Vic Soto IFS Reinstatement Reinstatement fee Mar 1, 2027 $50.00 $50.00" in page


def test_reinstatement_is_a_change_that_can_be_undone(web: WebClient, vic: Visitor) -> None:
    path, rex = start(web, vic), web.visit(REX)
    vic.post(f"{path}/status/submit")
    number = path.rpartition("/")[2]
    day = {"day": "22", "month": "11", "year": "2026"}
    save(rex, f"/coordinator/applicants/{number}/endorse", **day)
    assert "Reinstate the endorsement REMOVING IFS of Vic Soto" in text_of(
        rex.get("/coordinator/changes")
    )
    undo_last(rex)
    [request] = web.cast.rows("application", id=int(number))
    assert request["state"] == "submitted"
    assert len(web.cast.rows("endorsement", person_id=web.cast.people[VIC])) == 1
    assert "Reinstated" not in text_of(rex.get(PEOPLE))
