"""The day and the length of a session are chosen from a few common ones, or typed."""

from datetime import UTC, date, datetime

import pytest

from tests.support.cast import ALICE, DANA
from tests.web.client import RSC, TRAINING, WebClient, problems
from tests.web.hours.test_editing import edit, form_of
from tests.web.html import HtmlPage

NO_DAY = {"day": "", "month": "", "year": ""}
CHOSEN = TRAINING | NO_DAY | {"when": "today", "hours": "", "length": "1.5"}


def logged(web: WebClient) -> list[tuple[date, int]]:
    rows = web.cast.rows("entry", title="Book club")
    return [(row["held_on"], row["minutes"]) for row in rows]


def checked(page: str, name: str) -> list[str]:
    inputs = HtmlPage(page).all("input", name_=name)
    return [one.get("value") for one in inputs if "checked" in one.attributes]


@pytest.mark.parametrize(("when", "day"), [("today", 22), ("yesterday", 21)])
def test_a_chosen_day_and_length_are_saved_at_once(web: WebClient, when: str, day: int) -> None:
    assert web.visit(ALICE).log(CHOSEN | {"when": when}).status_code == 303
    assert logged(web) == [(date(2026, 11, day), 90)]


def test_today_is_the_persons_own_day(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)  # still Sunday in North Carolina
    assert sqlite_web.visit(ALICE).log(CHOSEN).status_code == 303
    assert logged(sqlite_web) == [(date(2026, 11, 22), 90)]


def test_nothing_is_chosen_in_an_empty_form(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/log").text
    assert checked(page, "when") == checked(page, "length") == []
    answer = sqlite_web.visit(ALICE).log(CHOSEN | {"when": "", "length": ""})
    assert [field for field, _ in problems(answer)] == ["when", "length"]


def test_a_typed_date_is_not_dropped_for_a_chosen_one(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    answer = alice.log(CHOSEN | {"day": "14", "month": "nov", "year": "2026"})
    assert problems(answer) == [
        (
            "when",
            (
                "You chose Today (November 22, 2026) and also typed a date. For the typed date, "
                "choose “Another day.” To keep what you chose, save again."
            ),
        )
    ]
    assert logged(sqlite_web) == []
    form = form_of(answer) | {"length": "1.5"}
    assert (form["day"], form["when"]) == ("14", "today")
    assert "another-day" not in answer.text  # what was typed is in sight
    assert alice.post("/log", form).status_code == 303
    assert logged(sqlite_web) == [(date(2026, 11, 22), 90)]


def test_typed_hours_are_not_dropped_for_chosen_ones(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    answer = alice.log(CHOSEN | {"hours": "3"})
    ((field, words),) = problems(answer)
    assert (field, words.startswith("You chose 1.5 hours and also typed hours")) == ("length", True)
    assert alice.post("/log", form_of(answer) | {"length": "other"}).status_code == 303
    assert logged(sqlite_web) == [(date(2026, 11, 22), 180)]


def test_after_midnight_today_is_asked_about(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    form = form_of(alice.get("/log")) | CHOSEN
    sqlite_web.pass_time(days=1)
    answer = alice.post("/log", form)
    ((field, words),) = problems(answer)
    assert field == "when"
    assert words.endswith("Choose the day again. Today is November 23, 2026.")
    assert checked(answer.text, "when") == []
    again = form_of(answer) | {"length": "1.5", "when": "yesterday"}
    assert alice.post("/log", again).status_code == 303
    assert logged(sqlite_web) == [(date(2026, 11, 22), 90)]


def test_an_edited_entry_moves_to_a_chosen_day(sqlite_web: WebClient) -> None:
    alice, entry = sqlite_web.visit(ALICE), sqlite_web.cast.entries["rsc"]
    page = alice.get(f"/entries/{entry}/edit").text
    assert (checked(page, "when"), checked(page, "length")) == (["other"], ["other"])
    moved = edit(alice, entry, when="yesterday", length="2")
    assert moved.status_code == 303
    (row,) = sqlite_web.cast.rows("entry", id=entry)
    assert (row["held_on"], row["minutes"]) == (date(2026, 11, 21), 120)


def test_a_refused_choice_is_said_beside_it(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    for title in ("Morning", "Evening"):
        alice.log(CHOSEN | {"length": "other", "hours": "11.5", "title": title})
    answer = alice.log(CHOSEN | {"title": "B", "topic-DEIA": ""})
    assert [field for field, _ in problems(answer)] == ["length"]
    assert checked(answer.text, "length") == ["1.5"]


def test_details_open_only_with_something_in_them(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)

    def is_open(page: str) -> bool:
        (details,) = HtmlPage(page).all("details", class_="more")
        return "open" in details.attributes

    assert not is_open(alice.get("/log").text)
    assert is_open(alice.log(CHOSEN | {"reference": "N 7", "title": ""}).text)
    assert is_open(alice.log(CHOSEN | {"reference": "x" * 201}).text)
    group = alice.log(RSC | {"hours": "x", "format": "group"})
    assert is_open(group.text)


def test_the_common_hours_are_a_setting(sqlite_web: WebClient) -> None:
    settings = sqlite_web.cast.settings
    web = settings.web.model_copy(update={"common_hours": (0.75, 3.0)})
    alice = WebClient(sqlite_web.cast, settings=settings.model_copy(update={"web": web})).visit(
        ALICE
    )
    offered = HtmlPage(alice.get("/log").text).all("input", name_="length")
    assert [one.get("value") for one in offered] == ["0.75", "3", "other"]


def test_a_provider_chooses_the_day_and_length_too(sqlite_web: WebClient) -> None:
    dana = sqlite_web.visit(DANA)
    people = str(sqlite_web.cast.people[ALICE])
    form = form_of(dana.get("/sessions/new")) | {"when": "yesterday", "length": "2"}
    assert dana.post("/sessions/new", form | {"people": people}).status_code == 303
    (row,) = sqlite_web.cast.rows("group_session")
    assert (row["held_on"], row["minutes"]) == (date(2026, 11, 21), 120)


def test_a_providers_doubtful_day_and_hours_are_asked_about(sqlite_web: WebClient) -> None:
    dana = sqlite_web.visit(DANA)
    form = form_of(dana.get("/sessions/new")) | {"when": "today", "length": "2"}
    typed = {"day": "1", "hours": "3", "people": str(sqlite_web.cast.people[ALICE])}
    answer = dana.post("/sessions/new", form | typed)
    assert [field for field, _ in problems(answer)] == ["when", "length"]
    assert (
        dana.post(
            "/sessions/new",
            form_of(answer) | {"length": "2"} | {"people": typed["people"], "others": ""},
        ).status_code
        == 303
    )
