"""The pictures of the README and the docs, from the demo as it stands on a late November day."""

import tempfile
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import NamedTuple

from tests.pictures.camera import Camera, Film, open_camera
from tests.pictures.desk import DESK_SHOTS, photograph_desk
from tests.support.demo import Shown, open_demo
from tracker.db.engine import reading
from tracker.db.signing_keys import body_cipher

_FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
_MAIL_WIDTH = 680
_ENDORSEE = "sees a provider whose endorsement ended"
_APPLICANT = "an applicant whose RSC window closes soon"


class Shot(NamedTuple):
    """A picture of a page of whoever has this story; ``most`` pixels of its height."""

    name: str
    story: str
    path: str
    film: Film
    most: int
    scale: float = 1


SHOTS = (
    Shot("my-year.png", _ENDORSEE, "/my-year", Film("light", 1100), 1150),
    Shot("my-year-phone.png", _ENDORSEE, "/my-year", Film("light", 390), 844, 1.5),
    Shot("my-year-phone-dark.png", _ENDORSEE, "/my-year", Film("dark", 390), 844, 1.5),
    Shot("log-phone.png", _ENDORSEE, "/log?activity=rsc", Film("light", 390), 844, 1.5),
    Shot("application.png", _APPLICANT, "/my-year", Film("light", 1100), 1250),
)
# The newest mail of a kind to whoever has the story.
MAILS = (("reminder.png", "notices", _ENDORSEE), ("digest.png", "digest", "coordinator of"))


def photograph_readme(chromium: str, only: str = "") -> Iterator[str]:
    """Write the pictures with ``only`` in their names over those that are there; these names."""
    with (
        tempfile.TemporaryDirectory() as data,
        open_demo(Path(data)) as demo,
        open_camera(chromium, demo.url, _FOLDER) as camera,
    ):
        for shot in SHOTS:
            if only in shot.name:
                _photograph_page(camera, demo, shot)
                yield shot.name
        for name, kind, story in MAILS:
            if only in name:
                _photograph_mail(camera, demo, name, kind, story)
                yield name
        for desk_shot in DESK_SHOTS:
            if only in desk_shot.name:
                photograph_desk(camera, demo, Path(data), desk_shot)
                yield desk_shot.name


def _number_of(demo: Shown, story: str) -> int:
    return next(i for i, one in enumerate(demo.people) if story in one.what)


def _photograph_page(camera: Camera, demo: Shown, shot: Shot) -> None:
    with camera.page(shot.film, scale=shot.scale) as page:
        page.goto("/")
        name = demo.people[_number_of(demo, shot.story)].name
        page.get_by_role("button", name=f"Open as {name}", exact=True).click()
        page.goto(shot.path)
        link = page.get_by_role("link", name="Open the checklist")
        if link.count():
            link.first.click()
        camera.photograph(page, shot.name, shot.most)


def _photograph_mail(camera: Camera, demo: Shown, name: str, kind: str, story: str) -> None:
    to = demo.people[_number_of(demo, story)].email
    query = "SELECT message_id, body FROM outbox WHERE kind = ? AND recipient = ? ORDER BY id DESC"
    with reading(demo.engine) as session:
        found = session.connection().exec_driver_sql(query, (kind, to)).one()
        body = body_cipher(session).decrypt(*found)
    assert body is not None
    part = message_from_bytes(body, policy=policy.default).get_body(("html",))
    assert part is not None
    with camera.page(Film("light", _MAIL_WIDTH)) as page:
        page.set_content(part.get_content())
        camera.photograph(page, name)
