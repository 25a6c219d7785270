"""The profile, and the time zone of a person."""

from datetime import UTC, datetime

from tests.support.cast import ALICE, BOOKS, CAROL, EVE
from tests.web.client import TRAINING, WebClient, problems, text_of
from tracker.clock import known_zones
from tracker.web.time_zones import zone_groups


def test_the_profile_names_who_can_correct_it(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/profile")
    words = text_of(page)
    assert "Alice Moreno" in words
    assert "alice@home.example" in words
    assert "To correct your name or first address, contact Carol Reyes" in words
    assert 'href="mailto:carol@example.org"' in page.text
    assert "New York, America" in words
    assert "Carol Reyes" not in text_of(sqlite_web.visit(EVE).get("/profile"))


def test_only_people_have_a_profile_link(sqlite_web: WebClient) -> None:
    assert 'href="/profile"' in sqlite_web.visit(ALICE).get("/my-year").text
    assert 'href="/profile"' not in sqlite_web.visit(CAROL).get("/coordinator").text


def test_the_time_zone_decides_what_today_is(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
    alice = sqlite_web.visit(ALICE)
    saved = alice.post("/profile/time-zone", {"time_zone": "Pacific/Auckland"})
    words = text_of(alice.follow(saved))
    assert "Your time zone is saved. " in words
    assert "Your local time is November 23, 2026 at 6:00 AM" in words
    today = alice.post("/log", {**TRAINING, "today": "yes"})
    assert 'name="day" value="23"' in today.text
    # Where she is it is the 23rd already: such a session is none of the future.
    assert alice.log({**TRAINING, "day": "23"}).status_code == 303
    [event] = sqlite_web.cast.rows("audit_event", table_name="person")
    assert (event["who"], event["after"]) == (ALICE, '{"time_zone": "Pacific/Auckland"}')
    alice.post("/profile/time-zone", {"time_zone": ""})
    assert problems(alice.log({**TRAINING, "day": "23"})) == [
        ("day", "The session date must be today (November 22, 2026) or earlier")
    ]


def test_today_is_local_in_western_zones_too(sqlite_web: WebClient) -> None:
    sqlite_web.now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    alice = sqlite_web.visit(ALICE)
    alice.post("/profile/time-zone", {"time_zone": "Pacific/Honolulu"})
    assert 'name="day" value="22"' in alice.post("/log", {**TRAINING, "today": "yes"}).text


def test_an_unknown_time_zone_is_refused(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    for zone in ("Mars/Olympus", "../../etc/passwd", "EST5EDT", "\0"):
        answer = alice.post("/profile/time-zone", {"time_zone": zone})
        assert answer.status_code == 422
        assert problems(answer) == [("time_zone", "Choose a time zone from the list")]
        assert "<title>Error: " in answer.text


def test_time_zones_of_associations_come_first() -> None:
    groups = zone_groups(BOOKS)
    assert list(groups)[:2] == ["Time zones of the associations", "America"]
    assert ("America/New_York", "New York") in groups["Time zones of the associations"]
    assert ("America/North_Dakota/Center", "Center, North Dakota") in groups["America"]
    offered = [zone for zones in groups.values() for zone, _ in zones]
    assert sorted(offered) == sorted(known_zones())
