"""Somebody who has a keyboard and nothing else, in a browser that runs no scripts."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import ElementHandle, Error, Locator, Page, expect

_WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"
# More stops than any page has.
_MOST_STOPS = 250
# The answer to one press of Tab: whether the element is reached, and what is wrong with the one
# that has the focus: out of the window, in part under the menu or under anything else, unmarked.
_LOOK = """wanted => {
    const on = document.activeElement, menu = document.querySelector('.menu');
    if (on === document.body) return [false, ''];
    const box = on.closest('.choice') ?? on, bar = menu.getBoundingClientRect();
    const parts = [...box.getClientRects()];
    const seen = parts.some(({left, top, right, bottom}) => {
        const x = (Math.max(left, 0) + Math.min(right, innerWidth)) / 2;
        const y = (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2;
        const there = document.elementFromPoint(x, y);
        return there && (box.contains(there) || there.closest('a') === on);
    });
    const covered = getComputedStyle(menu).position === 'fixed' && !menu.contains(on)
        && box.offsetHeight < innerHeight / 2
        && parts.some(({top, bottom}) => Math.min(bottom, bar.bottom) - Math.max(top, bar.top) > 1);
    const style = getComputedStyle(box);
    const marked = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    const wrong = !seen ? 'hidden: ' : covered ? 'under the menu: '
        : !marked && on.matches(':focus-visible') ? 'not marked: ' : '';
    return [on === wanted, wrong && wrong + on.outerHTML.slice(0, 200)];
}"""


class Keys:
    """Walks a page by Tab, and fails where the focus gets lost on the way."""

    def __init__(self, page: Page) -> None:
        self.page = page
        # From now on: a chooser opened before the browser was told to hand it over would be lost.
        page.on("filechooser", lambda _: None)

    def walk_to(self, target: Locator) -> None:
        """Press Tab until ``target`` has the focus; nothing on the way hides it."""
        element = target.element_handle()
        key = "Shift+Tab" if self._is_behind(element) else "Tab"
        for _ in range(_MOST_STOPS):
            if self._look(element):
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"Tab never comes to {target}")

    def _walk_into(self, radios: Locator) -> None:
        """Press Tab until one of a group has the focus: the chosen one, or one at an end."""
        elements = radios.element_handles()
        key = "Shift+Tab" if self._is_behind(elements[0]) else "Tab"
        for _ in range(_MOST_STOPS):
            if any(self._look(element) for element in elements):
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"Tab never comes to {radios}")

    def _look(self, element: ElementHandle) -> bool:
        reached, wrong = self.page.evaluate(_LOOK, element)
        assert not wrong, wrong
        return bool(reached)

    def _is_behind(self, element: ElementHandle) -> bool:
        """Whether it comes before what has the focus, so that Shift and Tab lead there sooner."""
        return bool(
            element.evaluate(
                "e => document.activeElement !== document.body && document.activeElement !== e"
                " && Boolean(document.activeElement.compareDocumentPosition(e) & 2)"
            )
        )

    def follow(self, name: str | re.Pattern[str], *, within: Locator | None = None) -> None:
        """Go to the first link of that name, press Enter, and wait for where it leads."""
        self.walk_to((within or self.page).get_by_role("link", name=name).first)
        self.enter()

    def open_entry(self, title: str) -> None:
        """Go to the line of the first logged entry of that title, and open it."""
        self.open(self.page.locator(".entries summary").filter(has_text=title).first)

    def press(self, name: str | re.Pattern[str], *, within: Locator | None = None) -> None:
        """Go to the last button of that name, press it, and wait for the answer."""
        self.walk_to((within or self.page).get_by_role("button", name=name).last)
        self.enter("Space")

    def enter(self, key: str = "Enter") -> None:
        """Press a key that sends a form or follows a link, and wait for the page that comes."""
        with self.page.expect_navigation():
            self.page.keyboard.press(key)
        wide, window = self._measure()
        assert wide <= window, f"{self.page.url} scrolls sideways"

    def _measure(self) -> tuple[int, int]:
        """How wide the page and its window are."""
        try:
            wide, window = self.page.evaluate(_WIDTHS)
        except Error:
            # A page that shows progress reloads by itself, maybe just now.
            self.page.wait_for_load_state()
            wide, window = self.page.evaluate(_WIDTHS)
        return wide, window

    def see(self, words: str | re.Pattern[str]) -> None:
        """Expect words on the page."""
        expect(self.page.get_by_text(words).first).to_be_visible()

    def see_heading(self, words: str | re.Pattern[str]) -> None:
        """Expect words in the page's one heading of the first level."""
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(words)

    def see_problem(self, words: str | re.Pattern[str]) -> None:
        """Expect the error summary to have the focus; follow its link of these words."""
        expect(self.page).to_have_title(re.compile("^Error: "))
        summary = self.page.get_by_role("alert")
        expect(summary).to_be_focused()
        expect(summary.get_by_role("heading")).to_have_text("There is a problem")
        self.follow(words, within=summary)

    def open(self, summary: Locator) -> None:
        """Open a part of the page that is folded up."""
        self.walk_to(summary)
        self.page.keyboard.press("Enter")

    def type(
        self, label: str | re.Pattern[str], text: str, *, within: Locator | None = None
    ) -> None:
        """Type into the field of that label, over what is in it."""
        named = label
        if isinstance(label, str):
            # Playwright compares the label's whole text, with the word that it is optional.
            named = re.compile(rf"^{re.escape(label)}( \(optional\))?$")
        # Fields that are not asked for, such as the days of a course, are hidden.
        field = (within or self.page).get_by_label(named).filter(visible=True)
        self.walk_to(field)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)
        expect(field).to_have_value(text)

    def type_day(self, day: str, *, legend: str = "") -> None:
        """Type a day like `2 nov 2026`, each word into a field of its own."""
        group = self.page.get_by_role("group", name=legend) if legend else None
        for label, text in zip(("Day", "Month", "Year"), day.split(), strict=True):
            self.type(label, text, within=group)

    def choose(self, label: str | Locator) -> None:
        """Choose one of several: Tab leads to the group, an arrow to the next in it."""
        radio = self.page.get_by_label(label, exact=True) if isinstance(label, str) else label
        radio = radio.first
        name = radio.get_attribute("name")
        group = self.page.locator(f'input[name="{name}"]')
        self._walk_into(group)
        for _ in range(group.count()):
            if radio.is_checked():
                return
            self.page.keyboard.press("ArrowDown" if not self._on(radio) else "Space")
        expect(radio).to_be_checked()

    def _on(self, target: Locator) -> bool:
        return bool(target.evaluate("e => e === document.activeElement"))

    def tick(self, label: str | re.Pattern[str]) -> None:
        """Tick or untick a box."""
        self.walk_to(self.page.get_by_label(label))
        self.page.keyboard.press("Space")

    def select(self, label: str, words: str) -> None:
        """Choose from a list that drops down, by typing how the choice begins."""
        self.walk_to(self.page.get_by_label(label, exact=True))
        self.page.keyboard.type(words)
        chosen = self.page.get_by_label(label, exact=True).locator("option:checked")
        expect(chosen).to_contain_text(re.compile(f"^\\s*{re.escape(words)}"))

    def upload(self, label: str | re.Pattern[str], *files: Path) -> None:
        """Open the file chooser by the keyboard, and choose files there."""
        self.walk_to(self.page.get_by_label(label))
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("Space")
        chooser.value.set_files(list(files))

    def download(self, press: Callable[[], None]) -> str:
        """The name of the file that comes when a key is pressed."""
        with self.page.expect_download() as download:
            press()
        return str(download.value.suggested_filename)
