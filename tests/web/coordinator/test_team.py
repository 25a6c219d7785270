"""Coordinators decide on a page who may do what on their association's desk."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DAN, NOW
from tests.support.overlap import overlap_call
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.crawl import Reader
from tests.web.signing import ask
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.context import Actor, ServiceContext
from tracker.services.team import change_team_setting, end_member, find_member

TEAM = "/coordinator/team"
NEW = f"{TEAM}/new"
RUTH = "ruth@example.org"


def add(web: WebClient, role: str = "viewer", **more: str) -> None:
    form = {"name": "Ruth Adler", "email": RUTH, "role": role, **more}
    assert web.visit(CAROL).post(NEW, form).status_code == 303


def test_an_invited_coordinator_opens_the_desk(web: WebClient) -> None:
    add(web, "coordinator")
    [mail] = web.mails()
    assert "You are now coordinator at NCIMHA." in mail
    assert "Carol Reyes added you." in mail
    assert "/coordinator" in mail
    assert web.visit(RUTH).get("/coordinator").status_code == 200
    team = text_of(web.visit(RUTH).get(TEAM))
    assert "Carol Reyes carol@example.org Coordinator" in team
    assert "Ruth Adler ruth@example.org Coordinator" in team


@pytest.mark.parametrize(
    ("role", "start"),
    [
        ("coordinator", "/coordinator"),
        ("viewer", "/coordinator"),
        ("treasurer", "/coordinator"),
        ("reviewer", "/coordinator/applicants"),
    ],
)
def test_everyone_on_a_team_signs_in_and_finds_the_desk(
    sqlite_web: WebClient, role: str, start: str
) -> None:
    add(sqlite_web, role)
    [mail] = sqlite_web.mails()
    assert re.search(rf"{start}$", mail, re.MULTILINE)
    ruth = sqlite_web.visit()
    _, code = ask(sqlite_web, ruth, RUTH)
    assert ruth.post("/sign-in/code", {"code": code}).status_code == 303
    assert ruth.get("/my-year").headers["location"] == start
    assert ruth.get(start).status_code == 200


def test_an_address_of_a_team_is_nobodys_second_address(sqlite_web: WebClient) -> None:
    add(sqlite_web, "treasurer")
    alice = f"/coordinator/person/{sqlite_web.cast.people[ALICE]}/change/second-email"
    answer = sqlite_web.visit(CAROL).post(alice, {"email": RUTH, "reason": "She asked"})
    assert answer.status_code == 422
    assert sqlite_web.cast.rows("person", second_email=RUTH) == []


def test_saving_stays_on_the_desk_of_the_association(sqlite_web: WebClient) -> None:
    dan, desk = sqlite_web.visit(DAN), "?association=CT-AIMH"
    carol = {"name": "Carol Reyes", "email": CAROL, "role": "coordinator"}
    dan.post(NEW, carol)
    both = sqlite_web.visit(CAROL)
    viewer = {"name": "Ruth Adler", "email": RUTH, "role": "viewer"}
    endorsee = {"name": "Uma Kaur", "email": "uma@example.org", "category": "IFS"}
    endorsee |= {"since_month": "1", "since_day": "5", "since_year": "2025", "confirmed": "yes"}
    for path, form in (
        (NEW, viewer),
        (TEAM, {"action": "none"}),
        ("/coordinator/hand-over", {"notes": "Call the treasurer."}),
        ("/coordinator/person/new", endorsee),
    ):
        saved = both.post(f"{path}{desk}", form)
        assert saved.status_code == 303, (path, text_of(saved))
        assert saved.headers["location"].endswith(desk), path


def test_a_viewer_looks_and_changes_nothing(sqlite_web: WebClient) -> None:
    add(sqlite_web)
    ruth = sqlite_web.visit(RUTH)
    page = ruth.get("/coordinator")
    assert page.status_code == 200
    assert "Ask a coordinator to change something" in text_of(page)
    assert "Bob Osei" in text_of(page)
    assert not re.search("Next action|Keys in this list", text_of(page))
    refused = ruth.post(NEW, {"name": "Eve", "email": "eve2@example.org", "role": "viewer"})
    assert refused.status_code == 403
    assert "Your role can look, not change" in text_of(refused)
    assert len(sqlite_web.cast.rows("team_role", email=RUTH)) == 1


def crawl(visitor: Visitor, start: str) -> Iterator[tuple[str, str, list[str]]]:
    """Each kind of page that the visitor is led to, with the forms of the desk that it offers."""
    todo, seen = ["/", start], set()
    while todo:
        path = todo.pop().partition("#")[0]
        # Of the list of people, one filter is as good as all.
        kind = re.sub(r"\d+|(?<=people\?).*|(?<=csv\?).*|(?<=xlsx\?).*", "N", path)
        if kind in seen or not path.startswith("/"):
            continue
        seen.add(kind)
        answer = visitor.get(path)
        assert answer.status_code in {200, 303}, path
        reader = Reader(path)
        reader.feed(answer.text)
        todo += [answer.headers.get("location", "/"), *reader.links]
        offered = [form.action for form in reader.forms if form.is_post]
        yield path, answer.text, [each for each in offered if each.startswith("/coordinator")]


@pytest.mark.parametrize("role", ["viewer", "treasurer", "reviewer"])
def test_nobody_is_offered_what_is_refused(sqlite_web: WebClient, role: str) -> None:
    add(sqlite_web, role)
    start = "/coordinator/applicants" if role == "reviewer" else "/coordinator"
    for path, _, offered in crawl(sqlite_web.visit(RUTH), start):
        assert offered == [], path


def test_a_viewer_who_coordinates_elsewhere_is_offered_nothing(sqlite_web: WebClient) -> None:
    add(sqlite_web)
    here = {"name": "Ruth Adler", "email": RUTH, "role": "coordinator"}
    sqlite_web.visit(DAN).post(NEW, here)
    pages = 0
    for path, page, offered in crawl(sqlite_web.visit(RUTH), "/coordinator?association=NCIMHA"):
        if 'aria-current="page">NCIMHA</a>' in page:
            pages += 1
            assert offered == [], path
    assert pages > 20


def test_a_shared_record_shows_forms_of_the_own_association_only(sqlite_web: WebClient) -> None:
    add(sqlite_web)
    sqlite_web.visit(DAN).post(NEW, {"name": "Ruth Adler", "email": RUTH, "role": "coordinator"})
    alice = sqlite_web.cast.people[ALICE]
    with writing(sqlite_web.cast.engine) as session:
        held = {"association": "CT-AIMH", "category": "IFS", "starts_on": date(2025, 1, 1)}
        held_there = insert(METADATA.tables["endorsement"]).values(person_id=alice, **held)
        session.connection().execute(held_there)
    ruth, path = sqlite_web.visit(RUTH), f"/coordinator/person/{alice}"
    page = ruth.get(f"{path}?association=NCIMHA").text
    here = sqlite_web.cast.rows("endorsement", person_id=alice, association="CT-AIMH")
    [changeable] = re.findall(rf"{path}/change/endorsement/(\d+)", page)
    assert changeable == str(here[0]["id"])
    links = re.findall(rf'href="({path}/[^"]*)"', page)
    assert {ruth.get(link.replace("&amp;", "&")).status_code for link in links} == {200}


def test_a_reviewer_sees_applications_only(sqlite_web: WebClient) -> None:
    add(sqlite_web, "reviewer")
    ruth = sqlite_web.visit(RUTH)
    assert ruth.get("/coordinator/applicants").status_code == 200
    for path in ("/coordinator", TEAM, "/coordinator/changes"):
        assert ruth.get(path).status_code == 404


def test_roles_hold_from_first_to_last_day(sqlite_web: WebClient) -> None:
    days = {"starts_day": "25", "starts_month": "11", "starts_year": "2026"}
    days |= {"ends_day": "27", "ends_month": "11", "ends_year": "2026"}
    add(sqlite_web, **days)
    opened = []
    for _ in range(7):
        opened.append(sqlite_web.visit(RUTH).get("/coordinator").status_code == 200)
        sqlite_web.pass_time(hours=24)
    assert opened == [False, False, False, True, True, True, False]


def test_an_ended_role_closes_the_desk(sqlite_web: WebClient) -> None:
    add(sqlite_web)
    key = str(sqlite_web.cast.rows("team_role", email=RUTH)[0]["id"])
    ended = sqlite_web.visit(CAROL).post(f"{TEAM}/end", {"member": key})
    assert ended.status_code == 303
    sqlite_web.pass_time(hours=24)
    assert sqlite_web.visit(RUTH).get("/coordinator").status_code == 404
    assert "Former roles Ruth Adler" in text_of(sqlite_web.visit(CAROL).get(TEAM))


def test_the_last_coordinator_stays(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(CAROL).post(f"{TEAM}/end", {"member": CAROL})
    assert answer.status_code == 422
    assert [words for _, words in problems(answer)] == [
        "NCIMHA needs a coordinator. Add another coordinator first, then end this role."
    ]
    assert sqlite_web.cast.rows("team_role") == []


def test_the_first_coordinator_can_hand_over(sqlite_web: WebClient) -> None:
    add(sqlite_web, "coordinator")
    carol = sqlite_web.visit(CAROL)
    [own] = sqlite_web.cast.rows("team_role", email=CAROL)
    assert carol.post(f"{TEAM}/end", {"member": str(own["id"])}).status_code == 303
    sqlite_web.pass_time(hours=24)
    # The settings still name her, but the association's team is in the database now.
    assert sqlite_web.visit(CAROL).get("/coordinator").status_code == 404
    assert sqlite_web.visit(RUTH).get("/coordinator").status_code == 200


def test_a_role_is_held_once(sqlite_web: WebClient) -> None:
    add(sqlite_web)
    form = {"name": "Ruth Adler", "email": RUTH, "role": "viewer"}
    answer = sqlite_web.visit(CAROL).post(NEW, form)
    assert [words for _, words in problems(answer)] == [
        "Ruth Adler is already on the team as viewer"
    ]


def test_wrong_input_is_named_at_its_field(sqlite_web: WebClient) -> None:
    form = {"name": "", "email": "nobody", "role": "queen"}
    answer = sqlite_web.visit(CAROL).post(NEW, form)
    assert answer.status_code == 422
    assert [field for field, _ in problems(answer)] == ["name", "email", "role"]
    assert sqlite_web.cast.rows("team_role") == []


def test_other_associations_stay_closed(sqlite_web: WebClient) -> None:
    add(sqlite_web)
    dan = sqlite_web.visit(DAN)
    key = str(sqlite_web.cast.rows("team_role", email=RUTH)[0]["id"])
    assert dan.post(f"{TEAM}/end", {"member": key}).status_code == 404
    assert dan.post(f"{TEAM}/end?association=NCIMHA", {"member": key}).status_code == 404
    assert "Ruth" not in dan.get(TEAM).text
    assert sqlite_web.visit(ALICE).get(TEAM).status_code == 404


def test_adding_someone_takes_a_fresh_code(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    sqlite_web.pass_time(minutes=11)
    asked = carol.post(
        f"{NEW}?association=NCIMHA", {"name": "Eve", "email": RUTH, "role": "viewer"}
    )
    assert asked.status_code == 403
    assert 'action="/coordinator/team/new?association=NCIMHA"' in asked.text
    assert sqlite_web.cast.rows("team_role") == []


def test_notes_wait_for_the_next_coordinator(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    carol.post("/coordinator/hand-over", {"notes": "Bob is on <leave>\nuntil spring"})
    page = carol.get("/coordinator/hand-over")
    assert "Bob is on &lt;leave&gt;" in page.text
    too_long = carol.post("/coordinator/hand-over", {"notes": "x" * 4001})
    assert too_long.status_code == 422
    assert "x" * 4001 in too_long.text


def test_first_settings_saved_at_once_are_both_kept(postgres_web: WebClient) -> None:
    def require_factor(session: Session) -> None:
        context = ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)
        change_team_setting(context, "NCIMHA", requires_second_factor=True)

    carol = postgres_web.visit(CAROL)
    _, answer = overlap_call(
        postgres_web.cast.engine,
        require_factor,
        lambda: carol.post("/coordinator/hand-over", {"notes": "Call Bob"}).status_code,
    )
    [setting] = postgres_web.cast.rows("team_setting")
    assert (answer, setting["requires_second_factor"], setting["notes"]) == (303, True, "Call Bob")


def test_an_imported_second_address_gives_no_role(sqlite_web: WebClient) -> None:
    add(sqlite_web)
    table = METADATA.tables["person"]
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            table.update().where(table.c.email == BOB).values(second_email=RUTH)
        )
    # Bob's second address signs in as Ruth's address, which has the role; his first has none.
    assert sqlite_web.visit(BOB).get("/coordinator").status_code == 404


def test_the_digest_goes_to_todays_coordinators(sqlite_web: WebClient) -> None:
    role = METADATA.tables["team_role"]
    values = {"association": "NCIMHA", "email": RUTH, "name": "Ruth", "role": "coordinator",
              "starts_on": sqlite_web.now.date() - timedelta(days=9), "added_at": sqlite_web.now,
              "added_by": CAROL}  # fmt: skip
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(insert(role).values(values))
    emails = {one.email for one in sqlite_web.app.state.site.settings.coordinators_of("NCIMHA")}
    assert emails == {RUTH}


def test_the_hand_over_lists_snoozes_and_filters(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    carol.post("/coordinator/filters?association=NCIMHA&status=lapsed", {"name": "Late ones"})
    cause = f"renewal-{sqlite_web.cast.endorsements[BOB]}-2025-01-01"
    snooze = {"association": "NCIMHA", "cause": cause, "choice": "2026-12-06"}
    carol.post("/coordinator/snooze", {**snooze, "note": "She is on vacation"})
    text = carol.get("/coordinator/hand-over").text
    assert "Late ones" in text
    assert "She is on vacation" in text


def test_coordinators_who_end_each_other_are_told(postgres_web: WebClient) -> None:
    web, cast = postgres_web, postgres_web.cast
    add(web, "coordinator")
    keys = {row["email"]: str(row["id"]) for row in cast.rows("team_role")}

    def end_carol(session: Session) -> None:
        context = ServiceContext(session, BOOKS, Actor(RUTH, None, ("NCIMHA",)), web.now)
        own = find_member(session, cast.settings, "NCIMHA", keys[CAROL])
        end_member(context, cast.settings, own, NOW.date())

    carol = web.visit(CAROL)
    _, answer = overlap_call(
        cast.engine, end_carol, lambda: carol.post(f"{TEAM}/end", {"member": keys[RUTH]})
    )
    assert not isinstance(answer, Exception)
    assert answer.status_code == 422
    assert "NCIMHA needs a coordinator" in text_of(answer)
