"""A session that a provider logged counts once the supervisee confirms it, and never twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlalchemy import insert, text

from tests.support.cast import ALICE, BOB, DANA, EVE
from tests.support.held import TITLE, hold_session, name_supervisee
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA


def ask(web: WebClient, *emails: str) -> str:
    """Dana has logged a session; the page that asks the first of them."""
    with writing(web.cast.engine) as session:
        session_id = hold_session(session, web.cast, DANA)
        numbers = [name_supervisee(session, web.cast, session_id, e) for e in emails]
    return f"/sessions/asked/{numbers[0]}"


def added(web: WebClient) -> list[tuple[int, int]]:
    return [(row["person_id"], row["minutes"]) for row in web.cast.rows("entry", title=TITLE)]


def change(web: WebClient, statement: str) -> None:
    with writing(web.cast.engine) as session:
        session.connection().execute(text(statement))


def test_one_tap_on_my_year_confirms_a_session(web: WebClient) -> None:
    path = ask(web, BOB, ALICE)
    bob = web.visit(BOB)
    year = bob.get("/my-year")
    assert "Dana Ruiz says that you took part on November 18, 2026" in text_of(year)
    assert bob.get(path).status_code == 200
    assert bob.client.head(path).status_code in {200, 405}
    assert added(web) == []
    answer = bob.post(path, {"answer": "confirm"})
    page = text_of(bob.follow(answer))
    assert "1.5 hours on November 18, 2026" in page
    assert "with Dana Ruiz · group" in page
    assert "Counts toward RSC: vetted by NCIMHA on that day" in page
    (entry,) = web.cast.rows("entry", title=TITLE)
    assert (entry["person_id"], entry["minutes"]) == (web.cast.people[BOB], 90)
    assert bob.post(path, {"answer": "confirm"}).headers["location"] == answer.headers["location"]
    assert len(added(web)) == 1
    assert "waiting for your answer" not in text_of(bob.get("/my-year"))
    assert {r["table_name"] for r in web.cast.rows("audit_event")} == {"entry", "group_member"}


def test_the_page_previews_what_it_counts_for(sqlite_web: WebClient) -> None:
    path = ask(sqlite_web, BOB, ALICE)
    page = sqlite_web.visit(BOB).get(path).text
    assert "Counts toward RSC: vetted by NCIMHA on that day" in page
    assert ALICE not in page
    assert "Alice" not in page
    assert sqlite_web.visit(ALICE).get(path).status_code == 404
    eve = ask_again = sqlite_web.visit(EVE)
    assert "answer" not in ask_again.get("/my-year").text
    assert eve.get(path).content == eve.get("/sessions/asked/999").content


def test_two_confirmations_at_once_make_one_entry(web: WebClient) -> None:
    path = ask(web, BOB)
    visitors = [web.visit(BOB) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda v: v.post(path, {"answer": "confirm"}), visitors))
    assert {a.status_code for a in answers} == {303}
    assert len({a.headers["location"] for a in answers}) == 1
    assert added(web) == [(web.cast.people[BOB], 90)]


def test_a_dispute_has_a_note_and_can_change(sqlite_web: WebClient) -> None:
    path = ask(sqlite_web, BOB)
    bob = sqlite_web.visit(BOB)
    bob.post(path, {"answer": "dispute", "note": " It was\nthe 17th "})
    (row,) = sqlite_web.cast.rows("group_member")
    assert (row["state"], row["note"], row["entry_id"]) == ("disputed", "It was the 17th", None)
    assert "You reported a problem on November 22, 2026" in text_of(bob.get(path))
    bob.post(path, {"answer": "confirm"})
    assert len(added(sqlite_web)) == 1
    assert "Reporting a problem deletes the entry that you added" in text_of(bob.get(path))
    bob.post(path, {"answer": "dispute", "state": "confirmed"})
    assert added(sqlite_web) == []
    (row,) = sqlite_web.cast.rows("group_member")
    assert (row["state"], row["note"]) == ("disputed", None)
    long = bob.post(path, {"answer": "dispute", "note": "x" * 501})
    assert (long.status_code, "x" * 501 in long.text) == (422, True)
    assert bob.post(path).headers["location"] == path


def test_deleting_the_entry_asks_again(sqlite_web: WebClient) -> None:
    path = ask(sqlite_web, BOB)
    bob = sqlite_web.visit(BOB)
    bob.post(path, {"answer": "confirm"})
    entry_id = sqlite_web.cast.rows("entry", title=TITLE)[0]["id"]
    change(sqlite_web, "UPDATE entry SET minutes = 60 WHERE title = 'Monthly group'")
    dana = text_of(sqlite_web.visit(DANA).get("/sessions"))
    assert "1.5 hours bob@example.org Confirmed on Nov 22, 2026" in dana
    bob.post(f"/entries/{entry_id}/delete")
    (row,) = sqlite_web.cast.rows("group_member")
    assert (row["state"], row["answered_at"], row["entry_id"]) == ("asked", None, None)
    assert "waiting for your answer" in text_of(bob.get("/my-year"))


def test_a_self_logged_session_is_not_doubled(sqlite_web: WebClient) -> None:
    path = ask(sqlite_web, BOB)
    cast = sqlite_web.cast
    own = {"person_id": cast.people[BOB], "activity": "rsc", "held_on": date(2026, 11, 18)}
    with writing(cast.engine) as session:
        more = {"minutes": 60, "title": "Mine", "provider_id": cast.people[DANA]}
        session.connection().execute(insert(METADATA.tables["entry"]).values(**own, **more))
    bob = sqlite_web.visit(BOB)
    answer = bob.post(path, {"answer": "confirm"})
    assert "You have already logged a session with Dana Ruiz on that day" in text_of(
        bob.follow(answer)
    )
    (mine,) = cast.rows("entry", title="Mine")
    foreign = str(cast.entries["rsc"])
    bob.post(path, {"own": foreign})
    assert cast.rows("group_member")[0]["state"] == "asked"
    saved = bob.post(path, {"own": str(mine["id"])})
    assert saved.headers["location"] == f"/log/saved/{mine['id']}"
    assert added(sqlite_web) == []
    bob.post(path, {"answer": "dispute", "state": "confirmed"})
    assert cast.rows("entry", title="Mine") == [mine]
    bob.post(path, {"answer": "another"})
    assert len(added(sqlite_web)) == 1


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE group_session SET held_on = '2026-12-05'", "The session date must be today"),
        ("UPDATE group_session SET held_on = '2025-03-05'", "2025 is closed at NCIMHA"),
        ("UPDATE group_session SET minutes = 1440", "A day has only 24 hours."),
    ],
)
def test_a_session_that_cannot_be_logged_says_why(
    sqlite_web: WebClient, statement: str, words: str
) -> None:
    path = ask(sqlite_web, BOB)
    bob = sqlite_web.visit(BOB)
    bob.log({"activity": "training", "day": "18", "month": "11", "year": "2026",
             "hours": "2", "title": "Book club"})  # fmt: skip
    change(sqlite_web, statement)
    answer = bob.post(path, {"answer": "confirm"})
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert added(sqlite_web) == []
    assert sqlite_web.cast.rows("group_member")[0]["state"] == "asked"


def test_a_later_account_finds_earlier_requests(sqlite_web: WebClient) -> None:
    path = ask(sqlite_web, "zoe@example.org")
    zoe = sqlite_web.cast.people[EVE]
    change(sqlite_web, "UPDATE person SET email = 'zoe@example.org' WHERE name = 'Eve Chen'")
    visitor = sqlite_web.visit("zoe@example.org")
    assert "waiting for your answer" in text_of(visitor.get("/my-year"))
    visitor.post(path, {"answer": "confirm"})
    assert added(sqlite_web) == [(zoe, 90)]


def test_a_session_in_a_closed_cycle_is_not_offered(
    sqlite_web: WebClient,
) -> None:
    path = ask(sqlite_web, BOB)
    change(sqlite_web, "UPDATE group_session SET held_on = '2025-03-05'")
    bob = sqlite_web.visit(BOB)
    page = bob.get(path)
    assert "2025 is closed at NCIMHA" in text_of(page)
    assert "Counts toward" not in text_of(page)
    assert 'value="confirm"' not in page.text
    note = page.text.partition('name="note" value="')[2].partition('"')[0]
    bob.post(path, {"answer": "dispute", "note": note})
    assert "waiting for your answer" not in text_of(bob.get("/my-year"))
    [member] = sqlite_web.cast.rows("group_member")
    assert member["note"].startswith("The session took place, but")


def test_a_stale_report_keeps_the_confirmed_entry(web: WebClient) -> None:
    path = ask(web, BOB)
    bob = web.visit(BOB)
    stale = bob.get(path)
    assert 'name="state" value="asked"' in stale.text
    bob.post(path, {"answer": "confirm"})
    before = added(web)
    answer = bob.post(path, {"answer": "dispute", "state": "asked", "note": "Wrong day"})
    assert added(web) == before
    assert "You confirmed this session after you opened that page" in text_of(answer)
    assert "Wrong day" in answer.text
