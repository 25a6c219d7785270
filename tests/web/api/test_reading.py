"""Standings and entries, as a program of an association reads them."""

from datetime import date
from typing import get_args

import pytest
from sqlalchemy import update

from tests.rules.case_data import IMAGINED, REAL
from tests.support.cast import ALICE, BOB, BOOKS, ERIN, NOW, PAYING
from tests.support.paying import IVY, fill_with_ivy
from tests.support.referees import apply
from tests.web.api.calling import Program, make
from tests.web.client import WebClient
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.services.context import Actor, ServiceContext
from tracker.services.first_days import set_first_day
from tracker.web.api.models import RequirementStanding


@pytest.fixture
def program(sqlite_web: WebClient) -> Program:
    return Program(sqlite_web, make(sqlite_web))


def test_a_standing_says_what_counts_what_is_short_and_where_the_rule_stands(
    program: Program,
) -> None:
    number = program.web.cast.endorsements[ALICE]
    standing = program.get(f"/standings/{number}").json()
    assert (standing["email"], standing["status"], standing["stage"]) == (ALICE, "open", "open")
    assert standing["cycle"]["due_on"] == "2026-12-31"
    rsc = next(r for r in standing["requirements"] if r["id"] == "rsc")
    assert (rsc["required"], rsc["counted"], rsc["short"]) == (12, 8.5, 3.5)
    assert rsc["source"]["section"]
    assert [left["hours"] for left in rsc["not_counted"]] == [1]


def test_a_standing_of_a_renewal_with_a_fee_is_read(sqlite_url: str) -> None:
    web = WebClient(fill_with_ivy(sqlite_url))
    program = Program(web, make(web, PAYING))
    standing = program.get(f"/standings/{web.cast.endorsements[IVY]}").json()
    [fee] = [each for each in standing["requirements"] if each["unit"] == "payment"]
    assert (fee["required"], fee["counted"], fee["short"]) == (1, 0, 1)
    assert standing in program.get("/standings").json()["items"]
    web.cast.engine.dispose()


@pytest.mark.parametrize("rulebooks", [REAL, IMAGINED])
def test_every_unit_of_a_renewal_is_one_of_the_api(rulebooks: Rulebooks) -> None:
    known = set(get_args(RequirementStanding.model_fields["unit"].annotation))
    for name, rulebook in rulebooks.associations.items():
        for category in rulebook.categories:
            plan = rulebooks.plan(name, category, date(2020, 1, 1), date(2026, 6, 1))
            units = {requirement.unit for requirement in plan.requirements} if plan else set[str]()
            assert units <= known, (name, category)


def test_any_cycle_can_be_asked_for(program: Program) -> None:
    number = program.web.cast.endorsements[ALICE]
    standing = program.get(f"/standings/{number}?cycle=2025-07-01").json()
    assert standing["cycle"]["starts_on"] == "2025-01-01"
    assert standing["status"] == "met"


def test_pages_lead_through_the_whole_list_once(program: Program) -> None:
    seen, path = [], "/entries?limit=3"
    while path:
        page = program.get(path).json()
        seen += [entry["id"] for entry in page["items"]]
        path = page["next"] and page["next"].removeprefix("/api/v1")
    assert seen == sorted(v for k, v in program.web.cast.entries.items() if k != "erin")


def test_entries_are_asked_for_by_person_and_day(program: Program) -> None:
    query = f"/entries?email={ALICE}&held_from=2026-10-19&held_to=2026-11-14"
    found = program.get(query).json()["items"]
    assert [entry["held_on"] for entry in found] == ["2026-11-14", "2026-10-19"]
    assert [entry["provider"]["id"] is None for entry in found] == [False, True]
    assert program.get(f"/entries?email={BOB}").json() == {"items": [], "next": None}


def test_a_list_of_standings_is_narrowed_by_category_and_person(program: Program) -> None:
    assert len(program.get("/standings").json()["items"]) == 2
    assert [s["email"] for s in program.get(f"/standings?email={BOB}").json()["items"]] == [BOB]
    assert program.get("/standings?category=IMHS").json()["items"] == []


def test_another_association_s_people_are_as_absent_as_those_who_are_not(program: Program) -> None:
    cast = program.web.cast
    for path, foreign in (
        ("/entries/{}", cast.entries["erin"]),
        ("/standings/{}", cast.endorsements[ERIN]),
    ):
        answers = [program.get(path.format(number)) for number in (foreign, 999_999)]
        assert [a.status_code for a in answers] == [404, 404]
        assert answers[0].content == answers[1].content
    assert program.get(f"/entries?email={ERIN}").json()["items"] == []
    assert program.get(f"/standings?email={ERIN}").json()["items"] == []


def test_applicants_hours_are_readable_too(program: Program) -> None:
    cast = program.web.cast
    with writing(cast.engine) as session:
        apply(session, cast.people[ERIN], association="NCIMHA")
    found = program.get(f"/entries?email={ERIN}").json()["items"]
    assert [entry["id"] for entry in found] == [cast.entries["erin"]]


def test_what_was_logged_after_an_endorsement_ended_is_not_its_association_s(
    program: Program,
) -> None:
    cast = program.web.cast
    with writing(cast.engine) as session:
        endorsement = METADATA.tables["endorsement"]
        number = cast.endorsements[ALICE]
        ended = {"ends_on": date(2026, 6, 30)}
        session.connection().execute(
            update(endorsement).where(endorsement.c.id == number).values(ended)
        )
    days = [e["held_on"] for e in program.get(f"/entries?email={ALICE}").json()["items"]]
    assert max(days) == "2026-06-12"
    assert program.get(f"/entries/{cast.entries['rsc']}").status_code == 404
    assert program.log("one").json()["errors"][0]["pointer"] == "#/email"


def test_a_declined_applicant_s_hours_are_no_longer_read_nor_written(program: Program) -> None:
    cast = program.web.cast
    with writing(cast.engine) as session:
        number = apply(session, cast.people[ERIN], association="NCIMHA")
        application = METADATA.tables["application"]
        declined = {"state": "declined", "decided_on": date(2026, 11, 20)}
        session.connection().execute(
            update(application).where(application.c.id == number).values(declined)
        )
    assert program.get(f"/entries?email={ERIN}").json()["items"] == []
    assert program.log("one", email=ERIN).status_code == 422


def test_a_cycle_beyond_the_calendar_has_no_standings(program: Program) -> None:
    assert program.get("/standings?cycle=9999-12-31").json()["items"] == []
    assert program.get("/standings/1?cycle=0001-01-01").status_code == 404


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/entries?limit=0", "query/limit"),
        ("/entries?held_from=yesterday", "query/held_from"),
        ("/entries?person=1", "query/person"),
        ("/entries?email=a%00b", "query/email"),
        ("/standings?category=%00", "query/category"),
        ("/standings?cycle=2026", "query/cycle"),
        ("/standings?cycle=-5e-106", "query/cycle"),
        ("/standings/1?cycle=1767225600", "query/cycle"),
        ("/entries?held_from=2026-01-01T00:00:00", "query/held_from"),
        ("/standings/x", "path/endorsement_id"),
        ("/standings/2147483648", "path/endorsement_id"),
    ],
)
def test_a_wrong_parameter_is_named(program: Program, path: str, pointer: str) -> None:
    answer = program.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


def test_a_renewal_without_records_says_so(program: Program) -> None:
    cast = program.web.cast
    with writing(cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor("tracker first-day"), NOW)
        set_first_day(context, "NCIMHA", date(2026, 1, 1), "moved")
    found = program.get("/standings?cycle=2025-06-01").json()["items"]
    assert {each["status"] for each in found} == {"no records"}
    assert {each["records_from"] for each in found} == {"2026-01-01"}
    number = cast.endorsements[BOB]
    one = program.get(f"/standings/{number}?cycle=2025-06-01").json()
    assert one["explanation"].startswith("before this system: no records")
