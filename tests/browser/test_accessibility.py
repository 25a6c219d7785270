"""axe-core finds nothing on any page, for both roles, empty and full; nothing scrolls sideways."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Street
from tests.support.cast import ALICE, BOB, CAROL, DAN, DANA, ERIN, EVE
from tests.web.test_scoping import ANYBODY, COORDINATOR, KNOWN

pytestmark = pytest.mark.browser
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
LISTED = [
    ("", "/"),
    ("", "/sign-in"),
    ("", "/sign-in/code"),
    ("", "/sign-in/a-link"),
    ("", "/sign-in?undone=yes"),
    (ALICE, "/profile/browsers"),
    ("", "/nowhere"),
    (ALICE, "/my-year"),
    (ALICE, "/my-year?deleted=yes"),
    (BOB, "/my-year"),
    (ERIN, "/my-year"),
    (EVE, "/my-year"),
    (ALICE, "/log"),
    (BOB, "/log?activity=training"),
    (ALICE, "/log?activity=rsc"),
    (ALICE, "/entries/{rsc}/edit"),
    (ALICE, "/entries/{rsc}/delete"),
    (ALICE, "/log/saved/{unknown}"),
    (ALICE, "/entries/{unknown}"),
    (ALICE, "/entries/{old}"),
    (ALICE, "/my-year/1/2025-01-01"),
    (BOB, "/my-year/2/2024-01-01"),
    ("", "/help"),
    (ALICE, "/help"),
    (ALICE, "/takeaways"),
    (EVE, "/takeaways"),
    (ALICE, "/transcript/1/2026-01-01"),
    (BOB, "/transcript/2/2026-01-01"),
    (ALICE, "/profile/second-address?sent=yes"),
    ("", "/profile/second-address/a-link"),
    (ALICE, "/membership?done=recorded"),
    (EVE, "/membership"),
    (BOB, "/requests/extension"),
    (CAROL, "/coordinator"),
    (CAROL, "/coordinator?status=lapsed"),
    (CAROL, "/coordinator?status=met"),
    (DAN, "/coordinator"),
    (CAROL, "/coordinator/people/1"),
    (CAROL, "/coordinator/people/2"),
    (CAROL, "/coordinator/people/1/2025-01-01"),
]
# And every page that has an address of its own, whether or not somebody thought of it here.
PLAIN = [
    (CAROL if who == COORDINATOR else DANA if path.startswith("/sessions") else ALICE, path)
    for (method, path), who in KNOWN.items()
    if method == "GET" and who != ANYBODY and "{" not in path and "." not in path
]
PAGES = [*LISTED, *(page for page in PLAIN if page not in LISTED)]
# Links within a sentence may be as small as it is (WCAG 2.5.8); a radio's label is its target.
TOO_SMALL = """() => [...document.querySelectorAll(
    'a, button, summary, select, input, label.choice')]
    .filter(e => e.checkVisibility() && !e.closest('.verdict'))
    .filter(e => !e.matches('.skip, .unseen, [type=hidden], .choice > input'))
    .map(e => [e.textContent.trim().slice(0, 30), e.getBoundingClientRect().height])
    .filter(([, height]) => height < 36)"""


def doubtful(response: dict[str, Any]) -> list[str]:
    """The elements of whose contrast axe could not tell.

    It never can of words within a drawing: the strip's are ink on paper, as all words are.
    """
    return [
        node["html"]
        for rule in response["incomplete"]
        if rule["id"] == "color-contrast"
        for node in rule["nodes"]
        if not node["html"].startswith("<text")
    ]


def check(page: Page) -> None:
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
    # Text in the colour of its ground is no violation to axe: it only says that it could not tell.
    assert doubtful(found.response) == []
    # Without motion: a colour on its way from light to dark would be measured half-way.
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    dark = Axe().run(page, options={"runOnly": ["color-contrast"]})
    assert dark.violations_count == 0, "in the dark: " + dark.generate_report()
    assert doubtful(dark.response) == []
    page.emulate_media(color_scheme="light")
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1], "the page scrolls sideways"


@pytest.mark.parametrize(("email", "path"), PAGES)
def test_a_page_has_no_barriers(
    scripted: Callable[[str], Page], street: Street, email: str, path: str
) -> None:
    page = scripted(email)
    page.goto(path.format(**street.cast.entries))
    check(page)


@pytest.mark.parametrize("activity", ["training", "rsc"])
def test_a_form_with_errors_has_no_barriers(scripted: Callable[[str], Page], activity: str) -> None:
    page = scripted(ALICE)
    page.goto(f"/log?activity={activity}")
    page.locator("form.log > .button").click()
    check(page)


def test_sources_and_earlier_entries_opened_have_no_barriers(
    scripted: Callable[[str], Page],
) -> None:
    page = scripted(ALICE)
    page.goto("/my-year")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    check(page)


def test_everything_to_tap_is_large_enough(scripted: Callable[[str], Page]) -> None:
    page = scripted(ALICE)
    for path in ("/my-year", "/log?activity=rsc"):
        page.goto(path)
        small = page.evaluate(TOO_SMALL)
        assert small == []


def test_nothing_scrolls_sideways_with_very_long_words(
    scripted: Callable[[str], Page],
) -> None:
    page = scripted(ERIN)
    page.goto("/log?activity=training&date=2026-11-01")
    page.get_by_label("Hours", exact=True).fill("1")
    page.get_by_label("Title").fill("Eltern" * 45)
    page.locator("form.log > .button").click()
    check(page)
    page.goto("/my-year")
    check(page)
