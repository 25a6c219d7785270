"""A browser that photographs whole pages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.pictures.small_png import reduce_png

CycleScheme = Literal["light", "dark"]
PHONE, DESK = 360, 1280
_LOW = 740


class Film(NamedTuple):
    """How a page is photographed: light or dark, and its width in CSS pixels."""

    scheme: CycleScheme
    width: int


FILMS = (Film("light", PHONE), Film("light", DESK), Film("dark", PHONE), Film("dark", DESK))


@dataclass
class Camera:
    """Writes PNG files of pages at ``url`` into ``folder``."""

    browser: Browser
    url: str
    folder: Path

    @contextmanager
    def page(self, film: Film, cookie: str = "", scale: float = 1) -> Iterator[Page]:
        """An empty page of a fresh browser, signed in if there is a cookie."""
        context = self.browser.new_context(
            viewport={"width": film.width, "height": _LOW},
            color_scheme=film.scheme,
            device_scale_factor=scale,
            base_url=self.url,
        )
        if cookie:
            context.add_cookies([{"name": "session", "value": cookie, "url": self.url}])
        yield context.new_page()
        context.close()

    def photograph(self, page: Page, name: str, most: int = 0, *, small: bool = False) -> None:
        """Write the whole page, or its first ``most`` pixels, as ``name``.

        A ``small`` picture has at most 256 colors.
        """
        # As high as the page, so that what sticks to the bottom of a window is at the bottom.
        width = (page.viewport_size or {"width": DESK})["width"]
        page.set_viewport_size({"width": width, "height": _LOW})
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(height, most) if most else height})
        picture = page.screenshot()
        if small:
            picture = reduce_png(page.context, picture)
        (self.folder / name).write_bytes(picture)


@contextmanager
def open_camera(chromium: str, url: str, folder: Path) -> Iterator[Camera]:
    """A camera for the site at ``url``."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield Camera(browser, url, folder)
        browser.close()


def file_name(taken: Sequence[str], who: str, path: str) -> str:
    """A file's name from whose page it is and where, not among those ``taken``."""
    words = path.strip("/").translate(str.maketrans("/?=&+.", "------")) or "front"
    name = f"{words}.{who.partition('@')[0] or 'nobody'}"
    return name if name not in taken else f"{name}-{len(taken)}"
