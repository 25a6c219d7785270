"""What nobody may find on any page: barriers, small targets, and a page that scrolls sideways."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from playwright.sync_api import Page, expect

from tests.browser.sizes import DESK, PHONE

_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations", "incomplete"],
}
# Links within a sentence may be as small as it is (WCAG 2.5.8); a radio's label is its target.
# The filters beside a desk's list are denser; axe sees to it that they are 24 px high.
_SMALL = """[...document.querySelectorAll(
    'a, button, summary, select, textarea, input, label.choice, label.check')]
    .filter(e => e.checkVisibility() && !e.matches('.skip, .unseen, [type=hidden]'))
    .filter(e => !e.matches('.choice > input, .switches input, .check > input'))
    .filter(e => !e.matches('.options a') || innerWidth < 960)
    .filter(e => !(e.matches('a, button') && getComputedStyle(e).display === 'inline'))
    .map(e => [e.textContent.trim().slice(0, 40), e.getBoundingClientRect().height])
    .filter(([, height]) => height < 43.5)"""
# All at once, and of axe's answer only what is read: each question to the browser takes its time.
_LOOK = f"""async rules => {{
    const pixels = [document.documentElement.scrollWidth, innerWidth];
    const {{violations, incomplete}} = rules
       ? await axe.run(rules) : {{violations: [], incomplete: []}};
    return {{violations, incomplete, small: {_SMALL}, pixels}};
}}"""
_UNFOLD = "document.querySelectorAll('details').forEach(d => d.open = true)"
_CLEAR = """() => {
    for (const e of document.querySelectorAll('main :is([type=text], [type=email], textarea)'))
        e.value = '';
}"""
# The widest of the page and of its menu, and the menu's height, with letters of another size.
_SIZED = """size => {
    document.documentElement.style.fontSize = size;
    // A page in a frame has none.
    const menu = document.querySelector('.menu')?.getBoundingClientRect() ?? {height: 0};
    const ends = [...document.querySelectorAll('.menu a, .brand')].map(
        e => e.getBoundingClientRect().right);
    const found = [Math.max(document.documentElement.scrollWidth, ...ends), menu.height];
    document.documentElement.style.fontSize = '';
    return found;
}"""
_MOST_OF_WINDOW = 0.2
# More pixels than the bars at the bottom are high.
_BARS = 200
Scheme = Literal["dark", "light"]
SCHEMES: tuple[Scheme, ...] = ("dark", "light")


def check(page: Page, judged: Sequence[Scheme] = SCHEMES) -> None:
    """Find nothing wrong: on a desk in the dark, on a phone in the light, with large letters.

    axe, which takes by far the longest, looks at the page only in the schemes ``judged``.
    """
    page.wait_for_load_state()
    page.evaluate(_UNFOLD)
    for size, scheme in zip((DESK, PHONE), SCHEMES, strict=True):
        page.set_viewport_size(size)
        # All of it at once: what a bar at the bottom covers is no small target, as it scrolls.
        # tests/browser/keyboard.py sees to it that no bar covers what has the focus.
        whole = page.evaluate("document.documentElement.scrollHeight") + _BARS
        page.set_viewport_size({**size, "height": max(whole, size["height"])})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = page.evaluate(_LOOK, _RULES if scheme in judged else None)
        wrong = [*_told(found), *found["small"]]
        assert not wrong, f"{scheme}, {size['width']} px: " + "; ".join(map(str, wrong))
        wide, window = found["pixels"]
        assert wide <= window, "the page scrolls sideways"
        page.set_viewport_size(size)
    wide, menu = page.evaluate(_SIZED, "200%")
    assert wide <= PHONE["width"], "with letters twice as large the page scrolls sideways"
    assert menu <= PHONE["height"] * _MOST_OF_WINDOW, "the menu takes too much of the window"


def press(page: Page, name: str) -> None:
    """Unfold the page, take away all that was typed, and press a button: problems are listed."""
    page.evaluate(f"{_UNFOLD};({_CLEAR})()")
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).last.click()
    expect(page).to_have_title(re.compile("^Error: "))


def _told(found: dict[str, Any]) -> list[str]:
    """What axe found, and the elements of whose contrast it could not tell.

    It never can of words within a drawing: the strip's are ink on paper, as all words are.
    """
    wrong = [f"{rule['id']}: {n['html']}" for rule in found["violations"] for n in rule["nodes"]]
    return wrong + [
        f"contrast unknown: {node['html']}"
        for rule in found["incomplete"]
        if rule["id"] == "color-contrast"
        for node in rule["nodes"]
        if not node["html"].startswith("<text")
    ]
