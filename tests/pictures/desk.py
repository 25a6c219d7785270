"""The pictures of docs/coordinator.md from the demo's desks, and those of what the public sees."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Page

from tests.pictures.camera import DESK, Camera, Film
from tests.support.demo import Shown
from tracker.demo.sample_list import SAMPLE_LIST

_CT, _NC = "coordinator of CT-AIMH", "coordinator of NCIMHA"
_YEARLY, _ATTESTING = "coordinator of HARBOR", "coordinator of PRAIRIE"
_RENEWED = "is renewed: an agency paid"
_FILM = Film("light", DESK)


class DeskShot(NamedTuple):
    """A picture of the desk of whoever has this story, after ``steps``; ``most`` pixels high."""

    name: str
    story: str
    path: str
    most: int
    steps: Callable[[Page, Path], None] | None = None


def photograph_desk(camera: Camera, demo: Shown, folder: Path, shot: DeskShot) -> None:
    """Take a picture; ``folder`` has the list that the demo offers to import."""
    with camera.page(_FILM) as page:
        page.goto("/")
        name = next(one.name for one in demo.people if shot.story in one.what)
        page.get_by_role("button", name=f"Open as {name}", exact=True).click()
        page.goto(shot.path)
        if shot.steps:
            shot.steps(page, folder)
        page.wait_for_load_state("networkidle")
        camera.photograph(page, shot.name, shot.most, small=True)


def _open_first_behind(page: Page, _: Path) -> None:
    page.locator(".causes tbody a.who").first.click()


def _open_draw(page: Page, _: Path) -> None:
    page.locator("main tbody a").first.click()


def _open_review(page: Page, _: Path) -> None:
    page.get_by_role("link", name="Review renewal").first.click()


def _decide_on_removal(page: Page, _: Path) -> None:
    page.get_by_role("link", name="Decide on removal").first.click()
    page.get_by_label("Reason").fill("No answer to two letters")
    page.get_by_role("button", name="Continue").click()


def _verify_certificate(page: Page, _: Path) -> None:
    page.get_by_role("link", name="Public verification page").first.click()


def _preview_waiver(page: Page, _: Path) -> None:
    page.locator(".people-list tbody th a").last.click()
    page.get_by_role("link", name="Waive DEIA training").first.click()
    page.get_by_label("Reason").fill("Two trainings were canceled")
    page.get_by_role("button", name="Continue").click()


def _plan_import(page: Page, folder: Path) -> None:
    page.get_by_label("Lists for").set_input_files(folder / SAMPLE_LIST)
    page.get_by_role("button", name="Upload").click()
    # The category of which the list says nothing that the rulebook knows.
    for choice in page.locator("main select").all():
        if choice.locator("option:checked").inner_text() == "Choose":
            choice.select_option(index=2)
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("heading", name="this is what would happen").wait_for()


def _fill_mail(page: Page, _: Path) -> None:
    page.get_by_label("Message").fill("Our free webinar on December 8 has room for you.")
    page.get_by_role("button", name="Update preview").last.click()


DESK_SHOTS = (
    DeskShot("desk-today.png", _CT, "/coordinator", 960),
    DeskShot("desk-people.png", _NC, "/coordinator/people?missing=training.deia", 560),
    DeskShot("desk-person.png", _CT, "/coordinator?kind=behind", 800, _open_first_behind),
    DeskShot(
        "desk-preview.png",
        _NC,
        "/coordinator/people?missing=training.deia",
        620,
        _preview_waiver,
    ),
    DeskShot("desk-providers.png", _CT, "/coordinator/providers/names", 720),
    DeskShot("desk-mail.png", _CT, "/coordinator/mail/new", 900, _fill_mail),
    DeskShot("desk-fees.png", _YEARLY, "/coordinator/fees", 900),
    DeskShot("desk-audits.png", _ATTESTING, "/coordinator/audits", 1000, _open_draw),
    DeskShot("desk-renewal.png", _ATTESTING, "/coordinator", 1000, _open_review),
    DeskShot("desk-removal.png", _YEARLY, "/coordinator", 800, _decide_on_removal),
    DeskShot("registry.png", _YEARLY, "/registry/HARBOR", 900),
    DeskShot("certificate.png", _RENEWED, "/my-year", 720, _verify_certificate),
    DeskShot("desk-import.png", _CT, "/coordinator/import", 880, _plan_import),
)
