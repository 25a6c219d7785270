"""Every page of the tests' cast, empty and full, light and dark, on a phone and on a desk."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Page

from tests.browser.test_accessibility import PAGES
from tests.browser.test_checklist import PAGES as APPLICANTS_PAGES
from tests.browser.test_checklist import place
from tests.pictures.camera import FILMS, Camera, file_name, open_camera
from tests.support.cast import ALICE
from tests.support.street import Street, open_street


class Stop(NamedTuple):
    """A page to photograph: the file's name, whose page, where, and what to press first."""

    name: str
    email: str
    path: str
    press: str = ""


def stops(street: Street) -> Iterator[Stop]:
    """All pages that the accessibility tests know, and a form with errors."""
    taken: list[str] = []
    ids = street.cast.entries
    listed = [(email, path.format(**ids)) for email, path in PAGES]
    listed += [(email, place(street, path)) for email, path in APPLICANTS_PAGES]
    for email, path in listed:
        taken.append(file_name(taken, email, path))
        yield Stop(taken[-1], email, path)
    yield Stop("log-errors.alice", ALICE, "/log?activity=rsc", "form.log > .button")


def photograph_all(chromium: str, folder: Path, only: str) -> Iterator[str]:
    """Photograph each page whose name has ``only`` in it; names of files, as they are written."""
    with tempfile.TemporaryDirectory() as data, open_street(Path(data)) as street:
        wanted = [stop for stop in stops(street) if only in stop.name]
        with open_camera(chromium, street.url, folder) as camera:
            for stop in wanted:
                yield from _photograph(camera, street, stop)


def _photograph(camera: Camera, street: Street, stop: Stop) -> Iterator[str]:
    cookie = street.cookie(stop.email) if stop.email else ""
    for film in FILMS:
        with camera.page(film, cookie) as page:
            _go(page, stop)
            name = f"{stop.name}.{film.scheme}.{film.width}.png"
            camera.photograph(page, name)
            yield name
    if stop.path.startswith("/transcript"):
        with camera.page(FILMS[1], cookie) as page:
            _go(page, stop)
            page.pdf(path=camera.folder / f"{stop.name}.pdf", prefer_css_page_size=True)
            yield f"{stop.name}.pdf"


def _go(page: Page, stop: Stop) -> None:
    page.goto(stop.path)
    if stop.press:
        page.locator(stop.press).click()
