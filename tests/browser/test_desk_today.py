"""The start page with keys, and without a script."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import BOB, CAROL

pytestmark = pytest.mark.browser
FOCUSED_ROW = "() => document.activeElement.closest('[data-cause]')?.id"


def keys_of(page: Page) -> list[str]:
    """The keys of the causes in the list, in their order."""
    return [row.get_attribute("id") or "" for row in page.locator("[data-cause]").all()]


def test_arrows_enter_and_s_work_the_list(scripted: Callable[[str], Page]) -> None:
    page = scripted(CAROL)
    page.set_viewport_size(DESK)
    page.goto("/coordinator")
    first, second, *_ = keys_of(page)
    page.keyboard.press("ArrowDown")
    assert page.evaluate(FOCUSED_ROW) == first
    page.keyboard.press("ArrowDown")
    assert page.evaluate(FOCUSED_ROW) == second
    page.keyboard.press("ArrowUp")
    page.keyboard.press("s")
    page.wait_for_url("**/coordinator/snooze?**")
    # The note has the focus; Enter saves.
    page.keyboard.type("She is moving")
    page.keyboard.press("Enter")
    page.wait_for_url("**/coordinator?**")
    expect(page.get_by_text("Snoozed. It is listed below until then.")).to_be_visible()
    assert first not in keys_of(page)
    page.keyboard.press("ArrowDown")
    action = page.evaluate("document.activeElement.href")
    page.keyboard.press("Enter")
    page.wait_for_url(action)


def test_keys_do_nothing_outside_the_list(scripted: Callable[[str], Page]) -> None:
    page = scripted(CAROL)
    page.goto("/coordinator")
    page.keyboard.press("s")
    page.get_by_role("link", name="Help").first.focus()
    page.keyboard.press("s")
    page.keyboard.press("ArrowDown")
    assert page.url.endswith("/coordinator")
    assert page.evaluate(FOCUSED_ROW) is None


def test_a_link_of_the_digest_has_its_row_in_focus(
    keys: Callable[[str, str], Keys], scripted: Callable[[str], Page], server: LiveServer
) -> None:
    key = f"renewal-{server.cast.endorsements[BOB]}-2025-01-01"
    path = f"/coordinator?association=NCIMHA&cause={key}"
    for page in (keys(CAROL, path).page, scripted(CAROL)):
        page.goto(path)
        expect(page.locator(f'[id="{key}"] [autofocus]')).to_be_focused()
    page.goto("/help")
    page.goto(f"{path}#{key}")
    assert page.evaluate(FOCUSED_ROW) == key


def test_snoozing_works_without_a_script(keys: Callable[[str, str], Keys]) -> None:
    page = keys(CAROL, "/coordinator").page
    first = keys_of(page)[0]
    page.locator("[data-cause]").first.get_by_role("link", name="Snooze").click()
    page.get_by_label("Tomorrow").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Snooze").click()
    assert first not in keys_of(page)
    page.locator("summary", has_text="Snoozed: 1").click()
    with page.expect_navigation():
        page.get_by_role("button", name="End snooze").click()
    assert first in keys_of(page)
