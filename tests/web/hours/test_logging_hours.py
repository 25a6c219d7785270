"""The form for a session: what it accepts, what it says, and that it saves once."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest

from tests.support.cast import ALICE, BOB, DANA, ERIN
from tests.web.client import RSC, TRAINING, WebClient, problems, text_of
from tests.web.crawl import read_page
from tracker.services.evaluation import parse_results


def with_dana(web: WebClient) -> dict[str, str]:
    return RSC | {"provider": str(web.cast.people[DANA])}


def test_a_saved_session_shows_what_it_did_to_the_standing(web: WebClient) -> None:
    alice = web.visit(ALICE)
    saved = alice.log(with_dana(web))
    assert saved.status_code == 303
    page = alice.follow(saved)
    assert "1.5 hours on November 21, 2026" in text_of(page)
    assert "RSC 10 of 12 hours" in text_of(page)
    assert "Counts toward RSC: vetted by NCIMHA on that day" in text_of(page)
    assert alice.follow(saved).text == page.text  # survives a reload


def test_training_may_be_about_a_topic_in_part(web: WebClient) -> None:
    alice = web.visit(ALICE)
    page = text_of(alice.follow(alice.log(TRAINING)))
    assert "Counts toward training and DEIA" in page
    assert "DEIA done" in page


def test_the_standing_stored_follows_at_once(web: WebClient) -> None:
    web.visit(ALICE).log(TRAINING | {"topic-DEIA": "1"})
    web.visit(ALICE).log(with_dana(web) | {"hours": "3.5"})
    row = web.cast.rows("standing", endorsement_id=web.cast.endorsements[ALICE])[-1]
    assert row["status"] == "met"


def test_an_unknown_provider_is_kept_by_name_and_does_not_count_yet(web: WebClient) -> None:
    alice = web.visit(ALICE)
    page = alice.follow(alice.log(RSC | {"provider": "other", "provider_name": "Kim Osei"}))
    assert "Does not count: Kim Osei is not yet confirmed as qualified" in text_of(page)


def test_the_same_form_twice_saves_once(web: WebClient) -> None:
    alice = web.visit(ALICE)
    form = with_dana(web) | {"form_key": "a" * 32}
    first, second = alice.post("/log", form), alice.post("/log", form)
    assert first.headers["location"] == second.headers["location"]
    assert len(web.cast.rows("entry", form_key="a" * 32)) == 1


def test_ten_taps_at_once_save_once(web: WebClient) -> None:
    alice = web.visit(ALICE)
    form = with_dana(web) | {"form_key": "b" * 32}
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: alice.post("/log", form), range(10)))
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(web.cast.rows("entry", form_key="b" * 32)) == 1
    assert len(web.cast.rows("audit_event")) == 1


def test_sessions_saved_at_once_are_all_in_the_standing(web: WebClient) -> None:
    def save(number: int) -> int:
        form = with_dana(web) | {"day": str(number + 1), "hours": "0.25"}
        return web.visit(ALICE).log(form).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(save, range(8))) == {303}
    standing = web.cast.rows("standing", endorsement_id=web.cast.endorsements[ALICE])[-1]
    counted = {r.id: r.counted for r in parse_results(standing["requirements"])}
    assert counted["rsc"] == 510 + 8 * 15


def test_a_saved_form_that_was_changed_asks_before_it_saves_again(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    form = with_dana(sqlite_web) | {"form_key": "c" * 32}
    alice.post("/log", form)
    answer = alice.post("/log", form | {"day": "20"})
    assert problems(answer) == [
        (
            "activity",
            (
                "This form was already saved, as 1.5 hours on November 21, 2026. "
                "Save again to add a second session."
            ),
        )
    ]
    key = re.search(r'name="form_key" value="(\w+)"', answer.text)
    assert key is not None
    assert alice.post("/log", form | {"day": "20", "form_key": key[1]}).status_code == 303


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"activity": ""}, "activity", "Choose reflective supervision or training"),
        ({"day": "", "month": "", "year": ""}, "when", "Enter the day of the session"),
        ({"month": ""}, "month", "The session date must have a month"),
        ({"day": "", "year": ""}, "day", "The session date must have a day and a year"),
        ({"month": "13"}, "month", "The month must be 1 to 12, or a name like Jan"),
        ({"month": "ja"}, "month", "The month must be 1 to 12, or a name like Jan"),
        ({"day": "31", "month": "2"}, "day", "February 2026 has days 1 to 28"),
        ({"year": "026"}, "year", "The year must have four digits, like 2026"),
        ({"year": "0000"}, "year", "The year must have four digits, like 2026"),
        ({"year": "1899"}, "year", "The year must be 1976 or later"),
        # Of two digits it is a year that a session can have been in: neither 2027 nor 1927.
        ({"year": "27"}, "year", "For the year 27 write all four digits, like 2026"),
        ({"day": "23"}, "day", "The session date must be today (November 22, 2026) or earlier"),
        ({"hours": ""}, "length", "Enter the hours, like 1.5, 1:30, or 90 min"),
        ({"hours": "some"}, "hours", "Write the hours like 1.5, 1:30, or 90 min"),
        ({"hours": "-1"}, "hours", "Write the hours like 1.5, 1:30, or 90 min"),
        ({"hours": "0"}, "hours", "The hours must be more than 0"),
        (
            {"hours": "25"},
            "hours",
            (
                "The hours must be at most 24. For minutes, write 25 min. For a course over "
                "several days, log each day"
            ),
        ),
        ({"title": ""}, "title", "Enter the title of the training"),
        ({"title": "x" * 301}, "title", "Use at most 300 characters"),
        ({"topic-DEIA": "3"}, "topic-DEIA", "DEIA hours can't be more than the session's 2 hours"),
        ({"topic-DEIA": "x"}, "topic-DEIA", "Write the hours about DEIA like 1.5, 1:30, or 90 min"),
        ({"reference": "x" * 201}, "reference", "Use at most 200 characters"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_above_the_form(
    sqlite_web: WebClient, typed: dict[str, str], field: str, words: str
) -> None:
    answer = sqlite_web.visit(ALICE).log(TRAINING | typed)
    assert answer.status_code == 422
    assert "<title>Error: Log hours" in answer.text
    assert problems(answer) == [(field, words.replace("'", "&#39;"))]
    assert f'id="{field}"' in answer.text
    assert answer.text.count(words.replace("'", "&#39;")) == 2
    assert len(sqlite_web.cast.rows("audit_event")) == 0


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        (
            {"provider": ""},
            "provider",
            "Enter the name of the RSC provider",
        ),
        (
            {"provider": "999999"},
            "provider",
            "This person is not among your RSC providers. Enter the provider's name instead.",
        ),
        (
            {"provider": "other", "provider_name": " "},
            "provider_name",
            "Enter the name of the RSC provider",
        ),
    ],
)
def test_reflective_supervision_names_its_provider(
    sqlite_web: WebClient, typed: dict[str, str], field: str, words: str
) -> None:
    answer = sqlite_web.visit(ALICE).log(RSC | typed)
    assert problems(answer) == [(field, words.replace("'", "&#39;"))]


def test_problems_are_listed_in_the_order_of_the_page(sqlite_web: WebClient) -> None:
    form = {"activity": "training", "day": "20", "month": "13", "year": "2026", "hours": "2"}
    answer = sqlite_web.visit(ALICE).log(form | {"topic-DEIA": "x"})
    assert [field for field, _ in problems(answer)] == ["month", "topic-DEIA", "title"]


def test_a_day_has_24_hours_in_all(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(ALICE).log(TRAINING | {"day": "2", "month": "5", "hours": "8"})
    assert problems(answer) == [
        (
            "hours",
            (
                "You have already logged 16.5 hours on May 2, 2026. A day has only 24 hours. "
                "For a course over several days, log each day."
            ),
        )
    ]


def test_nothing_typed_is_uncounted(sqlite_web: WebClient) -> None:
    typed = TRAINING | {"hours": "lots", "title": "Babies & <b>toddlers</b>", "reference": "N° 7"}
    page = sqlite_web.visit(ALICE).log(typed).text
    assert 'value="lots"' in page
    assert "Babies &amp; &lt;b&gt;toddlers&lt;/b&gt;" in page
    assert 'value="N° 7"' in page
    assert 'value="training" id="activity-training" checked' in page


@pytest.mark.parametrize("month", ["11", "nov", "Nov.", "NOVEMBER", "november"])
def test_a_month_may_be_written_as_people_write_it(sqlite_web: WebClient, month: str) -> None:
    assert sqlite_web.visit(ALICE).log(TRAINING | {"month": month}).status_code == 303


@pytest.mark.parametrize(
    ("hours", "minutes"), [("1.5", 90), ("1,5", 90), ("1:30", 90), ("90 min", 90), ("24", 1440)]
)
def test_hours_may_be_written_as_people_write_them(
    sqlite_web: WebClient, hours: str, minutes: int
) -> None:
    sqlite_web.visit(ALICE).log(TRAINING | {"hours": hours, "seen": "1440min"})
    assert sqlite_web.cast.rows("entry", title="Book club")[0]["minutes"] == minutes


def test_today_is_the_day_at_the_association(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)  # still Sunday in North Carolina
    alice = sqlite_web.visit(ALICE)
    page = alice.post("/log", TRAINING | {"today": "yes", "day": "", "hours": "9"}).text
    assert re.search(r'id="day" name="day" value="22"', page)
    assert 'value="9"' in page
    assert problems(alice.log(TRAINING | {"day": "23"})) == [
        ("day", "The session date must be today (November 22, 2026) or earlier")
    ]


def test_a_link_fills_in_the_form(sqlite_web: WebClient) -> None:
    dana = sqlite_web.cast.people[DANA]
    page = sqlite_web.visit(ALICE).get(f"/log?activity=rsc&provider={dana}&date=2026-11-14").text
    assert 'value="rsc" id="activity" checked' in page
    assert f'value="{dana}" id="provider" checked' in page
    assert 'name="day" value="14"' in page


@pytest.mark.parametrize(
    "query",
    ["activity=party", "provider=-1", "date=Feb 31", "again=x", "again=99999999999999999999",
     "again=%00", "provider=%00&activity=%00&date=%00"],
)  # fmt: skip
def test_a_link_that_is_wrong_opens_an_empty_form(sqlite_web: WebClient, query: str) -> None:
    page = sqlite_web.visit(ALICE).get(f"/log?{query}")
    assert page.status_code == 200
    assert "checked" not in page.text


def test_the_last_session_can_be_logged_again(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    assert f'/log?again={sqlite_web.cast.entries["old-rsc"]}"' in alice.get("/my-year").text
    page = alice.get(f"/log?again={sqlite_web.cast.entries['rsc-8']}").text
    assert 'name="hours" value="1.5"' in page
    assert 'name="day" value=""' in page


def test_somebody_elses_session_cannot_be_copied(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get(f"/log?again={sqlite_web.cast.entries['erin']}").text
    assert "secret" not in page
    assert "checked" not in page


def test_only_topics_that_ones_own_rules_count_are_asked(sqlite_web: WebClient) -> None:
    assert "hours about DEIA" in sqlite_web.visit(ALICE).get("/log").text
    assert "hours about" not in sqlite_web.visit(ERIN).get("/log").text


def test_only_providers_of_ones_own_rules_are_offered(sqlite_web: WebClient) -> None:
    assert "Dana Ruiz" in sqlite_web.visit(BOB).get("/log").text
    assert "Dana Ruiz" not in sqlite_web.visit(ERIN).get("/log").text
    assert "Dana Ruiz (most recent)" in text_of(sqlite_web.visit(ALICE).get("/log"))


HOSTILE = [
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "a\x00b\x1f\x85",
    "\u202egnp.exe\u2066",
    "\ud83d\udc76 é 漢字 \u0336",
    "=HYPERLINK(1)",
    "\r\nSet-Cookie: x=1",
    "%s %(x)s {0}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_stored_and_shown_as_text(web: WebClient, text: str) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    alice = web.visit(ALICE)
    fields = {"title": f"T {text}", "reference": text}
    assert alice.log(TRAINING | fields).status_code == 303
    named = {"provider": "other", "provider_name": f"P {text}"}
    assert alice.log(RSC | named).status_code == 303
    wrong = alice.log(RSC | {**fields, **named, "hours": text, "day": text, "version": text})
    pages = [alice.get("/my-year"), wrong, web.visit("carol@example.org").get("/coordinator")]
    for page in pages:
        assert page.status_code in {200, 422}
        assert read_page("/", page).live == []
        assert "<img" not in page.text
        assert "49" not in text_of(page).split()
        assert "\x00" not in page.text


def test_files_and_odd_bodies_are_no_error(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    origin = {"Origin": "http://testserver"}
    for kind in (
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        for content in (b"\xff\xfe\x00", b"{}", b"x" * 60_000, b"--x\r\n\r\n--x--"):
            headers = origin | {"Content-Type": kind}
            answer = alice.client.post("/log", headers=headers, content=content)
            assert answer.status_code in {400, 413, 422}
    file = {"title": ("a.txt", b"\xff\xfe")}
    assert alice.client.post("/log", headers=origin, files=file).status_code == 422


def test_an_entry_leaves_an_audit_event(web: WebClient) -> None:
    web.visit(ALICE).log(TRAINING)
    (event,) = web.cast.rows("audit_event")
    assert (event["who"], event["at"], event["before"]) == (ALICE, web.now, None)
    after = json.loads(event["after"])
    assert after["title"] == "Book club"
    assert after["topics"] == {"DEIA": 60}
    assert date.fromisoformat(after["held_on"]) == date(2026, 11, 20)


def test_a_title_that_nobody_sees_is_none(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(ALICE).post("/log", TRAINING | {"title": "\u200b\u202e\ufeff"})
    assert problems(answer) == [("title", "Enter the title of the training")]
