"""An applicant starts, fills in, and submits an application; reviewers read it and decide."""

import re
from datetime import date
from typing import Any

import pytest

from tests.support.cast import EVE
from tests.web.applicants import IDA, NORA, OLIVE, VERA
from tests.web.client import Visitor, WebClient, text_of

JOB: dict[str, Any] = {
    "title": "Home visitor",
    "employer": "Healthy Families",
    "pay": "paid",
    "starts_month": "6",
    "starts_day": "1",
    "starts_year": "2021",
    "is_current": "yes",
    "services": ["imh-services"],
    "ages": ["birth to 36 months"],
    "families": "12",
    "supervised": "yes",
    "statements": ["with-child-and-parent", "imh-range", "attachment-issues"],
}
DEGREE = {
    "level": "master",
    "title": "MSW, Social Work",
    "month": "May",
    "day": "15",
    "year": "2020",
    "transcript": "unofficial",
}


def start(web: WebClient, email: str = EVE, key: str = "VAIMH/IMHS") -> tuple[Visitor, str]:
    """A browser of somebody who has started an application, and the application's page."""
    visitor = web.visit(email)
    answer = visitor.post("/application/new", {"category": key})
    return visitor, answer.headers["location"]


def shown(visitor: Visitor, path: str) -> str:
    return text_of(visitor.get(path))


def test_a_person_starts_an_application(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    assert "Not ready: 0 of 8 done, education next." in shown(eve, page)
    (row,) = applicant_web.cast.rows("application", person_id=applicant_web.cast.people[EVE])
    assert (row["state"], row["opened_on"]) == ("open", date(2026, 11, 22))


def test_starting_twice_opens_one_application(applicant_web: WebClient) -> None:
    _, first = start(applicant_web)
    _, second = start(applicant_web)
    assert first == second


def test_categories_without_application_rules_are_refused(sqlite_web: WebClient) -> None:
    for key in ("", "NCIMHA", "NCIMHA/IMHM-C", "NOWHERE/IFS"):
        answer = sqlite_web.visit(EVE).post("/application/new", {"category": key})
        assert answer.status_code == 422
        assert "Choose an endorsement from the list" in answer.text
    assert sqlite_web.cast.rows("application") == []


def test_an_earlier_undecided_application_is_named(sqlite_applicant_web: WebClient) -> None:
    answer = sqlite_applicant_web.visit(NORA).post("/application/new", {"category": "VAIMH/IMHS"})
    assert "is still undecided. Continue with that one." in text_of(answer)


def test_a_degree_is_added_once(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    for _ in range(2):
        assert eve.post(f"{page}/education", DEGREE).status_code == 303
    (row,) = applicant_web.cast.rows("degree", recorded_by=EVE)
    assert (row["title"], row["awarded_on"]) == ("MSW, Social Work", date(2020, 5, 15))
    assert "an official transcript is required" in shown(eve, page)


def test_an_applicant_cannot_claim_official_transcripts(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    answer = eve.post(f"{page}/education", {**DEGREE, "transcript": "official"})
    assert "Your association records an official transcript when it comes" in answer.text


def test_every_problem_of_a_degree_is_named_at_once(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    text = text_of(eve.post(f"{page}/education", {}))
    for words in ("Choose what you completed", "Enter the degree or credential", "Enter the day"):
        assert words in text


def test_a_job_says_what_it_counts_for(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    eve.post(f"{page}/education", DEGREE)
    assert eve.post(f"{page}/work", JOB).status_code == 303
    assert "Work experience: 5 years 5 months" in shown(eve, f"{page}/work")


def test_a_job_that_does_not_count_says_why(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    eve.post(f"{page}/work", {**JOB, "services": ["prevention"]})
    text = shown(eve, f"{page}/work")
    assert "Work experience: It offers none of: Infant mental health services" in text
    assert "imh-services" not in text


def test_the_conditions_stand_before_anything_fails(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    text = shown(eve, page)
    assert "With a provider who is, on the day of the session: IFRS or IMHM-C." in text
    assert "Work that offers one of: Infant mental health services" in text
    assert "Confirmed for each position: The work is with both" in text


def test_a_job_may_serve_both_age_groups(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    eve.post(f"{page}/work", {**JOB, "ages": ["birth to 36 months", "3 up to 6 years"]})
    (row,) = sqlite_web.cast.rows("position", recorded_by=EVE)
    assert row["ages"] == "birth to 36 months; 3 up to 6 years"


def test_two_jobs_alike_have_other_employers(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    eve.post(f"{page}/work", JOB)
    answer = eve.post(f"{page}/work", {**JOB, "families": "3"})
    assert "say for whom this one is under “Employer.”" in text_of(answer)
    assert eve.post(f"{page}/work", {**JOB, "employer": "Clinic"}).status_code == 303
    assert len(sqlite_web.cast.rows("position", recorded_by=EVE)) == 2


def test_each_of_alike_jobs_has_its_own_verdict(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    eve.post(f"{page}/education", DEGREE)
    ended = {"is_current": [], "ends_month": "5", "ends_day": "31", "ends_year": "2022"}
    eve.post(f"{page}/work", {**JOB, **ended})
    eve.post(f"{page}/work", {**JOB, **ended, "employer": "Clinic", "ages": []})
    text = shown(eve, f"{page}/work")
    assert text.count("Work experience: 1 year") == 1
    assert text.count("Work experience: It does not serve children birth to 36 months") == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"starts_day": "4th"}, ""),
        ({"starts_day": "fourth"}, "The day must be a number, like 4"),
        ({"starts_month": "13"}, "The month must be 1 to 12"),
        ({"families": "1,2"}, "Write the number of families in digits"),
        ({"families": "1,200"}, ""),
        ({"is_current": [], "ends_month": "1", "ends_day": "1", "ends_year": "2028"}, "“I still"),
    ],
)
def test_what_is_typed_about_a_job_is_read(
    sqlite_web: WebClient, typed: dict[str, Any], words: str
) -> None:
    eve, page = start(sqlite_web)
    answer = eve.post(f"{page}/work", {**JOB, **typed})
    assert answer.status_code == (422 if words else 303)
    assert words in text_of(answer) if words else True
    assert "Enter the day" not in answer.text


def test_a_degree_of_long_ago_is_taken(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    assert eve.post(f"{page}/education", {**DEGREE, "year": "1968"}).status_code == 303


def test_a_wrong_job_keeps_what_was_typed(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    answer = eve.post(f"{page}/work", {**JOB, "families": "many", "starts_year": "2031"})
    assert answer.status_code == 422
    text = text_of(answer)
    assert "Write the number of families in digits, like 12" in text
    assert "The first day must be today or earlier" in text
    assert 'value="Home visitor"' in answer.text
    assert 'value="imh-services" id="services-imh-services" checked' in answer.text
    assert sqlite_web.cast.rows("position", recorded_by=EVE) == []


def test_an_own_job_is_changed_and_removed(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    eve.post(f"{page}/work", JOB)
    (row,) = applicant_web.cast.rows("position", recorded_by=EVE)
    path = f"{page}/work/{row['id']}"
    ended = {**JOB, "is_current": "", "ends_month": "1", "ends_day": "2", "ends_year": "2024"}
    del ended["is_current"]
    assert eve.post(path, ended).status_code == 303
    (row,) = applicant_web.cast.rows("position", recorded_by=EVE)
    assert row["ends_on"] == date(2024, 1, 2)
    assert eve.post(path, {"remove": "yes"}).status_code == 303
    assert applicant_web.cast.rows("position", recorded_by=EVE) == []


def test_a_removed_job_can_be_brought_back(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    eve.post(f"{page}/work", JOB)
    before = applicant_web.cast.rows("position", recorded_by=EVE)
    eve.post(f"{page}/work/{before[0]['id']}", {"remove": "yes"})
    button = re.search(r'name="undo" value="(\d+)"', eve.get(f"{page}/work").text)
    assert button is not None
    for _ in range(2):
        assert eve.post(f"{page}/work", {"undo": button[1]}).status_code == 303
    assert applicant_web.cast.rows("position", recorded_by=EVE) == before
    assert "Undo" not in shown(eve, f"{page}/work")


def test_a_removed_degree_stays_where_another_took_its_place(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    eve.post(f"{page}/education", DEGREE)
    (row,) = sqlite_web.cast.rows("degree", recorded_by=EVE)
    eve.post(f"{page}/education/{row['id']}", {"remove": "yes"})
    button = re.search(r'name="undo" value="(\d+)"', eve.get(f"{page}/education").text)
    assert button is not None
    eve.post(f"{page}/education", {**DEGREE, "year": "2021"})
    eve.post(f"{page}/education", {"undo": button[1]})
    assert "It could not be brought back" in shown(eve, f"{page}/education")
    assert len(sqlite_web.cast.rows("degree", recorded_by=EVE)) == 1


def test_what_the_association_entered_stays(sqlite_applicant_web: WebClient) -> None:
    web = sqlite_applicant_web
    nora = web.visit(NORA)
    (row,) = web.cast.rows("degree", person_id=web.cast.people[NORA])
    path = f"/application/{web.cast.applications[NORA]}/education/{row['id']}"
    assert nora.get(path).status_code == 404
    assert nora.post(path, {"remove": "yes"}).status_code == 404
    assert web.cast.rows("degree", id=row["id"]) == [row]


def test_statements_are_signed_with_their_day(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    eve.post(f"{page}/statements", {"signed": ["ethics", "agreement"]})
    rows = applicant_web.cast.rows("attestation", recorded_by=EVE)
    assert {(row["what"], row["signed_on"]) for row in rows} == {
        ("ethics", date(2026, 11, 22)),
        ("agreement", date(2026, 11, 22)),
    }
    eve.post(f"{page}/statements", {"signed": ["ethics"]})
    (left,) = applicant_web.cast.rows("attestation", recorded_by=EVE)
    assert left["what"] == "ethics"


def test_virginia_asks_for_residence_and_rsc(sqlite_web: WebClient) -> None:
    sqlite_web.pass_time(days=30)
    eve, page = start(sqlite_web)
    text = shown(eve, f"{page}/statements")
    assert "I live in Virginia and work with children from birth to 36 months" in text
    assert "I received the RSC that I logged while I served infants or toddlers" in text
    eve.post(f"{page}/statements", {"signed": ["virginia", "rsc-while-serving-infants"]})
    assert "Not ready: 2 of 10 done" in shown(eve, page)


def test_nobody_signs_what_reviewers_confirm(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web, key="NCIMHA/IFS")
    answer = eve.post(f"{page}/statements", {"signed": ["competencies"]})
    assert answer.status_code == 422
    assert sqlite_web.cast.rows("attestation") == []


def test_a_reported_exam_waits_for_confirmation(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    exam = {"month": "10", "day": "1", "year": "2026", "result": "passed"}
    for _ in range(2):
        eve.post(f"{page}/exam", exam)
    assert len(applicant_web.cast.rows("exam_result", recorded_by=EVE)) == 1
    assert "For the reviewers: written exam." in shown(eve, page)


def test_submitting_tells_each_coordinator_once(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web, key="NCIMHA/IFS")
    for _ in range(2):
        assert eve.post(f"{page}/status/submit").status_code == 303
    mails = [mail for mail in applicant_web.mails() if "has submitted an application" in mail]
    names = [c for c in applicant_web.cast.settings.coordinators if c.association == "NCIMHA"]
    assert len(mails) == len(names)


def test_a_submitted_portfolio_only_grows(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    eve.post(f"{page}/work", JOB)
    eve.post(f"{page}/status/submit")
    (row,) = sqlite_web.cast.rows("position", recorded_by=EVE)
    answer = eve.post(f"{page}/work/{row['id']}", {"remove": "yes"})
    assert "is submitted, so you can add to your records but not change" in text_of(answer)
    assert eve.post(f"{page}/work", {**JOB, "title": "Trainer"}).status_code == 303
    eve.post(f"{page}/status/take-back")
    assert eve.post(f"{page}/work/{row['id']}", {"remove": "yes"}).status_code == 303


def test_a_withdrawn_application_opens_again_for_a_day(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    eve.post(f"{page}/status/withdraw")
    assert "You can apply again." in shown(eve, page)
    assert eve.get(f"{page}/status/submit").headers["location"] == page
    assert eve.post(f"{page}/status/reopen").status_code == 303
    assert "Not ready: 0 of 8 done" in shown(eve, page)
    eve.post(f"{page}/status/withdraw")
    applicant_web.pass_time(days=2)
    answer = eve.post(f"{page}/status/reopen")
    assert "that you withdrew today or yesterday" in text_of(answer)


def test_a_submitted_application_is_not_started_again(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    eve.post(f"{page}/status/submit")
    answer = eve.post("/application/new", {"category": "VAIMH/IMHS"})
    assert "is still undecided. Continue with that one." in text_of(answer)
    assert "Change or remove" not in shown(eve, f"{page}/education")


def test_a_withdrawn_application_takes_nothing_more(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web)
    eve.post(f"{page}/status/withdraw")
    assert "Withdrawn on November 22, 2026." in shown(eve, page)
    answer = eve.post(f"{page}/work", JOB)
    assert answer.status_code == 404
    assert sqlite_web.cast.rows("position", recorded_by=EVE) == []


def review(web: WebClient, email: str, requirement: str, decision: str, note: str = "") -> str:
    """What a coordinator reads after deciding about a requirement of somebody's application."""
    path = f"/coordinator/applicants/{web.cast.applications[email]}"
    coordinator = web.visit("carol@example.org" if email == OLIVE else VERA)
    form = {"requirement": requirement, "decision": decision, "note": note}
    answer = coordinator.post(path, form)
    return text_of(answer) if answer.status_code == 422 else shown(coordinator, path)


def submit(web: WebClient, email: str) -> None:
    path = f"/application/{web.cast.applications[email]}/status/submit"
    assert web.visit(email).post(path).status_code == 303


def test_reviewers_accept_what_is_theirs(applicant_web: WebClient) -> None:
    submit(applicant_web, OLIVE)
    assert "Ready: all" in review(applicant_web, OLIVE, "competencies", "accept")
    own = shown(
        applicant_web.visit(OLIVE), f"/application/{applicant_web.cast.applications[OLIVE]}"
    )
    assert "Accepted by the reviewers" in own
    assert "carol@example.org" not in own


def test_a_refusal_needs_a_note_for_the_applicant(applicant_web: WebClient) -> None:
    web = applicant_web
    submit(web, OLIVE)
    assert "Enter a short reason. The applicant reads it." in review(
        web, OLIVE, "competencies", "refuse"
    )
    review(web, OLIVE, "competencies", "refuse", "Please document competency 3.")
    own = shown(web.visit(OLIVE), f"/application/{web.cast.applications[OLIVE]}")
    assert "Not accepted by the reviewers: “Please document competency 3.”" in own
    assert "Not ready" in own
    assert "Needs review" in review(web, OLIVE, "competencies", "undo")


def test_reviewers_decide_only_what_is_theirs(sqlite_applicant_web: WebClient) -> None:
    web = sqlite_applicant_web
    text = review(web, IDA, "training", "accept")
    assert "There is nothing for the reviewers to decide here" in text
    assert web.cast.rows("review") == []


def test_reviewers_read_the_whole_portfolio(sqlite_applicant_web: WebClient) -> None:
    web = sqlite_applicant_web
    text = shown(web.visit(VERA), f"/coordinator/applicants/{web.cast.applications[IDA]}")
    for words in ("Master's degree", "10 families", "Code of Ethics", "Logged hours", "20 h"):
        assert words in text


def test_an_official_transcript_is_recorded(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web)
    eve.post(f"{page}/education", DEGREE)
    (row,) = applicant_web.cast.rows("degree", recorded_by=EVE)
    path = page.replace("/application", "/coordinator/applicants")
    applicant_web.visit(VERA).post(path, {"degree": row["id"], "transcript": "official"})
    (row,) = applicant_web.cast.rows("degree", id=row["id"])
    assert (row["transcript"], row["recorded_by"]) == ("official", None)


def test_sending_back_drops_reviews_and_writes(applicant_web: WebClient) -> None:
    web = applicant_web
    submit(web, OLIVE)
    review(web, OLIVE, "competencies", "accept")
    number = web.cast.applications[OLIVE]
    olive = web.visit(OLIVE)
    answer = olive.post(f"/application/{number}/status/take-back")
    assert "has begun to review the application" in text_of(answer)
    carol = web.visit("carol@example.org")
    path = f"/coordinator/applicants/{number}/send-back"
    assert "Enter a reason" in carol.post(path, {"answer": ""}).text
    carol.post(path, {"answer": "Please add your internship."})
    assert "sent it back: “Please add your internship.”" in shown(olive, f"/application/{number}")
    assert web.cast.rows("review") == []
    (mail,) = [mail for mail in web.mails() if "Please add your internship." in mail]
    assert "sent your application back" in mail


def test_nothing_shows_the_rulebooks_keys(sqlite_web: WebClient) -> None:
    eve, page = start(sqlite_web, key="VAIMH/IMHM-C")
    eve.post(f"{page}/work", {**JOB, "services": ["rsc"], "statements": []})
    for path in (page, f"{page}/work", f"{page}/education", f"{page}/statements"):
        text = shown(eve, path)
        assert re.findall(r"supervising-staff|imh-services|RSC-GIVEN|early-care|rsc-of", text) == []
