"""The coordinator's page: who needs what, worst first."""

from datetime import date

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOOKS, CAROL, DAN, NOW
from tests.support.referees import apply
from tests.web.visiting import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people


def crowd(house: WebClient, count: int) -> None:
    """So many more endorsees of Carol's association, all with nothing logged."""
    person, endorsement = METADATA.tables["person"], METADATA.tables["endorsement"]
    with writing(house.cast.engine) as session:
        ids = []
        for number in range(count):
            values: dict[str, object] = {
                "email": f"p{number}@example.org",
                "name": f"Person {number:03}",
                "highest_degree": "none",
                "provides_rsc": False,
            }
            ids.append(
                session.connection()
                .execute(insert(person).values(values).returning(person.c.id))
                .scalar_one()
            )
            session.connection().execute(
                insert(endorsement).values(
                    person_id=ids[-1],
                    association="NCIMHA",
                    category="IFS",
                    starts_on=NOW.date().replace(year=2025, month=1, day=1 + number % 28),
                )
            )
        evaluate_people(session, BOOKS, ids, NOW)


def test_the_worst_stands_first_with_what_is_missing(house: WebClient) -> None:
    page = text_of(house.visit(CAROL).get("/coordinator"))
    rows = page.partition("All, worst first")[2]
    assert rows.index("Bob Osei Lapsed IFS · 2025") < rows.index("Bob Osei Open, behind IFS · 2026")
    assert rows.index("Bob Osei Open, behind") < rows.index("Alice Moreno Open")
    assert "3.5 RSC hours and one DEIA hour missing" in rows
    assert "15 training hours (one on DEIA), 12 RSC hours, and membership missing" in rows


def test_each_state_has_its_count_and_its_link(house: WebClient) -> None:
    carol = house.visit(CAROL)
    page = carol.get("/coordinator")
    assert "3 all 1 lapsed 2 open, behind" in text_of(page)
    assert "association=NCIMHA&amp;status=lapsed" in page.text
    lapsed = text_of(carol.get("/coordinator?association=NCIMHA&status=lapsed"))
    assert "Bob Osei Lapsed" in lapsed
    assert "Alice Moreno Open" not in lapsed


def test_a_state_that_nobody_is_in_says_so(page_house: WebClient) -> None:
    page = text_of(page_house.visit(CAROL).get("/coordinator?status=met"))
    assert "Nobody here. Show all" in page


@pytest.mark.parametrize("query", ["status=%00", "status=nonsense", "page=99999"])
def test_odd_questions_are_no_error(page_house: WebClient, query: str) -> None:
    assert page_house.visit(CAROL).get(f"/coordinator?{query}").status_code == 200


def test_many_renewals_come_in_pages(page_house: WebClient) -> None:
    crowd(page_house, 60)
    carol = page_house.visit(CAROL)
    first, second = carol.get("/coordinator"), carol.get("/coordinator?page=2")
    assert first.text.count('class="who"') == 50
    assert "Page 1 of 3" in text_of(first)
    names = [text_of(page) for page in (first, second, carol.get("/coordinator?page=3"))]
    # Those endorsed in 2025 were in their first cycle then, and owed their membership only.
    assert sum(page.count("Person 0") for page in names) == 120


def test_providers_known_by_name_only_wait_to_be_confirmed(house: WebClient) -> None:
    page = text_of(house.visit(CAROL).get("/coordinator"))
    assert "Jo Hart 1 hour named by Alice Moreno" in page
    assert "Jo Hart" not in house.visit(DAN).get("/coordinator").text


def test_names_that_differ_in_case_are_one_provider(page_house: WebClient) -> None:
    with writing(page_house.cast.engine) as session:
        for name in ("jo  HART", "Jo Hart"):
            session.connection().execute(
                insert(METADATA.tables["entry"]).values(
                    person_id=page_house.cast.people[ALICE],
                    activity="rsc",
                    held_on=NOW.date().replace(month=7),
                    minutes=30,
                    title="RSC",
                    provider_name=name,
                )
            )
    assert "Jo Hart 2 hours named by" in text_of(page_house.visit(CAROL).get("/coordinator"))


def test_an_endorsees_year_is_there_to_read(page_house: WebClient) -> None:
    number = page_house.cast.endorsements[ALICE]
    page = page_house.visit(CAROL).get(f"/coordinator/people/{number}")
    assert "3.5 RSC hours and one DEIA hour to go by December 31." in text_of(page)
    assert "At their current pace, RSC will not be complete by then" in text_of(page)
    assert " your " not in text_of(page)
    assert "Alice Moreno" in text_of(page)
    for word in ("/edit", "/delete", 'href="/log'):
        assert word not in page.text


def test_an_association_without_endorsees_says_what_to_do(page_house: WebClient) -> None:
    with writing(page_house.cast.engine) as session:
        session.connection().exec_driver_sql("DELETE FROM standing")
    page = text_of(page_house.visit(DAN).get("/coordinator"))
    assert "No endorsements yet." in page
    assert "None: every provider named is known." in page


def test_a_persons_applications_stay_within_reach(page_house: WebClient) -> None:
    with writing(page_house.cast.engine) as session:
        number = apply(session, page_house.cast.people[ALICE], association="NCIMHA",
                       state="declined", decided_on=date(2026, 10, 5))  # fmt: skip
        apply(session, page_house.cast.people[ALICE], association="CT-AIMH", category="IFS")
    page = page_house.visit(CAROL).get(f"/coordinator/people/{page_house.cast.endorsements[ALICE]}")
    assert "Application for IFS : Declined on October 5, 2026." in text_of(page)
    assert page.text.count("/coordinator/applicants/") == 1
    assert page_house.visit(CAROL).get(f"/coordinator/applicants/{number}").status_code == 200
