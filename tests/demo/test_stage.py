"""The made-up roster is whole, whatever day the demo starts on."""

from collections import Counter
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from sqlalchemy import text

from tracker.demo.cast import make_cast
from tracker.demo.roster import write_roster
from tracker.demo.stage import Address, demo_settings, fill, logins
from tracker.demo.stories import load_stories
from tracker.records.engine import open_engine, reading
from tracker.rulebooks import load_rulebooks
from tracker.settings import configuration_folder, load_settings

BOOKS = load_rulebooks(configuration_folder())
STORIES = load_stories(configuration_folder())
DAYS = [date(2026, 11, 22), date(2027, 1, 1), date(2028, 2, 29), date(2028, 12, 31)]


def statuses(url: str, folder: Path, day: date) -> Counter[str]:
    engine = open_engine(url)
    now = datetime.combine(day, time(18), UTC)
    try:
        fill(engine, BOOKS, STORIES, folder, today=day, now=now)
        with reading(engine) as connection:
            return Counter(connection.scalars(text("SELECT status FROM standing")))
    finally:
        engine.dispose()


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_the_roster_is_imported_whole_on_any_day(
    sqlite_url: str, tmp_path: Path, day: date
) -> None:
    assert statuses(sqlite_url, tmp_path, day)["no rules"] >= STORIES.endorsees_per_association


def test_late_in_the_year_every_status_is_there(sqlite_url: str, tmp_path: Path) -> None:
    found = statuses(sqlite_url, tmp_path, date(2026, 11, 22))
    assert set(found) == {"met", "open", "lapsed", "excused", "no rules"}


def test_in_january_some_are_overdue(sqlite_url: str, tmp_path: Path) -> None:
    assert statuses(sqlite_url, tmp_path, date(2027, 1, 15))["overdue"] > 0


def test_two_demos_have_the_same_people(tmp_path: Path) -> None:
    day = date(2026, 11, 22)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_roster(tmp_path / name, BOOKS, STORIES, make_cast(BOOKS, STORIES, day), day)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_every_story_and_every_coordinator_can_be_opened(sqlite_url: str, tmp_path: Path) -> None:
    address = Address("127.0.0.1", 8000, 2525)
    settings = demo_settings(load_settings(), BOOKS, STORIES, address)
    engine = open_engine(sqlite_url)
    try:
        now = datetime(2026, 11, 22, 18, tzinfo=UTC)
        cast = fill(engine, BOOKS, STORIES, tmp_path, today=date(2026, 11, 22), now=now)
    finally:
        engine.dispose()
    offered = [login.what for login in logins(settings, BOOKS, cast)]
    for story in STORIES.stories:
        assert any(what.endswith(f": {story.name}") for what in offered), story.name
    for association in BOOKS.associations:
        assert f"coordinator of {association}" in offered
