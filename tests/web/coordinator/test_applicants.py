"""The coordinator's applicants: who is ready, what others are missing, and the decision."""

import re

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, CAROL, DAN
from tests.web.applicants import IDA, IRIS, NORA, OLIVE, VERA, apply
from tests.web.client import Visitor, WebClient, problems, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA

LIST = "/coordinator/applicants"
TOO_EARLY = "The application was submitted on November 2, 2026,"
LATER = {"day": "20", "month": "nov", "year": "2026", "answer": "The exam is missing."}


def names(visitor: Visitor, query: str = "") -> list[str]:
    return re.findall(r'class="who"[^>]*>([^<]+)<', visitor.get(f"{LIST}{query}").text)


def path_of(web: WebClient, email: str, what: str = "") -> str:
    return f"{LIST}/{web.cast.applications[email]}{what}"


def state_of(web: WebClient, email: str) -> str:
    (row,) = web.cast.rows("application", id=web.cast.applications[email])
    return str(row["state"])


def join_in(web: WebClient, email: str, name: str, **case: object) -> None:
    web.cast.people[email], web.cast.applications[email] = apply(
        web.cast.engine, email, name, {"applies": "VAIMH IMHS 2026-01-05", **case}
    )


def crowd(web: WebClient, count: int) -> None:
    """So many more applicants at VAIMH, of whom nothing is known."""
    person, application = METADATA.tables["person"], METADATA.tables["application"]
    with writing(web.cast.engine) as session:
        for number in range(count):
            values = {
                "email": f"p{number}@example.org",
                "name": f"Person {number:03}",
                "highest_degree": "none",
                "provides_rsc": False,
            }
            new = session.connection().execute(insert(person).values(values).returning(person.c.id))
            session.connection().execute(
                insert(application).values(
                    person_id=new.scalar_one(),
                    association="VAIMH",
                    category="IMHS",
                    opened_on=web.now.date(),
                    state="open",
                )
            )


def test_applicants_nearest_to_a_decision_come_first(applicant_web: WebClient) -> None:
    join_in(applicant_web, IRIS, "Iris Day")
    vera = applicant_web.visit(VERA)
    assert names(vera) == ["Ida Frost", "Nora Pike", "Iris Day"]
    page = text_of(vera.get(LIST))
    assert "1 applicant is ready. 2 are not ready." in page
    assert "Ida Frost Ready IMHS · submitted Nov 2, 2026 8 of 8 done Nora Pike Not ready" in page
    assert (
        "IMHS · opened Jan 5, 2026 2 of 8 done Missing: 17.5 hours of training, 41.5 hours of"
        in page
    )
    assert ", and 2 more" in page


def test_reviewers_see_what_is_counted(sqlite_applicant_web: WebClient) -> None:
    page = text_of(sqlite_applicant_web.visit(CAROL).get(path_of(sqlite_applicant_web, OLIVE)))
    assert "What is counted: 2 (Training) Mar 1, 2026 · training 10h" in page
    work = page.partition("What is counted: 1 (Work experience) Jan 1, 2021 ·")[2]
    assert "· 3 years, paid " in work.partition("Where this rule")[0]
    families = page.partition("What is counted: 1 (Families served) Jan 1, 2021 ·")[2]
    assert "· 10 families, paid " in families.partition("Where this rule")[0]


def test_the_applicants_own_checklist_lists_no_items(sqlite_applicant_web: WebClient) -> None:
    number = sqlite_applicant_web.cast.applications[OLIVE]
    page = text_of(sqlite_applicant_web.visit(OLIVE).get(f"/application/{number}"))
    assert "What is counted" not in page


def test_requirements_for_reviewers_are_named(sqlite_applicant_web: WebClient) -> None:
    page = text_of(sqlite_applicant_web.visit(CAROL).get(LIST))
    assert "No one is ready yet. 1 needs review." in page
    assert (
        "Olive Kay Needs review IFS · opened Feb 1, 2026 7 of 8 done For the reviewers: comp"
        in page
    )


def test_the_list_can_be_narrowed_by_readiness(sqlite_applicant_web: WebClient) -> None:
    vera = sqlite_applicant_web.visit(VERA)
    assert "2 all 1 ready 1 not ready" in text_of(vera.get(LIST))
    assert names(vera, "?status=ready") == ["Ida Frost"]
    assert names(vera, "?status=not+ready") == ["Nora Pike"]
    assert "No one matches this filter. Show all" in text_of(
        vera.get(f"{LIST}?status=needs+review")
    )


def test_the_list_can_be_narrowed_by_what_is_missing(sqlite_applicant_web: WebClient) -> None:
    held = {"members": ["VAIMH 2026-01-01..2026-12-31"], "signed": ["ethics", "agreement"]}
    join_in(sqlite_applicant_web, IRIS, "Iris Day", degrees=["master 2020-01-01 official"], **held)
    vera = sqlite_applicant_web.visit(VERA)
    page = vera.get(LIST).text
    assert "missing=rsc" in page
    assert "Reflective supervision <b>2</b>" in page
    assert names(vera, "?missing=rsc") == ["Nora Pike", "Iris Day"]
    assert names(vera, "?missing=ethics") == ["Nora Pike"]
    assert names(vera, "?missing=ethics&status=ready") == []


def test_many_applicants_come_in_pages(sqlite_applicant_web: WebClient) -> None:
    crowd(sqlite_applicant_web, 60)
    vera = sqlite_applicant_web.visit(VERA)
    assert len(names(vera)) == 50
    assert "Page 1 of 2" in text_of(vera.get(LIST))
    assert len(names(vera, "?page=2")) == 12


@pytest.mark.parametrize("query", ["status=%00", "missing=nonsense", "page=99999"])
def test_odd_query_values_are_ignored(sqlite_applicant_web: WebClient, query: str) -> None:
    assert sqlite_applicant_web.visit(VERA).get(f"{LIST}?{query}").status_code == 200


def test_without_applicants_the_page_says_what_to_do(sqlite_web: WebClient) -> None:
    page = text_of(sqlite_web.visit(DAN).get(LIST))
    assert "No applicants right now." in page
    assert "tracker import" in page


def test_renewals_and_applicants_lead_to_each_other(sqlite_applicant_web: WebClient) -> None:
    carol = sqlite_applicant_web.visit(CAROL)
    assert f'href="{LIST}?association=NCIMHA"' in carol.get("/coordinator").text
    assert 'href="/coordinator?association=NCIMHA"' in carol.get(LIST).text


def test_a_coordinator_can_read_the_checklist(sqlite_applicant_web: WebClient) -> None:
    page = sqlite_applicant_web.visit(VERA).get(path_of(sqlite_applicant_web, NORA))
    assert "Nora Pike nora@example.org" in text_of(page)
    assert "Not ready: 2 of 8 done" in text_of(page)
    assert "Neil was IFA on April 10, 2026" in text_of(page)
    for word in ('href="/log', "/references", "Tell your association"):
        assert word not in page.text


def test_endorsing_opens_the_first_renewal_cycle_at_once(applicant_web: WebClient) -> None:
    carol = applicant_web.visit(CAROL)
    asked = text_of(carol.get(path_of(applicant_web, OLIVE, "/endorse")))
    assert "Endorse Olive Kay? Needs review: 7 of 8 done" in asked
    answer = carol.post(path_of(applicant_web, OLIVE, "/endorse"), LATER)
    (endorsement,) = applicant_web.cast.rows(
        "endorsement", person_id=applicant_web.cast.people[OLIVE]
    )
    assert str(endorsement["starts_on"]) == "2026-11-20"
    assert (endorsement["association"], endorsement["category"]) == ("NCIMHA", "IFS")
    (standing,) = applicant_web.cast.rows("standing", endorsement_id=endorsement["id"])
    assert str(standing["cycle_ends_on"]) == "2026-12-31"
    assert state_of(applicant_web, OLIVE) == "endorsed"
    page = text_of(carol.follow(answer))
    assert "Endorsed. The first renewal cycle is open." in page
    assert "Infant Family Specialist · NCIMHA · 2026" in page
    assert "No applicants right now." in text_of(carol.get(LIST))
    assert "All done for 2026." in text_of(applicant_web.visit(OLIVE).get("/my-year"))


def test_the_audit_says_who_endorsed(sqlite_applicant_web: WebClient) -> None:
    sqlite_applicant_web.visit(CAROL).post(path_of(sqlite_applicant_web, OLIVE, "/endorse"), LATER)
    events = sqlite_applicant_web.cast.rows("audit_event", who=CAROL)
    assert {event["table_name"] for event in events} == {"application", "endorsement"}


def test_a_double_tap_endorses_once(sqlite_applicant_web: WebClient) -> None:
    carol = sqlite_applicant_web.visit(CAROL)
    first, second = (
        carol.post(path_of(sqlite_applicant_web, OLIVE, "/endorse"), LATER) for _ in range(2)
    )
    assert first.headers["location"] == second.headers["location"]
    person = sqlite_applicant_web.cast.people[OLIVE]
    assert len(sqlite_applicant_web.cast.rows("endorsement", person_id=person)) == 1


def test_no_cycle_is_promised_without_renewal_rules(sqlite_applicant_web: WebClient) -> None:
    vera = sqlite_applicant_web.visit(VERA)
    page = text_of(vera.follow(vera.post(path_of(sqlite_applicant_web, IDA, "/endorse"), LATER)))
    assert page.startswith("Endorsed. The applicant was endorsed. You can undo this")


def typed(day: int) -> dict[str, str]:
    return {**LATER, "day": f"{day}"}


@pytest.mark.parametrize(
    ("day", "problem"),
    [
        (typed(23), "The decision date must be today or earlier"),
        (dict.fromkeys(LATER, ""), "Enter the day of the decision"),
        (typed(31), "November 2026 has days 1 to 30"),
        (typed(1), f"{TOO_EARLY} so it can&#39;t be endorsed on November 1, 2026"),
    ],
)
def test_an_impossible_decision_day_is_refused(
    sqlite_applicant_web: WebClient, day: dict[str, str], problem: str
) -> None:
    answer = sqlite_applicant_web.visit(VERA).post(
        path_of(sqlite_applicant_web, IDA, "/endorse"), day
    )
    assert answer.status_code == 422
    assert problems(answer) == [("day", problem)]
    assert f'value="{day["year"]}"' in answer.text
    assert state_of(sqlite_applicant_web, IDA) == "submitted"


def test_endorsing_an_unready_applicant_warns(sqlite_applicant_web: WebClient) -> None:
    vera = sqlite_applicant_web.visit(VERA)
    assert "Some requirements are not met" in text_of(
        vera.get(path_of(sqlite_applicant_web, NORA, "/endorse"))
    )
    assert "Some requirements are not met" not in text_of(
        vera.get(path_of(sqlite_applicant_web, IDA, "/endorse"))
    )


def test_an_application_can_be_declined(applicant_web: WebClient) -> None:
    vera = applicant_web.visit(VERA)
    assert "Decline Nora Pike" in text_of(vera.get(path_of(applicant_web, NORA, "/decline")))
    answer = vera.post(path_of(applicant_web, NORA, "/decline"), LATER)
    assert "Declined on November 20, 2026." in text_of(vera.follow(answer))
    assert applicant_web.cast.rows("endorsement", person_id=applicant_web.cast.people[NORA]) == []
    assert names(vera) == ["Ida Frost"]


@pytest.mark.parametrize("what", ["/endorse", "/decline"])
def test_a_decided_application_stays_decided(sqlite_applicant_web: WebClient, what: str) -> None:
    vera = sqlite_applicant_web.visit(VERA)
    vera.post(path_of(sqlite_applicant_web, NORA, "/decline"), {**LATER, "day": "19"})
    asked = vera.get(path_of(sqlite_applicant_web, NORA, what))
    assert asked.headers["location"] == path_of(sqlite_applicant_web, NORA)
    assert f"{path_of(sqlite_applicant_web, NORA)}/endorse" not in vera.follow(asked).text
    answer = vera.post(path_of(sqlite_applicant_web, NORA, what), LATER)
    assert problems(answer) == [
        ("day", "The application was declined on November 19, 2026, and that decision is final")
    ]


@pytest.mark.parametrize("what", ["/endorse", "/decline"])
@pytest.mark.parametrize("email", [CAROL, DAN, ALICE, NORA])
def test_only_that_associations_coordinators_decide(
    applicant_web: WebClient, email: str, what: str
) -> None:
    visitor = applicant_web.visit(email)
    for path in (path_of(applicant_web, NORA), path_of(applicant_web, NORA, what)):
        assert visitor.get(path).status_code == 404
    assert visitor.post(path_of(applicant_web, NORA, what), LATER).status_code == 404
    assert state_of(applicant_web, NORA) == "open"


@pytest.mark.parametrize("what", ["/endorse", "/decline"])
def test_another_sites_form_decides_nothing(sqlite_applicant_web: WebClient, what: str) -> None:
    vera = sqlite_applicant_web.visit(VERA)
    path = path_of(sqlite_applicant_web, NORA, what)
    answer = vera.client.post(path, data=LATER, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    vera.get(path)
    assert state_of(sqlite_applicant_web, NORA) == "open"


def test_a_coordinator_sees_no_applicant_of_another_association(applicant_web: WebClient) -> None:
    assert names(applicant_web.visit(CAROL)) == ["Olive Kay"]
    assert names(applicant_web.visit(DAN)) == []


def test_an_endorsed_applicant_gets_a_letter(applicant_web: WebClient) -> None:
    applicant_web.visit(VERA).post(path_of(applicant_web, IDA, "/endorse"), LATER)
    [row] = applicant_web.cast.rows("outbox", kind="request")
    assert (row["recipient"], row["association"]) == (IDA, "VAIMH")
    assert row["subject"] == "You are endorsed as Infant Mental Health Specialist"
    [letter] = applicant_web.mails("request")
    assert "Endorsed since: November 20, 2026" in letter
    assert "no renewal requirements on file" in letter
    assert "/my-year" in letter


def test_a_letter_names_the_first_renewals_due_date(sqlite_applicant_web: WebClient) -> None:
    sqlite_applicant_web.visit(CAROL).post(path_of(sqlite_applicant_web, OLIVE, "/endorse"), LATER)
    [letter] = sqlite_applicant_web.mails("request")
    assert "First renewal due: December 31, 2026" in letter
    assert "Your first renewal cycle has started." in letter


def test_a_declined_applicant_gets_the_reason(applicant_web: WebClient) -> None:
    vera = applicant_web.visit(VERA)
    path = path_of(applicant_web, NORA, "/decline")
    assert problems(vera.post(path, {**LATER, "answer": " "})) == [
        ("answer", "Enter a reason. It is sent by email.")
    ]
    assert applicant_web.mails("request") == []
    vera.post(path, LATER)
    [letter] = applicant_web.mails("request")
    assert "Your application for VAIMH IMHS was declined." in letter
    assert "writes: The exam is missing." in letter
    [row] = applicant_web.cast.rows("application", id=applicant_web.cast.applications[NORA])
    assert row["answer"] == "The exam is missing."
    number = applicant_web.cast.applications[NORA]
    for visitor, page in ((NORA, f"/application/{number}"), (VERA, path_of(applicant_web, NORA))):
        assert "Reason: “The exam is missing.”" in text_of(applicant_web.visit(visitor).get(page))


def test_a_decision_that_is_entered_twice_is_one_letter(sqlite_applicant_web: WebClient) -> None:
    vera = sqlite_applicant_web.visit(VERA)
    for _ in range(2):
        vera.post(path_of(sqlite_applicant_web, IDA, "/endorse"), LATER)
    assert len(sqlite_applicant_web.mails("request")) == 1
