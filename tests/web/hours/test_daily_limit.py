"""So many sessions a day and no more; what a year of very many still does."""

from datetime import date

from sqlalchemy import insert

from tests.support.cast import ALICE
from tests.web.api.calling import Program, make
from tests.web.client import TRAINING, WebClient, problems, text_of
from tests.web.sessions.test_group_confirmations import ask
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.entry_rules import DAILY_LIMIT


def store(web: WebClient, number: int, *, by_hand: bool, key: str = "k") -> None:
    """Sessions of a minute each; by hand they have a key and an instant."""
    cast = web.cast
    entry = METADATA.tables["entry"]
    rows = [
        {"person_id": cast.people[ALICE], "activity": "training", "held_on": date(2026, 11, 1),
         "minutes": 1, "title": f"Minute {n}", "form_key": f"{key}{n}" if by_hand else None,
         "logged_at": web.now if by_hand else None}
        for n in range(number)
    ]  # fmt: skip
    with writing(cast.engine) as session:
        session.connection().execute(insert(entry), rows)


def test_the_sixty_first_session_of_a_day_waits_for_the_next(web: WebClient) -> None:
    store(web, DAILY_LIMIT - 1, by_hand=True)
    alice, program = web.visit(ALICE), Program(web, make(web))
    assert alice.log(TRAINING).status_code == 303
    web.pass_time(hours=12)
    refused = alice.log(TRAINING | {"title": "One more"})
    words = "You have reached the limit of 60 sessions in one day. Please continue tomorrow."
    assert problems(refused) == [("hours", words)]
    assert 'value="One more"' in refused.text
    assert program.log("one").status_code == 429
    # What a provider says that one took part in is among them, and waits as well.
    asked = ask(web, ALICE)
    held_back = alice.post(asked, {"answer": "confirm"})
    assert (held_back.status_code, words in text_of(held_back)) == (422, True)
    assert web.cast.rows("entry", title="One more") == []
    web.pass_time(hours=12, seconds=1)
    assert alice.log(TRAINING | {"title": "One more"}).status_code == 303
    assert program.log("one").status_code == 201
    assert alice.post(asked, {"answer": "confirm"}).status_code == 303


def test_what_was_imported_is_not_counted_and_too_long_a_year_has_no_pdf(
    sqlite_web: WebClient,
) -> None:
    store(sqlite_web, 1_000, by_hand=False)
    alice = sqlite_web.visit(ALICE)
    assert alice.log(TRAINING).status_code == 303
    page = f"/transcript/{sqlite_web.cast.endorsements[ALICE]}/2026-01-01"
    assert alice.get(f"{page}.pdf").headers["location"] == page
    said = text_of(alice.get(page))
    assert "A PDF can have at most 1000 sessions" in said
    assert "Download as PDF" not in said
    assert alice.get(f"{page}.csv").text.count("Minute") == 1_000
    assert alice.get("/my-year").status_code == 200


def test_deleted_sessions_count_towards_the_limit(web: WebClient) -> None:
    store(web, DAILY_LIMIT - 2, by_hand=True)
    alice = web.visit(ALICE)
    for title in ("One", "Two"):
        saved = alice.log(TRAINING | {"title": title})
        assert saved.status_code == 303
        alice.post(f"/entries/{saved.headers['location'].rpartition('/')[2]}/delete")
    refused = alice.log(TRAINING | {"title": "Three"})
    assert refused.status_code == 422
    assert "limit of 60 sessions in one day" in text_of(refused)
    course = {"when": "several", "title": "Course", "activity": "training"}
    for number in (1, 2):
        day = {"day": str(number), "month": "11", "year": "2026", "hours": "1"}
        course |= {f"day{number}-{name}": text for name, text in day.items()}
    assert "limit of 60 sessions in one day" in text_of(alice.log(course))
    # What is brought back counts once, and all of it only for a day.
    alice.post("/entries/undo-deletion")
    web.pass_time(hours=24, seconds=1)
    assert alice.log(TRAINING | {"title": "Three"}).status_code == 303


def test_deleted_sessions_of_other_days_do_not_count(sqlite_web: WebClient) -> None:
    store(sqlite_web, DAILY_LIMIT, by_hand=True)
    sqlite_web.pass_time(hours=25)
    alice = sqlite_web.visit(ALICE)
    for row in sqlite_web.cast.rows("entry", title="Minute 1"):
        assert alice.post(f"/entries/{row['id']}/delete").status_code == 303
    store(sqlite_web, DAILY_LIMIT - 1, by_hand=True, key="later")
    assert alice.log(TRAINING).status_code == 303
