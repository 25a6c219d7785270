"""A provider of a large group chooses who took part: as last time, or by searching for names."""

from sqlalchemy import delete, insert, update

from tests.support.cast import ALICE, BOB, DANA, EVE
from tests.support.held import hold_session, name_supervisee
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.hours.test_editing import form_of
from tests.web.html import HtmlPage
from tracker.db.engine import writing
from tracker.db.tables import METADATA

NAMES = [
    "Ke\N{MODIFIER LETTER TURNED COMMA}ala Akana",
    "Kealoha Ito",
    "Zoë Kea",
    *(f"Rosa Lim{n:02}" for n in range(15)),
]
SESSION = {"when": "today", "length": "1.5"}


def add_supervisees(web: WebClient) -> dict[str, int]:
    """People who logged a session with Dana; their ids by name."""
    ids = {}
    with writing(web.cast.engine) as session:
        connection = session.connection()
        for number, name in enumerate(NAMES):
            person = METADATA.tables["person"]
            values = {"email": f"p{number}@example.org", "name": name}
            ids[name] = connection.execute(
                insert(person).values(values).returning(person.c.id)
            ).scalar_one()
            entry = {"person_id": ids[name], "activity": "rsc", "held_on": web.now.date()}
            entry |= {"minutes": 60, "title": "RSC", "provider_id": web.cast.people[DANA]}
            connection.execute(insert(METADATA.tables["entry"]).values(entry))
    return ids


def boxes(page: str) -> dict[str, bool]:
    """Each person with a box: the name, and whether it is ticked."""
    sheet = HtmlPage(page)
    names = {one.get("for"): one.text.strip() for one in sheet.all("label")}
    found = sheet.all("input", name_="people")
    return {names[one.get("id")]: "checked" in one.attributes for one in found}


def post(visitor: Visitor, **more: object) -> str:
    form = form_of(visitor.get("/sessions/new"))
    return visitor.post("/sessions/new", {**form, **SESSION, **more}).text


def test_a_few_people_are_listed_without_a_search(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(DANA).get("/sessions/new").text
    assert boxes(page) == {"Alice Moreno": False}
    assert 'name="find"' not in page


def test_many_people_are_searched_for(sqlite_web: WebClient) -> None:
    ids = add_supervisees(sqlite_web)
    dana = sqlite_web.visit(DANA)
    page = dana.get("/sessions/new").text
    assert boxes(page) == {}
    typed = {"search": "yes", "people": [str(ids["Rosa Lim03"])], "title": "Winter", "others": EVE}
    found = post(dana, **typed, find="ke'a")
    assert boxes(found) == {
        "Rosa Lim03": True,
        "Ke\N{MODIFIER LETTER TURNED COMMA}ala Akana": False,
    }
    assert 'value="Winter"' in found
    assert f">{EVE}</textarea>" in found
    assert "1 other person matches “ke&#39;a”" in found
    assert boxes(post(dana, find="kea", search="yes")).keys() == {"Kealoha Ito", "Zoë Kea"}
    assert boxes(post(dana, find="KEA zoe", search="yes")).keys() == {"Zoë Kea"}


def test_too_many_matches_are_counted(sqlite_web: WebClient) -> None:
    add_supervisees(sqlite_web)
    page = post(sqlite_web.visit(DANA), find="rosa", search="yes")
    assert len(boxes(page)) == 10
    assert "15 other people match “rosa”. Here are the first 10" in page


def test_a_name_without_a_match_leaves_the_choice(sqlite_web: WebClient) -> None:
    ids = add_supervisees(sqlite_web)
    page = post(sqlite_web.visit(DANA), find="Nobody", search="yes", people=[str(ids["Zoë Kea"])])
    assert boxes(page) == {"Zoë Kea": True}
    assert "No other person in your list has a name that begins like “Nobody”" in page


def test_enter_in_the_search_saves_nothing(sqlite_web: WebClient) -> None:
    ids = add_supervisees(sqlite_web)
    dana = sqlite_web.visit(DANA)
    page = post(dana, find="zoe", people=[str(ids["Kealoha Ito"])])
    assert boxes(page) == {"Kealoha Ito": True, "Zoë Kea": False}
    assert sqlite_web.cast.rows("group_session") == []
    form = form_of(dana.post("/sessions/new", {**SESSION, "find": "zoe", "search": "yes"}))
    both = [str(ids["Kealoha Ito"]), str(ids["Zoë Kea"]), str(ids["Zoë Kea"])]
    saved = dana.post("/sessions/new", {**form, **SESSION, "people": both, "others": ""})
    assert saved.status_code == 303
    members = sqlite_web.cast.rows("group_member")
    assert [row["name"] for row in members] == ["Kealoha Ito", "Zoë Kea"]


def test_only_the_providers_own_supervisees_are_found(sqlite_web: WebClient) -> None:
    add_supervisees(sqlite_web)
    page = post(sqlite_web.visit(DANA), find="e", search="yes")
    assert boxes(page) == {}
    assert boxes(post(sqlite_web.visit(DANA), find="bo", search="yes")) == {}


def hold_group(web: WebClient) -> dict[str, int]:
    """Dana's last group: Alice by name, Bob by address."""
    with writing(web.cast.engine) as session:
        session_id = hold_session(session, web.cast, DANA)
        members = {email: name_supervisee(session, web.cast, session_id, email)
                   for email in (ALICE, BOB)}  # fmt: skip
        member = METADATA.tables["group_member"]
        named = update(member).where(member.c.email == ALICE).values(name="Alice Moreno")
        session.connection().execute(named)
    return members


def test_the_last_group_is_chosen_again(web: WebClient) -> None:
    hold_group(web)
    dana = web.visit(DANA)
    assert "Same group as last time November 18, 2026, 2 people" in text_of(
        dana.get("/sessions/new")
    )
    page = post(dana, same="yes", others=EVE, title="Winter")
    assert boxes(page) == {"Alice Moreno": True}
    assert f">{EVE}\n{BOB}</textarea>" in page
    assert 'value="Winter"' in page
    assert "2 people from your session on November" in page.replace("\N{NO-BREAK SPACE}", " ")
    # Once more changes nothing.
    again = post(dana, same="yes", others=f"{EVE}\n{BOB}", people=[str(web.cast.people[ALICE])])
    assert f">{EVE}\n{BOB}</textarea>" in again
    assert len(web.cast.rows("group_session")) == 1


def test_who_is_left_out_of_the_last_group_is_said(sqlite_web: WebClient) -> None:
    members = hold_group(sqlite_web)
    with writing(sqlite_web.cast.engine) as session:
        tables, dana_id = METADATA.tables, sqlite_web.cast.people[DANA]
        connection = session.connection()
        connection.execute(delete(tables["entry"]).where(tables["entry"].c.provider_id == dana_id))
        disputed = {"state": "disputed", "answered_at": sqlite_web.now}
        member = tables["group_member"]
        connection.execute(update(member).where(member.c.id == members[BOB]).values(disputed))
    page = sqlite_web.visit(DANA).post("/sessions/new", {**SESSION, "same": "yes"})
    said = text_of(page)
    assert boxes(page.text) == {}
    assert "Alice Moreno is left out: they have no session with you on record anymore" in said
    assert f"{BOB} is left out: they reported a problem with that session" in said


def test_without_an_earlier_group_none_is_offered(sqlite_web: WebClient) -> None:
    dana = sqlite_web.visit(DANA)
    assert "Same group" not in dana.get("/sessions/new").text
    answer = dana.post("/sessions/new", {**SESSION, "same": "yes"})
    assert [field for field, _ in problems(answer)] == ["people"]


def test_people_who_left_the_list_are_said_and_the_others_stay(sqlite_web: WebClient) -> None:
    ids = add_supervisees(sqlite_web)
    dana = sqlite_web.visit(DANA)
    form = form_of(dana.get("/sessions/new"))
    with writing(sqlite_web.cast.engine) as session:
        entry = METADATA.tables["entry"]
        gone = delete(entry).where(entry.c.person_id == ids["Zoë Kea"])
        session.connection().execute(gone)
    chosen = [str(ids[name]) for name in ("Zoë Kea", "Kealoha Ito")]
    answer = dana.post("/sessions/new", {**form, **SESSION, "people": chosen})
    ((field, words),) = problems(answer)
    assert (field, words.startswith("One of the people you chose is no longer in your list")) == (
        "people", True,
    )  # fmt: skip
    assert boxes(answer.text) == {"Kealoha Ito": True}
    again = form_of(answer) | SESSION | {"people": chosen[1], "others": ""}
    assert dana.post("/sessions/new", again).status_code == 303
