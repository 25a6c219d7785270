"""A course of several days: each day is an entry of its own, all of them saved or none."""

import html
from datetime import date, timedelta

import pytest

from tests.support.cast import ALICE, DANA
from tests.support.files import PDF
from tests.web.client import WebClient, problems, text_of
from tests.web.hours.test_editing import form_of
from tests.web.hours.test_evidence import on_disk, send
from tests.web.html import HtmlPage

COURSE = {
    "activity": "training",
    "when": "several",
    "title": "Winter school",
    "reference": "N 7",
    "day1-month": "nov", "day1-day": "4", "day1-year": "2026", "day1-hours": "6",
    "day2-day": "5", "day2-hours": "5:30", "day2-topic-DEIA": "1",
    "day3-day": "6", "day3-hours": "3",
}  # fmt: skip


def days(web: WebClient) -> list[tuple[date, int]]:
    rows = web.cast.rows("entry", title="Winter school")
    return [(row["held_on"], row["minutes"]) for row in rows]


def seen_in(page: str) -> str:
    return HtmlPage(page).all("input", name_="seen")[0].get("value")


def test_each_day_becomes_an_entry_of_its_own(web: WebClient) -> None:
    alice = web.visit(ALICE)
    saved = alice.log(COURSE)
    assert saved.status_code == 303
    november = [date(2026, 11, day) for day in (4, 5, 6)]
    assert days(web) == list(zip(november, (360, 330, 180), strict=True))
    rows = web.cast.rows("entry", title="Winter school")
    assert {row["reference"] for row in rows} == {"N 7"}
    topics = web.cast.rows("entry_topic", entry_id=rows[1]["id"])
    assert [(row["topic"], row["minutes"]) for row in topics] == [("DEIA", 60)]
    page = text_of(alice.follow(saved))
    assert "3 days are logged" in page
    assert "November 5, 2026 , 5.5 hours Counts toward training and DEIA" in page
    assert text_of(alice.follow(saved)) == page
    assert len(web.cast.rows("audit_event", table_name="entry")) == 3


def test_a_course_sent_twice_is_saved_once(web: WebClient) -> None:
    alice = web.visit(ALICE)
    form = COURSE | {"form_key": "a" * 32}
    first, second = alice.post("/log", form), alice.post("/log", form)
    assert first.headers["location"] == second.headers["location"]
    assert len(days(web)) == 3
    longer = alice.post("/log", form | {"day4-day": "7", "day4-hours": "1"})
    assert "This form was already saved, as 6 hours on November 4" in text_of(longer)
    shorter = alice.post("/log", form | {"day3-day": "", "day3-hours": ""})
    assert "This form was already saved" in text_of(shorter)
    assert len(days(web)) == 3


def test_one_wrong_day_saves_none_and_is_named(web: WebClient) -> None:
    alice = web.visit(ALICE)
    answer = alice.log(COURSE | {"day2-hours": "25", "day3-day": "31"})
    assert [(field, html.unescape(words)) for field, words in problems(answer)] == [
        ("day2-hours", "Day 2: The hours must be at most 24. For minutes, write 25 min"),
        ("day3-day", "Day 3: November 2026 has days 1 to 30"),
    ]
    full = alice.log(
        COURSE | {"day2-month": "5", "day2-day": "2", "day2-hours": "8", "day3-month": "11"}
    )
    ((field, words),) = problems(full)
    assert field == "day2-hours"
    assert words.startswith("Day 2: You have already logged 16.5 hours on May 2, 2026")
    assert days(web) == []
    assert 'value="5:30"' in answer.text or 'value="25"' in answer.text
    assert 'value="Winter school"' in answer.text


def test_a_day_in_a_closed_cycle_or_to_come_is_named(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(ALICE).log(COURSE | {"day1-year": "2024", "day2-year": "2026"})
    assert [field for field, _ in problems(answer)] == ["day1-day"]
    assert "Day 1: 2024 is closed" in text_of(answer)
    later = sqlite_web.visit(ALICE).log(COURSE | {"day3-day": "30"})
    assert problems(later) == [
        ("day3-day", "Day 3: The session date must be today (November 22, 2026) or earlier")
    ]


def test_days_of_two_cycles_count_each_in_its_own(sqlite_web: WebClient) -> None:
    sqlite_web.now += timedelta(days=50)  # January 11, 2027, in the grace period
    form = COURSE | {"day1-month": "12", "day1-day": "31", "day2-month": "1", "day2-day": "2"}
    form |= {"day2-year": "2027", "day3-day": "3"}
    before = {row["cycle_starts_on"]: row for row in sqlite_web.cast.rows(
        "standing", endorsement_id=sqlite_web.cast.endorsements[ALICE])}  # fmt: skip
    assert sqlite_web.visit(ALICE).log(form).status_code == 303
    after = {row["cycle_starts_on"]: row for row in sqlite_web.cast.rows(
        "standing", endorsement_id=sqlite_web.cast.endorsements[ALICE])}  # fmt: skip
    assert [day.year for day, _ in days(sqlite_web)] == [2026, 2027, 2027]
    assert before != after
    assert date(2027, 1, 1) in after


def test_a_day_that_is_there_twice_is_asked_about(web: WebClient) -> None:
    alice = web.visit(ALICE)
    form = COURSE | {"day3-day": "5"}
    asked = alice.log(form)
    assert "<title>Not saved yet: " in asked.text
    assert "November 5, 2026 is there twice." in text_of(asked)
    assert days(web) == []
    anyway = form | {"seen": seen_in(asked.text), "form_key": form_of(asked)["form_key"]}
    assert alice.post("/log", anyway).status_code == 303
    assert len(days(web)) == 3


def test_a_stored_session_of_a_day_is_asked_about(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    alice.log(COURSE | {"day3-day": "", "day3-hours": ""})
    asked = alice.log(COURSE)
    said = text_of(asked)
    assert "You have already logged for November 4, 2026: Winter school , 6 hours" in said
    assert "November 6" not in said
    assert len(days(sqlite_web)) == 2


def test_two_rows_of_one_day_share_its_24_hours(sqlite_web: WebClient) -> None:
    form = COURSE | {"day1-hours": "11", "day2-hours": "11", "day3-day": "5", "day3-hours": "14"}
    answer = sqlite_web.visit(ALICE).log(form)
    assert [field for field, _ in problems(answer)] == ["day3-hours"]


def test_blank_rows_are_left_out(sqlite_web: WebClient) -> None:
    form = COURSE | {"day2-day": "", "day2-hours": "", "day2-topic-DEIA": ""}
    answer = sqlite_web.visit(ALICE).log(form | {"day3-hours": "x"})
    assert [field for field, _ in problems(answer)] == ["day2-hours"]  # it moved up
    assert sqlite_web.visit(ALICE).log(form).status_code == 303
    assert [day.day for day, _ in days(sqlite_web)] == [4, 6]


def test_a_course_has_two_days_at_least(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(ALICE).log({"activity": "training", "when": "several", "title": "T"})
    assert problems(answer) == [
        ("day1-day", "Enter at least two days of the course, or choose one day above")
    ]


def test_only_a_training_lasts_several_days(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(ALICE).log(COURSE | {"activity": "rsc"})
    ((field, words),) = problems(answer)
    assert (field, words.startswith("Only a training can be logged")) == ("activity", True)
    assert days(sqlite_web) == []


def test_more_rows_keep_what_is_typed(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).log(COURSE | {"add_days": "yes"})
    assert page.status_code == 200
    sheet = HtmlPage(page.text)
    assert [one.get("value") for one in sheet.all("input", name_="day3-hours")] == ["3"]
    assert sheet.all("input", name_="day5-hours")
    assert "autofocus" in sheet.all("input", name_="day4-month")[0].attributes
    assert days(sqlite_web) == []


def test_days_of_a_course_are_not_dropped_for_one_day(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    answer = alice.log(COURSE | {"when": "today", "length": "1.5"})
    ((field, words),) = problems(answer)
    assert (field, "You entered the days of a course" in words) == ("when", True)
    assert days(sqlite_web) == []
    kept = form_of(answer) | {"length": "1.5"}
    assert alice.post("/log", kept).status_code == 303
    assert days(sqlite_web) == [(date(2026, 11, 22), 90)]


@pytest.mark.parametrize("typed", [{"day": "3"}, {"hours": "7"}])
def test_a_typed_day_is_not_dropped_for_a_course(
    sqlite_web: WebClient, typed: dict[str, str]
) -> None:
    answer = sqlite_web.visit(ALICE).log(COURSE | typed)
    assert [field for field, _ in problems(answer)] == ["when"]
    assert days(sqlite_web) == []


def test_all_hours_of_a_course_can_be_about_a_topic(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    answer = alice.log(COURSE | {"topic-DEIA": "3"})
    assert [field for field, _ in problems(answer)] == ["topic-DEIA"]
    form = COURSE | {"topic-DEIA": "all"}
    del form["day2-topic-DEIA"]
    assert alice.log(form).status_code == 303
    ids = {row["id"] for row in sqlite_web.cast.rows("entry", title="Winter school")}
    topics = [row for row in sqlite_web.cast.rows("entry_topic") if row["entry_id"] in ids]
    assert [row["minutes"] for row in topics] == [360, 330, 180]


def test_every_day_has_the_files(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    saved = send(alice, "/log", COURSE | {"form_key": "b" * 32}, ("a.pdf", PDF))
    assert saved.status_code == 303
    ids = [row["id"] for row in sqlite_web.cast.rows("entry", title="Winter school")]
    files = sqlite_web.cast.rows("evidence")
    assert [row["entry_id"] for row in files] == ids
    assert len(on_disk(sqlite_web)) == 3
    # Again, and one day deleted: the others keep theirs.
    send(alice, "/log", COURSE | {"form_key": "b" * 32}, ("a.pdf", PDF))
    assert len(sqlite_web.cast.rows("evidence")) == 3
    alice.post(f"/entries/{ids[0]}/delete")
    page = alice.get(f"/evidence/{files[1]['id']}")
    assert page.content == PDF
    alice.post("/entries/undo-deletion")
    assert len(days(sqlite_web)) == 3
    said = text_of(alice.get("/profile/files"))
    assert said.count("Edit the entry to remove the file : a.pdf, Winter school") == 3


def test_one_deleted_day_comes_back_alone(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    alice.log(COURSE)
    ids = [row["id"] for row in sqlite_web.cast.rows("entry", title="Winter school")]
    alice.post(f"/entries/{ids[1]}/delete")
    assert [day.day for day, _ in days(sqlite_web)] == [4, 6]
    alice.post("/entries/undo-deletion")
    assert sorted(day.day for day, _ in days(sqlite_web)) == [4, 5, 6]


def test_too_many_hours_on_one_day_point_to_several_days(sqlite_web: WebClient) -> None:
    form = {"activity": "training", "when": "today", "length": "other", "hours": "26", "title": "T"}
    ((field, words),) = problems(sqlite_web.visit(ALICE).log(form))
    assert field == "hours"
    assert words.endswith("For a course over several days, log each day")


def test_somebody_elses_days_are_not_shown(sqlite_web: WebClient) -> None:
    alice, dana = sqlite_web.visit(ALICE), sqlite_web.visit(DANA)
    location = alice.log(COURSE).headers["location"]
    assert dana.get(location).status_code == 404
    own = location.partition("?")[0]
    foreign = sqlite_web.cast.entries["erin"]
    assert alice.get(f"{own}?days={foreign}").status_code == 404
    assert alice.get(f"{own}?days=x,").status_code == 404
