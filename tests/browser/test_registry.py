"""A public registry, from the choice to be listed to the frame on the association's website."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import DESK, LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import KAI
from tests.support.listing import REGISTRY, add_members
from tests.support.submitting import FAY
from tracker.db.engine import writing

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_a_listing_is_chosen_read_and_removed(keys: Open, server: LiveServer) -> None:
    with writing(server.cast.engine) as session:
        add_members(session, server.cast)
    fay, anyone = keys(FAY, "/profile"), keys("", REGISTRY)
    anyone.see("Nobody is listed yet.")
    fay.follow("Change whether ATTESTING lists you")
    fay.tick("List me in the registry of Association of Attestations")
    fay.press("Save")
    fay.see("Your choice about the public registry is saved.")
    anyone.type("Name", "lani")
    anyone.press("Search")
    anyone.see("1 person found.")
    kai = keys(KAI, f"/coordinator/person/{server.cast.people[FAY]}")
    kai.follow("Remove from the registry of ATTESTING")
    kai.press("Continue")
    kai.see_problem("Enter a short reason")
    kai.page.keyboard.type("Under review")
    kai.press("Continue")
    kai.press("Save")
    anyone.page.reload()
    anyone.see("Nobody in the registry matches.")
    fay.follow("Change whether ATTESTING lists you")
    fay.see("Reason: Under review")


def test_only_the_named_website_shows_the_frame(browser: Browser, server: LiveServer) -> None:
    context = browser.new_context(viewport=DESK, java_script_enabled=False)
    page = context.new_page()

    def answer(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.hostname == "renewals.example":
            ours = f"{server.url}{address.path}?{address.query}"
            route.fulfill(response=context.request.get(ours))
        else:
            frame = f'<iframe src="https://renewals.example{REGISTRY}/embed"></iframe>'
            route.fulfill(body=frame, content_type="text/html")

    page.route("**/*", answer)
    page.goto("https://www.attesting.example/")
    shown = page.frame_locator("iframe")
    shown.get_by_label("Name").fill("somebody")
    shown.get_by_role("button", name="Search").click()
    expect(shown.get_by_text("Nobody in the registry matches.")).to_be_visible()
    page.goto("https://evil.example/")
    assert not any("Registry of endorsees" in each.content() for each in page.frames)
    context.close()
