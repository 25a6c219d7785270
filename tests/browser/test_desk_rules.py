"""Rules, another reading, and the reports are read, with a keyboard alone and no script."""

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import CAROL

pytestmark = pytest.mark.browser


def test_another_reading_is_tried_and_reports_are_read(
    keys: Callable[[str, str], Keys], server: LiveServer
) -> None:
    carol = keys(CAROL, "/coordinator")
    carol.follow("Rules")
    carol.see("What changes next")
    carol.follow("Interpretations")
    carol.see("We read it like this")
    carol.follow("Renewals", within=carol.page.get_by_role("main"))
    carol.follow("What if")
    carol.press("Compare")
    carol.see_problem("Choose a rulebook file, or a reading above")
    carol.choose("Everything is required from the first year on.")
    carol.press("Compare")
    server.settle()
    carol.page.reload()
    carol.see("Who would flip")
    carol.follow("Reports")
    carol.see(re.compile(r"3 \+ 0 new \+ 0 reinstated . 0 ended . 1 lapsed = 2"))
    carol.open(carol.page.locator("summary", has_text="Another period or category"))
    carol.type_day("31 2 2026", legend="First day")
    carol.press("Show the report")
    carol.see_problem("February 2026 has days 1 to 28")
    carol.follow("2025")
    carol.see("January 1, 2025 through December 31, 2025")
    carol.walk_to(carol.page.get_by_role("link", name="Download the figures (CSV)"))
    assert carol.download(lambda: carol.page.keyboard.press("Enter")).endswith(".csv")
    carol.follow("Year-end checklist")
    carol.see_heading("Year-end checklist: 2026")
    carol.follow(re.compile("^1 unconfirmed name"))
    carol.see_heading("1 name to confirm")
