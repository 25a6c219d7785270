"""The coordinator's applicants: who is ready, what the others lack, and the decision."""

import re

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, CAROL, DAN
from tests.web.applicants import IDA, IRIS, NORA, OLIVE, VERA, apply
from tests.web.visiting import Visitor, WebClient, problems, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA

LIST = "/coordinator/applicants"
TOO_EARLY = "The application was submitted on November 2, 2026,"
LATER = {"day": "20", "month": "nov", "year": "2026"}


def names(visitor: Visitor, query: str = "") -> list[str]:
    return re.findall(r'class="who"[^>]*>([^<]+)<', visitor.get(f"{LIST}{query}").text)


def path_of(house: WebClient, email: str, what: str = "") -> str:
    return f"{LIST}/{house.cast.applications[email]}{what}"


def state_of(house: WebClient, email: str) -> str:
    (row,) = house.cast.rows("application", id=house.cast.applications[email])
    return str(row["state"])


def join_in(house: WebClient, email: str, name: str, **case: object) -> None:
    house.cast.people[email], house.cast.applications[email] = apply(
        house.cast.engine, email, name, {"applies": "VAIMH IMHS 2026-01-05", **case}
    )


def crowd(house: WebClient, count: int) -> None:
    """So many more applicants at VAIMH, of whom nothing is known."""
    person, application = METADATA.tables["person"], METADATA.tables["application"]
    with writing(house.cast.engine) as session:
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
                    opened_on=house.now.date(),
                    state="open",
                )
            )


def test_the_ready_stand_first_then_whoever_lacks_least(hall: WebClient) -> None:
    join_in(hall, IRIS, "Iris Day")
    vera = hall.visit(VERA)
    assert names(vera) == ["Ida Frost", "Nora Pike", "Iris Day"]
    page = text_of(vera.get(LIST))
    assert "1 applicant is ready. 2 are not ready." in page
    assert "Ida Frost Ready IMHS · submitted Nov 2, 2026 8 of 8 done Nora Pike Not ready" in page
    assert (
        "IMHS · opened Jan 5, 2026 2 of 8 done Missing: 17.5 hours of training, 41.5 hours of"
        in page
    )
    assert ", and 2 more" in page


def test_what_is_for_the_reviewers_is_said(page_hall: WebClient) -> None:
    page = text_of(page_hall.visit(CAROL).get(LIST))
    assert "Nobody is ready yet. 1 needs review." in page
    assert (
        "Olive Kay Needs review IFS · opened Feb 1, 2026 7 of 8 done For the reviewers: comp"
        in page
    )


def test_the_list_can_be_narrowed_by_readiness(page_hall: WebClient) -> None:
    vera = page_hall.visit(VERA)
    assert "2 all 1 ready 1 not ready" in text_of(vera.get(LIST))
    assert names(vera, "?status=ready") == ["Ida Frost"]
    assert names(vera, "?status=not+ready") == ["Nora Pike"]
    assert "Nobody here. Show all" in text_of(vera.get(f"{LIST}?status=needs+review"))


def test_the_list_can_be_narrowed_by_what_is_missing(page_hall: WebClient) -> None:
    held = {"members": ["VAIMH 2026-01-01..2026-12-31"], "signed": ["ethics", "agreement"]}
    join_in(page_hall, IRIS, "Iris Day", degrees=["master 2020-01-01 official"], **held)
    vera = page_hall.visit(VERA)
    page = vera.get(LIST).text
    assert "missing=rsc" in page
    assert "Reflective supervision <b>2</b>" in page
    assert names(vera, "?missing=rsc") == ["Nora Pike", "Iris Day"]
    assert names(vera, "?missing=ethics") == ["Nora Pike"]
    assert names(vera, "?missing=ethics&status=ready") == []


def test_many_applicants_come_in_pages(page_hall: WebClient) -> None:
    crowd(page_hall, 60)
    vera = page_hall.visit(VERA)
    assert len(names(vera)) == 50
    assert "Page 1 of 2" in text_of(vera.get(LIST))
    assert len(names(vera, "?page=2")) == 12


@pytest.mark.parametrize("query", ["status=%00", "missing=nonsense", "page=99999"])
def test_odd_questions_are_no_error(page_hall: WebClient, query: str) -> None:
    assert page_hall.visit(VERA).get(f"{LIST}?{query}").status_code == 200


def test_without_applicants_the_page_says_what_to_do(page_house: WebClient) -> None:
    page = text_of(page_house.visit(DAN).get(LIST))
    assert "No applicants right now." in page
    assert "tracker import" in page


def test_renewals_and_applicants_lead_to_each_other(page_hall: WebClient) -> None:
    carol = page_hall.visit(CAROL)
    assert f'href="{LIST}?association=NCIMHA"' in carol.get("/coordinator").text
    assert 'href="/coordinator?association=NCIMHA"' in carol.get(LIST).text


def test_a_checklist_is_there_to_read(page_hall: WebClient) -> None:
    page = page_hall.visit(VERA).get(path_of(page_hall, NORA))
    assert "Nora Pike nora@example.org" in text_of(page)
    assert "Not ready: 2 of 8 done" in text_of(page)
    assert "Neil was IFA on April 10, 2026" in text_of(page)
    for word in ('href="/log', "/references", "Tell your association"):
        assert word not in page.text


def test_endorsing_opens_the_first_renewal_cycle_at_once(hall: WebClient) -> None:
    carol = hall.visit(CAROL)
    asked = text_of(carol.get(path_of(hall, OLIVE, "/endorse")))
    assert "Endorse Olive Kay? Needs review: 7 of 8 done" in asked
    answer = carol.post(path_of(hall, OLIVE, "/endorse"), LATER)
    (endorsement,) = hall.cast.rows("endorsement", person_id=hall.cast.people[OLIVE])
    assert str(endorsement["starts_on"]) == "2026-11-20"
    assert (endorsement["association"], endorsement["category"]) == ("NCIMHA", "IFS")
    (standing,) = hall.cast.rows("standing", endorsement_id=endorsement["id"])
    assert str(standing["cycle_ends_on"]) == "2026-12-31"
    assert state_of(hall, OLIVE) == "endorsed"
    page = text_of(carol.follow(answer))
    assert "Endorsed. The first renewal cycle is open." in page
    assert "Infant Family Specialist · NCIMHA · 2026" in page
    assert "No applicants right now." in text_of(carol.get(LIST))
    assert "All done for 2026." in text_of(hall.visit(OLIVE).get("/my-year"))


def test_the_audit_says_who_endorsed(page_hall: WebClient) -> None:
    page_hall.visit(CAROL).post(path_of(page_hall, OLIVE, "/endorse"), LATER)
    events = page_hall.cast.rows("audit_event", who=CAROL)
    assert {event["table_name"] for event in events} == {"application", "endorsement"}


def test_a_double_tap_endorses_once(page_hall: WebClient) -> None:
    carol = page_hall.visit(CAROL)
    first, second = (carol.post(path_of(page_hall, OLIVE, "/endorse"), LATER) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    person = page_hall.cast.people[OLIVE]
    assert len(page_hall.cast.rows("endorsement", person_id=person)) == 1


def test_without_renewal_rules_no_cycle_is_promised(page_hall: WebClient) -> None:
    vera = page_hall.visit(VERA)
    page = text_of(vera.follow(vera.post(path_of(page_hall, IDA, "/endorse"), LATER)))
    assert page.startswith("Endorsed. All VAIMH renewals")


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
def test_a_day_that_cannot_be_is_refused(
    page_hall: WebClient, day: dict[str, str], problem: str
) -> None:
    answer = page_hall.visit(VERA).post(path_of(page_hall, IDA, "/endorse"), day)
    assert answer.status_code == 422
    assert problems(answer) == [("day", problem)]
    assert f'value="{day["year"]}"' in answer.text
    assert state_of(page_hall, IDA) == "submitted"


def test_endorsing_whoever_is_not_ready_is_warned_of(page_hall: WebClient) -> None:
    vera = page_hall.visit(VERA)
    assert "Some requirements are not met" in text_of(
        vera.get(path_of(page_hall, NORA, "/endorse"))
    )
    assert "Some requirements are not met" not in text_of(
        vera.get(path_of(page_hall, IDA, "/endorse"))
    )


def test_an_application_can_be_declined(hall: WebClient) -> None:
    vera = hall.visit(VERA)
    assert "Decline Nora Pike" in text_of(vera.get(path_of(hall, NORA, "/decline")))
    answer = vera.post(path_of(hall, NORA, "/decline"), LATER)
    assert "Declined on November 20, 2026." in text_of(vera.follow(answer))
    assert hall.cast.rows("endorsement", person_id=hall.cast.people[NORA]) == []
    assert names(vera) == ["Ida Frost"]


@pytest.mark.parametrize("what", ["/endorse", "/decline"])
def test_what_is_decided_stays_so(page_hall: WebClient, what: str) -> None:
    vera = page_hall.visit(VERA)
    vera.post(path_of(page_hall, NORA, "/decline"), {**LATER, "day": "19"})
    asked = vera.get(path_of(page_hall, NORA, what))
    assert asked.headers["location"] == path_of(page_hall, NORA)
    assert f"{path_of(page_hall, NORA)}/endorse" not in vera.follow(asked).text
    answer = vera.post(path_of(page_hall, NORA, what), LATER)
    assert problems(answer) == [
        ("day", "The application was declined on November 19, 2026, and that decision is final")
    ]


@pytest.mark.parametrize("what", ["/endorse", "/decline"])
@pytest.mark.parametrize("email", [CAROL, DAN, ALICE, NORA])
def test_only_that_associations_coordinators_decide(hall: WebClient, email: str, what: str) -> None:
    visitor = hall.visit(email)
    for path in (path_of(hall, NORA), path_of(hall, NORA, what)):
        assert visitor.get(path).status_code == 404
    assert visitor.post(path_of(hall, NORA, what), LATER).status_code == 404
    assert state_of(hall, NORA) == "open"


@pytest.mark.parametrize("what", ["/endorse", "/decline"])
def test_a_form_of_another_site_decides_nothing(page_hall: WebClient, what: str) -> None:
    vera = page_hall.visit(VERA)
    path = path_of(page_hall, NORA, what)
    answer = vera.client.post(path, data=LATER, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    vera.get(path)
    assert state_of(page_hall, NORA) == "open"


def test_a_coordinator_sees_no_applicant_of_another_association(hall: WebClient) -> None:
    assert names(hall.visit(CAROL)) == ["Olive Kay"]
    assert names(hall.visit(DAN)) == []
