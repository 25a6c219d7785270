"""The list of people is filtered, changed, and exported, with a keyboard alone and no script."""

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import BOB, CAROL

pytestmark = pytest.mark.browser


def test_a_saved_filter_leads_to_waivers_and_exports(
    keys: Callable[[str, str], Keys], server: LiveServer
) -> None:
    carol = keys(CAROL, "/coordinator/people")
    facet = carol.page.get_by_role("navigation", name="Still needs")
    carol.follow(re.compile("^DEIA training"), within=facet)
    carol.see(re.compile("1.3 of 3"))
    carol.press("Save filter")
    carol.see_problem("Enter a name")
    carol.page.keyboard.type("Needs DEIA")
    carol.press("Save filter")
    carol.see("Filter saved.")
    carol.follow("Show all 6")
    carol.follow("Needs DEIA", within=carol.page.get_by_role("navigation", name="Saved filters"))
    carol.tick("Alice Moreno, IFS, Open, behind")
    carol.tick("Bob Osei, IFS, Lapsed")
    carol.press("Waive for checked")
    carol.see_heading("Waive a requirement for 2 people")
    carol.select("Requirement", "DEIA training")
    carol.type("Reason", "The course was canceled")
    carol.press("Continue")
    carol.see("Nothing is saved yet.")
    carol.press("Save")
    carol.see("Saved.")
    waived = {row["endorsement_id"] for row in server.cast.rows("waiver")}
    assert server.cast.endorsements[BOB] in waived
    carol.press("Undo")
    carol.see("Undone.")
    assert server.cast.rows("waiver") == []
    carol.follow("People")
    carol.follow("Needs DEIA")
    for name, ending in (("Excel", ".xlsx"), ("CSV", ".csv")):
        carol.walk_to(carol.page.get_by_role("link", name=name, exact=True))
        assert carol.download(lambda: carol.page.keyboard.press("Enter")).endswith(ending)
