"""An endorsee submits a renewal: what the records show, what is signed, and what comes of it."""

import re
from collections.abc import Iterator

import pytest
from sqlmodel import select

from tests.support.cast import BOOKS, KAI
from tests.support.submitting import CYCLE, FAY, SUBMITTED_AT, fill_with_fay
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.test_entries import save
from tracker.db.engine import writing
from tracker.db.people import Membership
from tracker.services.evaluation import evaluate_people

SIGNED = {"signed": ["ethics", "hours"], "signed_name": "Fay Lani", "form_key": "a" * 32}


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    cast = fill_with_fay(sqlite_url)
    yield WebClient(cast, SUBMITTED_AT)
    cast.engine.dispose()


def path_of(web: WebClient) -> str:
    return f"/my-year/{web.cast.endorsements[FAY]}/{CYCLE}"


def submit(web: WebClient, **changes: object) -> Visitor:
    fay = web.visit(FAY)
    answer = fay.post(f"{path_of(web)}/submit", {**SIGNED, "anyway": "yes", **changes})
    assert answer.status_code == 303, text_of(answer)
    return fay


def test_my_year_leads_to_the_form(web: WebClient) -> None:
    page = web.visit(FAY).get("/my-year")
    assert "Ready to submit by December 31." in text_of(page)
    assert "25 hours to log or attest to" in text_of(page)
    assert "You can submit it through January 31, 2028." in text_of(page)
    assert f'href="{path_of(web)}/submit"' in page.text


def filled_buttons(page: str) -> list[str]:
    """The words of the filled buttons and links, without what only screen readers read."""
    found = re.findall(r'class="button"[^>]*>([^<]+)', page.partition("<main")[2])
    return [words.strip() for words in found]


def test_a_renewal_ready_to_submit_has_the_filled_button(web: WebClient) -> None:
    page = web.visit(FAY).get("/my-year").text
    assert filled_buttons(page) == ["Submit your renewal"]
    assert 'class="second" href="/log"' in page


def test_without_a_membership_logging_comes_first(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        fay = web.cast.people[FAY]
        session.delete(session.exec(select(Membership).filter_by(person_id=fay)).one())
        session.flush()
        evaluate_people(session, BOOKS, {fay}, SUBMITTED_AT)
    assert filled_buttons(web.visit(FAY).get("/my-year").text) == ["Log hours"]


def test_a_submitted_renewal_asks_for_no_hours(web: WebClient) -> None:
    page = submit(web, signed=["ethics"]).get("/my-year")
    assert filled_buttons(page.text) == []
    assert "25 hours short" in text_of(page)
    assert 'href="/log"' not in page.text.partition("<main")[2]
    assert "the renewal lapses after this day" not in text_of(page)
    assert "to log or attest" not in text_of(page)


def test_the_log_form_says_at_once_what_is_locked(web: WebClient) -> None:
    said = "The renewal for 2025 to 2027 is submitted at ATTESTING"
    assert said not in text_of(web.visit(FAY).get("/log"))
    fay = submit(web)
    assert said in text_of(fay.get("/log"))
    assert said in text_of(fay.get(f"/log?again={web.cast.entries['fay']}"))


def test_the_form_says_what_a_statement_stands_for(web: WebClient) -> None:
    page = text_of(web.visit(FAY).get(f"{path_of(web)}/submit"))
    assert "Training 20 of 45 hours Not complete" in page
    assert "Stands for what is not logged: Training, Reflective supervision" in page


def test_a_complete_renewal_is_accepted_and_mailed(web: WebClient) -> None:
    fay = submit(web)
    page = text_of(fay.get(path_of(web)))
    assert "Accepted on November 15, 2027." in page
    assert "Attested" in page
    [mail] = web.mails("request")
    assert "You are renewed through December 31, 2030." in mail
    assert "There is nothing else to do." in mail


def test_a_renewal_that_waits_is_no_longer_ready_to_submit(web: WebClient) -> None:
    page = text_of(submit(web, signed=["ethics"]).get("/my-year"))
    assert "Your renewal is submitted." in page
    assert "ATTESTING is reviewing what is missing." in page
    assert "Needs attention" not in page


def test_what_is_missing_is_named_beside_its_field(web: WebClient) -> None:
    fay = web.visit(FAY)
    answer = fay.post(f"{path_of(web)}/submit", {"signed": ["hours"], "form_key": "a" * 32})
    assert answer.status_code == 422
    ethics = "I follow the Code of Ethics, and no sanction was imposed on me"
    assert problems(answer) == [
        ("signed", f"Check “{ethics}” to sign it"),
        ("signed_name", "Type your name to sign"),
    ]
    assert 'value="hours" id="signed-hours" checked' in answer.text


def test_a_submitted_renewal_offers_no_form(web: WebClient) -> None:
    fay = submit(web)
    page = fay.get(f"{path_of(web)}/submit")
    assert "Accepted on November 15, 2027." in text_of(page)
    assert "<form" not in page.text.partition("<main")[2].partition("</main>")[0]
    again = fay.post(f"{path_of(web)}/submit", {**SIGNED, "form_key": "b" * 32})
    assert again.status_code == 422


def test_its_sessions_can_be_read_but_not_changed(web: WebClient) -> None:
    fay, entry = submit(web), web.cast.entries["fay"]
    assert fay.get(f"/entries/{entry}/edit").status_code == 303
    assert "add or change its sessions" in text_of(fay.get(f"/entries/{entry}"))
    fay.post(f"/entries/{entry}/delete")
    assert web.cast.rows("entry", id=entry)


def test_a_renewal_of_another_scheme_has_no_form(web: WebClient) -> None:
    alice = web.visit("alice@example.org")
    own = f"/my-year/{web.cast.endorsements['alice@example.org']}/2027-01-01/submit"
    assert alice.get(own).status_code == 404
    assert alice.get(f"{path_of(web)}/submit").status_code == 404
    assert alice.post(f"{path_of(web)}/submit", SIGNED).status_code == 404


def test_a_returned_renewal_says_why_and_can_be_submitted(web: WebClient) -> None:
    fay, kai = submit(web), web.visit(KAI)
    [submission] = web.cast.rows("submission")
    path, reason = f"/coordinator/renewals/{submission['id']}", "Infancy week was 18 hours."
    assert kai.post(path, {"action": "return", "return_reason": ""}).status_code == 422
    save(kai, path, action="return", return_reason=reason)
    page = text_of(fay.get(path_of(web)))
    assert f"Returned on November 15, 2027: {reason}" in page
    mail = web.mails("request")[-1]
    assert f"Kai Akana writes: {reason}" in mail
    assert "Last day to submit it: January 31, 2028" in mail
    again = fay.post(f"{path_of(web)}/submit", {**SIGNED, "form_key": "b" * 32})
    assert again.status_code == 303


def test_what_will_be_missing_is_confirmed_first(web: WebClient) -> None:
    fay, path = web.visit(FAY), f"{path_of(web)}/submit"
    form = {**SIGNED, "signed": ["ethics"]}
    page = fay.post(path, form)
    assert "Training 20 of 45 hours Not complete" in text_of(page)
    assert "Submit anyway Go back" in text_of(page)
    assert web.cast.rows("submission") == []
    back = fay.post(path, {**form, "back": "yes"})
    assert 'value="ethics" id="signed" checked' in back.text
    assert 'value="Fay Lani"' in back.text
    assert fay.post(path, {**form, "anyway": "yes"}).status_code == 303


def test_an_incomplete_submission_is_acknowledged(web: WebClient) -> None:
    submit(web, signed=["ethics"])
    [mail] = web.mails("request")
    assert "We received your renewal." in mail
    assert "Still missing: 25 training hours" in " ".join(mail.split())


def test_what_was_signed_stays_readable(web: WebClient) -> None:
    page = text_of(submit(web).get(path_of(web)))
    assert "What you signed Signed as Fay Lani on November 15, 2027:" in page
    assert "I follow the Code of Ethics" in page


@pytest.mark.parametrize("name", ["LANI, Fay", "fáy lani"])
def test_another_spelling_of_the_name_is_accepted(web: WebClient, name: str) -> None:
    submit(web, signed_name=name)
    assert web.cast.rows("submission")[0]["state"] == "accepted"


def test_another_name_goes_to_the_coordinator(web: WebClient) -> None:
    form = text_of(web.visit(FAY).get(f"{path_of(web)}/submit"))
    assert "The name on record is Fay Lani" in form
    fay = submit(web, signed_name="Donald Duck")
    why = "reviewing it, because you signed as “Donald Duck” and the name on record is Fay Lani."
    assert why in text_of(fay.get(path_of(web)))
    kai = web.visit(KAI)
    assert "signed as “Donald Duck”" in text_of(kai.get("/coordinator"))
    save(kai, "/coordinator/renewals/1", action="accept", accept_reason="Married name")
    assert web.cast.rows("submission")[0]["state"] == "accepted"


def test_returned_renewal_still_says_until_when(web: WebClient) -> None:
    fay = submit(web)
    save(web.visit(KAI), "/coordinator/renewals/1", action="return", return_reason="Correct it.")
    page = text_of(fay.get(f"{path_of(web)}/submit"))
    assert "You can submit it through January 31, 2028." in page
