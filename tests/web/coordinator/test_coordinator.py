"""The coordinator's page: who needs what, worst first."""

from datetime import date

import pytest
from sqlalchemy import insert, update

from tests.support.cast import ALICE, BOOKS, CAROL, DAN, NOW
from tests.support.referees import apply
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people


def crowd(web: WebClient, count: int) -> None:
    """So many more endorsees of Carol's association, all with nothing logged."""
    person, endorsement = METADATA.tables["person"], METADATA.tables["endorsement"]
    with writing(web.cast.engine) as session:
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


def test_the_worst_stands_first_with_what_is_missing(web: WebClient) -> None:
    page = text_of(web.visit(CAROL).get("/coordinator"))
    rows = page.partition("All, worst first")[2]
    assert rows.index("Bob Osei Lapsed IFS · 2025") < rows.index("Bob Osei Open, behind IFS · 2026")
    assert rows.index("Bob Osei Open, behind") < rows.index("Alice Moreno Open")
    assert "3.5 RSC hours and one DEIA hour missing" in rows
    assert "15 training hours (one on DEIA), 12 RSC hours, and membership missing" in rows


def test_an_endorsement_that_ends_before_it_is_due_has_a_line(web: WebClient) -> None:
    table = METADATA.tables["endorsement"]
    held = table.c.person_id == web.cast.people[ALICE]
    with writing(web.cast.engine) as session:
        session.connection().execute(update(table).where(held).values(ends_on=date(2026, 12, 20)))
        evaluate_people(session, BOOKS, [web.cast.people[ALICE]], NOW)
    page = text_of(web.visit(CAROL).get("/coordinator"))
    assert "Alice Moreno Open" not in page
    endings = page.partition("Ending before renewal")[2]
    assert "Alice Moreno Ends Dec 20, 2026 IFS · before it is due on Dec 31, 2026" in endings


def test_each_state_has_its_count_and_its_link(web: WebClient) -> None:
    carol = web.visit(CAROL)
    page = carol.get("/coordinator")
    assert "3 all 1 lapsed 2 open, behind" in text_of(page)
    assert "association=NCIMHA&amp;status=lapsed" in page.text
    lapsed = text_of(carol.get("/coordinator?association=NCIMHA&status=lapsed"))
    assert "Bob Osei Lapsed" in lapsed
    assert "Alice Moreno Open" not in lapsed


def test_a_state_that_nobody_is_in_says_so(sqlite_web: WebClient) -> None:
    page = text_of(sqlite_web.visit(CAROL).get("/coordinator?status=met"))
    assert "No one matches this filter. Show all" in page


@pytest.mark.parametrize("query", ["status=%00", "status=nonsense", "page=99999"])
def test_odd_questions_are_no_error(sqlite_web: WebClient, query: str) -> None:
    assert sqlite_web.visit(CAROL).get(f"/coordinator?{query}").status_code == 200


def test_many_renewals_come_in_pages(sqlite_web: WebClient) -> None:
    crowd(sqlite_web, 60)
    carol = sqlite_web.visit(CAROL)
    first, second = carol.get("/coordinator"), carol.get("/coordinator?page=2")
    assert first.text.count('class="who"') == 50
    assert "Page 1 of 3" in text_of(first)
    pages = (first, second, carol.get("/coordinator?page=3"))
    names = [text_of(page).partition("All, worst first")[2] for page in pages]
    # Those endorsed in 2025 were in their first cycle then, and owed their membership only.
    assert sum(page.count("Person 0") for page in names) == 120


def test_providers_known_by_name_only_wait_to_be_confirmed(web: WebClient) -> None:
    page = text_of(web.visit(CAROL).get("/coordinator"))
    assert "Jo Hart 1 hour named by Alice Moreno" in page
    assert "Jo Hart" not in web.visit(DAN).get("/coordinator").text


def test_names_that_differ_in_case_are_one_provider(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        for name in ("jo  HART", "Jo Hart"):
            session.connection().execute(
                insert(METADATA.tables["entry"]).values(
                    person_id=sqlite_web.cast.people[ALICE],
                    activity="rsc",
                    held_on=NOW.date().replace(month=7),
                    minutes=30,
                    title="RSC",
                    provider_name=name,
                )
            )
    assert "Jo Hart 2 hours named by" in text_of(sqlite_web.visit(CAROL).get("/coordinator"))


def test_an_endorsees_year_is_there_to_read(sqlite_web: WebClient) -> None:
    number = sqlite_web.cast.endorsements[ALICE]
    page = sqlite_web.visit(CAROL).get(f"/coordinator/people/{number}")
    assert "3.5 RSC hours and one DEIA hour to go by December 31." in text_of(page)
    assert "At their current pace, RSC will not be complete by then" in text_of(page)
    assert " your " not in text_of(page)
    assert "Alice Moreno" in text_of(page)
    for word in ("/edit", "/delete", 'href="/log'):
        assert word not in page.text


def test_an_association_without_endorsees_says_what_to_do(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        session.connection().exec_driver_sql("DELETE FROM standing")
    page = text_of(sqlite_web.visit(DAN).get("/coordinator"))
    assert "No endorsements yet." in page
    assert "None. Every provider that endorsees named is on file." in page


def test_a_persons_applications_stay_within_reach(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        number = apply(session, sqlite_web.cast.people[ALICE], association="NCIMHA",
                       state="declined", decided_on=date(2026, 10, 5))  # fmt: skip
        apply(session, sqlite_web.cast.people[ALICE], association="CT-AIMH", category="IFS")
    page = sqlite_web.visit(CAROL).get(f"/coordinator/people/{sqlite_web.cast.endorsements[ALICE]}")
    assert "Application for IFS : Declined on October 5, 2026." in text_of(page)
    assert page.text.count("/coordinator/applicants/") == 1
    assert sqlite_web.visit(CAROL).get(f"/coordinator/applicants/{number}").status_code == 200
