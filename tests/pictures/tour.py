"""Every page of the tests' cast, empty and full, light and dark, on a phone and on a desk."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Page

from tests.browser.barriers import press
from tests.pictures.camera import FILMS, Camera, file_name, open_camera
from tests.support.live_server import LiveServer, open_server
from tests.web.all_pages import STOPS, Stop, furnish


class Place(NamedTuple):
    """A page to photograph, and the file's name."""

    name: str
    stop: Stop


def places(server: LiveServer) -> Iterator[Place]:
    """All pages that are tried for barriers, with everything in them."""
    taken: list[str] = []
    ids = furnish(server.cast)
    for stop in STOPS:
        words = stop.path.replace("{", "").replace("}", "") + (" errors" if stop.press else "")
        taken.append(file_name(taken, stop.email, words.replace(" ", "-")))
        yield Place(taken[-1], stop._replace(path=stop.path.format(**ids)))


def photograph_all(chromium: str, folder: Path, only: str) -> Iterator[str]:
    """Photograph each page whose name has ``only`` in it; names of files, as they are written."""
    with tempfile.TemporaryDirectory() as data, open_server(Path(data)) as server:
        wanted = [place for place in places(server) if only in place.name]
        with open_camera(chromium, server.url, folder) as camera:
            for place in wanted:
                yield from _photograph(camera, server, place)


def _photograph(camera: Camera, server: LiveServer, place: Place) -> Iterator[str]:
    stop = place.stop
    cookie = server.cookie(stop.email) if stop.email else ""
    for film in FILMS:
        with camera.page(film, cookie) as page:
            _go(page, stop)
            name = f"{place.name}.{film.scheme}.{film.width}.png"
            camera.photograph(page, name)
            yield name
    if stop.path.startswith("/transcript"):
        with camera.page(FILMS[1], cookie) as page:
            _go(page, stop)
            page.pdf(path=camera.folder / f"{place.name}.pdf", prefer_css_page_size=True)
            yield f"{place.name}.pdf"


def _go(page: Page, stop: Stop) -> None:
    page.goto(stop.path)
    if stop.press:
        press(page, stop.press)
