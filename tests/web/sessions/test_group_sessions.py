"""A provider logs one session for several supervisees, and sees only what they answer."""

import re
from datetime import date
from threading import Event

from sqlalchemy import text

from tests.support.cast import ALICE, BOB, BOOKS, DANA, ERIN, EVE, NOW
from tests.web.client import WebClient, problems, text_of
from tracker.db.engine import writing
from tracker.services.evaluation import evaluate_people

SESSION = {"day": "14", "month": "nov", "year": "2026", "hours": "1.5"}
HELD_ON = date(2026, 11, 14)


def key_on(page: str) -> str:
    found = re.search(r'name="form_key" value="([0-9a-f]{32})"', page)
    assert found is not None
    return found[1]


def log(web: WebClient, *emails: str, who: str = DANA, **more: str) -> str:
    """Dana logs a session; where she is taken."""
    dana = web.visit(who)
    form = {"form_key": key_on(dana.get("/sessions/new").text), **SESSION, **more}
    answer = dana.post("/sessions/new", {**form, "others": "\n".join(emails)})
    assert answer.status_code == 303, problems(answer)
    web.settle()
    return str(answer.headers["location"])


def members(web: WebClient) -> list[tuple[str, str]]:
    return sorted((row["email"], row["state"]) for row in web.cast.rows("group_member"))


def recipients(web: WebClient) -> list[str]:
    """Whom emails wait for, in order, once those after the last answer are written too."""
    web.settle()
    return sorted(row["recipient"] for row in web.cast.rows("outbox"))


def test_every_member_is_asked_once(web: WebClient) -> None:
    before = web.cast.rows("entry"), web.cast.rows("standing")
    path = log(web, BOB, people=str(web.cast.people[ALICE]))
    assert members(web) == [(ALICE, "asked"), (BOB, "asked")]
    assert recipients(web) == [ALICE, BOB]
    assert (web.cast.rows("entry"), web.cast.rows("standing")) == before
    page = text_of(web.visit(DANA).get(path))
    assert "Alice Moreno Asked" in page
    assert f"{BOB} Asked" in page
    assert {row["table_name"] for row in web.cast.rows("audit_event")} == {
        "group_session",
        "group_member",
    }


def test_a_double_tap_saves_one_session(sqlite_web: WebClient) -> None:
    dana = sqlite_web.visit(DANA)
    form = {"form_key": key_on(dana.get("/sessions/new").text), **SESSION, "others": BOB}
    first, second = (dana.post("/sessions/new", form) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    changed = dana.post("/sessions/new", {**form, "hours": "2"})
    assert changed.status_code == 422
    assert "This form was already saved, as 1.5 hours" in text_of(changed)
    assert len(sqlite_web.cast.rows("group_session")) == 1
    assert recipients(sqlite_web) == [BOB]


def test_a_similar_session_is_asked_about_once(
    web: WebClient,
) -> None:
    path = log(web, BOB, people=str(web.cast.people[ALICE]))
    dana = web.visit(DANA)
    again = SESSION | {"form_key": key_on(dana.get("/sessions/new").text), "hours": "2"}
    asked = dana.post("/sessions/new", again | {"others": f"{EVE}\n{BOB}"})
    assert (asked.status_code, "<title>Not saved yet: " in asked.text) == (422, True)
    said = f"one for that day: Group RSC , 1.5 hours, with Alice Moreno, {BOB}."
    assert f"Is this the same session? You have already logged {said}" in text_of(asked)
    assert f'href="{path}"' in asked.text
    assert len(web.cast.rows("group_session")) == 1
    warned = re.search(r'name="warned" value="([^"]+)"', asked.text)
    assert warned is not None
    anyway = again | {"others": BOB, "warned": warned[1]}
    assert dana.post("/sessions/new", anyway).status_code == 303


def test_other_or_withdrawn_sessions_are_not_similar(
    sqlite_web: WebClient,
) -> None:
    path = log(sqlite_web, BOB)
    log(sqlite_web, ALICE)
    sqlite_web.visit(DANA).post(f"{path}/withdraw")
    log(sqlite_web, BOB)
    log(sqlite_web, BOB, day="13")
    assert len(sqlite_web.cast.rows("group_session")) == 4


def test_unknown_addresses_look_like_known_ones(sqlite_web: WebClient) -> None:
    known, unknown = (
        sqlite_web.visit(DANA).get(log(sqlite_web, address)).text.replace(address, "ADDRESS")
        for address in (EVE, "nobody@example.org")
    )
    assert re.sub(r"(sessions/|value=\")\d+", r"\1N", known) == re.sub(
        r"(sessions/|value=\")\d+", r"\1N", unknown
    )
    assert recipients(sqlite_web) == [EVE]


def test_two_addresses_of_one_person_ask_once(sqlite_web: WebClient) -> None:
    path = log(sqlite_web, BOB, ALICE, "alice@home.example")
    assert recipients(sqlite_web) == [ALICE, BOB]
    alice = sqlite_web.visit(ALICE)
    assert alice.get("/my-year").text.count("/sessions/asked/") == 2  # its button and its link
    first = next(row for row in sqlite_web.cast.rows("group_member") if row["email"] == ALICE)
    alice.post(f"/sessions/asked/{first['id']}", {"answer": "another"})
    page = text_of(sqlite_web.visit(DANA).get(path))
    assert page.count("Confirmed on Nov 22, 2026") == 2
    held = sqlite_web.cast.rows("group_member")
    assert [row["entry_id"] is not None for row in held].count(True) == 1


def test_all_mistakes_are_shown_at_once(sqlite_web: WebClient) -> None:
    dana = sqlite_web.visit(DANA)
    typed = "bob, eve@example.org\nDana@example.org <x@y>"
    answer = dana.post("/sessions/new", {"day": "31", "month": "feb", "others": typed})
    assert answer.status_code == 422
    found = problems(answer)
    assert [field for field, _ in found] == ["year", "length", "others", "others", "others"]
    assert typed.replace("<", "&lt;").replace(">", "&gt;") in answer.text
    assert "<title>Error: " in answer.text
    assert "is your own address" in str(found)
    many = "\n".join(f"p{n}@example.org" for n in range(41))
    assert "at most 40 people" in text_of(dana.post("/sessions/new", {**SESSION, "others": many}))
    assert "Choose who took part" in text_of(dana.post("/sessions/new", SESSION))
    stranger = dana.post("/sessions/new", {**SESSION, "people": str(sqlite_web.cast.people[EVE])})
    ((field, words),) = problems(stranger)
    assert (field, "is no longer in your list" in words) == ("people", True)
    future = dana.post("/sessions/new", {**SESSION, "day": "30", "others": BOB})
    assert problems(future) == [("day", "The session date must be today or earlier")]
    assert sqlite_web.cast.rows("group_session") == []


def test_a_provider_is_warned_of_an_unqualified_day(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(text("UPDATE vetting SET starts_on = '2026-11-20'"))
        evaluate_people(session, BOOKS, sqlite_web.cast.people.values(), NOW)
    dana = sqlite_web.visit(DANA)
    key = key_on(dana.get("/sessions/new").text)
    pages = []
    for others in (ALICE, ERIN, "nobody@example.org"):
        answer = dana.post("/sessions/new", {"form_key": key, **SESSION, "others": others})
        assert answer.status_code == 422
        assert "Nothing is saved yet" in text_of(answer)
        assert "vetting by NCIMHA counts only from November 20, 2026" in text_of(answer)
        pages.append(answer.text.replace(others, "OTHERS"))
    # Whoever is named, known here or not, of whichever association: she is told the same.
    assert len(set(pages)) == 1
    form = {"form_key": key, **SESSION, "others": ALICE, "warned": "2026-11-14"}
    assert dana.post("/sessions/new", form).status_code == 303
    day_after = {**form, "form_key": key_on(dana.get("/sessions/new").text), "day": "21"}
    assert dana.post("/sessions/new", day_after).status_code == 303


def test_a_disputed_session_is_corrected_and_asked_again(web: WebClient) -> None:
    path = log(web, BOB, ALICE)
    number = {row["email"]: row["id"] for row in web.cast.rows("group_member")}
    bob = web.visit(BOB)
    bob.post(f"/sessions/asked/{number[BOB]}", {"answer": "dispute", "note": "It was <1> hour"})
    web.visit(ALICE).post(f"/sessions/asked/{number[ALICE]}", {"answer": "another"})
    web.pass_time(hours=1)
    dana = web.visit(DANA)
    assert "Problem reported on Nov 22, 2026" in text_of(dana.get(path))
    assert "It was &lt;1&gt; hour" in dana.get(path).text
    edit = path.partition("?")[0] + "/edit"
    answer = dana.post(edit, {**SESSION, "hours": "1", "others": EVE})
    assert "Saved. Everyone who has not confirmed the session is asked again." in text_of(
        dana.follow(answer)
    )
    assert members(web) == [(ALICE, "confirmed"), (BOB, "asked"), (EVE, "asked")]
    # Bob had a mail that day: how it stands then is said by the next day's.
    assert recipients(web) == sorted([BOB, ALICE, EVE])
    bob.post(f"/sessions/asked/{number[BOB]}", {"answer": "confirm"})
    entries = web.cast.rows("entry", title="Group RSC", held_on=HELD_ON)
    hours = {row["person_id"]: row["minutes"] for row in entries}
    assert hours == {web.cast.people[BOB]: 60, web.cast.people[ALICE]: 90}


def test_withdrawing_a_session_keeps_confirmed_entries(
    web: WebClient,
) -> None:
    path = log(web, BOB, EVE, ALICE).partition("?")[0]
    number = {row["email"]: row["id"] for row in web.cast.rows("group_member")}
    bob, eve, dana = web.visit(BOB), web.visit(EVE), web.visit(DANA)
    bob.post(f"/sessions/asked/{number[BOB]}", {"answer": "confirm"})
    assert dana.post(f"{path}/take-out", {"member": str(number[BOB])}).status_code == 404
    assert dana.post(f"{path}/take-out", {"member": str(number[ALICE])}).status_code == 303
    assert web.visit(ALICE).get(f"/sessions/asked/{number[ALICE]}").status_code == 404
    assert dana.post(f"{path}/withdraw").status_code == 303
    assert dana.post(f"{path}/withdraw").status_code == 303
    assert "has withdrawn this session" in text_of(eve.get(f"/sessions/asked/{number[EVE]}"))
    eve.post(f"/sessions/asked/{number[EVE]}", {"answer": "confirm"})
    assert "/sessions/asked" not in eve.get("/my-year").text
    assert dana.get(f"{path}/edit").status_code == 404
    entries = web.cast.rows("entry", title="Group RSC", held_on=HELD_ON)
    assert [row["person_id"] for row in entries] == [web.cast.people[BOB]]


def test_only_rsc_providers_find_the_pages(sqlite_web: WebClient) -> None:
    alice, dana = sqlite_web.visit(ALICE), sqlite_web.visit(DANA)
    assert alice.get("/sessions").content == alice.get("/nowhere").content
    assert 'href="/sessions"' not in alice.get("/my-year").text
    assert "You have not logged a session for others yet" in text_of(dana.get("/sessions"))
    assert 'href="/sessions"' in dana.get("/my-year").text
    assert "Alice Moreno" in dana.get("/sessions/new").text
    assert "Bob Osei" not in dana.get("/sessions/new").text


def test_a_provider_sees_no_ones_standing(sqlite_web: WebClient) -> None:
    path = log(sqlite_web, ALICE)
    number = sqlite_web.cast.rows("group_member")[0]["id"]
    sqlite_web.visit(ALICE).post(f"/sessions/asked/{number}", {"answer": "another"})
    dana = sqlite_web.visit(DANA)
    pages = dana.get(path).text + dana.get("/sessions").text
    found = [w for w in ("Alice", "NCIMHA", "12 hours", "Counts toward", "RSC:") if w in pages]
    assert found == []


def test_a_provider_names_a_person_ten_times_a_day(web: WebClient) -> None:
    for number in range(10):
        log(web, ALICE, day=str(number + 1))
    dana = web.visit(DANA)
    key = key_on(dana.get("/sessions/new").text)
    answer = dana.post("/sessions/new", {**SESSION, "form_key": key, "others": ALICE})
    words = f"You have logged 10 sessions with {ALICE} in one day. Please continue tomorrow."
    assert words in text_of(answer)
    log(web, BOB)
    web.pass_time(days=1, minutes=1)
    log(web, ALICE)


def test_a_link_in_a_title_stays_out_of_mails(sqlite_web: WebClient) -> None:
    log(sqlite_web, ALICE, title="Win at www.example.org")
    log(sqlite_web, BOB, title="Individual/group RSC")
    alices, bobs = sqlite_web.mails("session")
    assert "example.org" not in alices.partition("http")[0]
    assert "with Dana Ruiz: RSC" in alices
    assert "Individual/group RSC" in bobs


def test_members_are_told_after_the_answer(sqlite_web: WebClient) -> None:
    background = sqlite_web.app.state.site.background
    waiting = Event()
    background.run(waiting.wait)
    dana = sqlite_web.visit(DANA)
    key = key_on(dana.get("/sessions/new").text)
    answer = dana.post("/sessions/new", {**SESSION, "form_key": key, "others": ALICE})
    assert (answer.status_code, sqlite_web.mails("session")) == (303, [])
    waiting.set()
    sqlite_web.settle()
    assert len(sqlite_web.mails("session")) == 1
