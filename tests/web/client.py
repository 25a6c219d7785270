"""A browser without a screen: keeps cookies, sends what browsers send with forms."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.support.cast import BASE_URL, BOOKS, NOW, Cast
from tracker.db.engine import writing
from tracker.rulebooks import Rulebooks
from tracker.services.browser_sessions import create_browser_session
from tracker.settings import Settings
from tracker.web.app import build_app
from tracker.web.dependencies import DemoLogin
from tracker.web.identity import IdentityProvider

RSC = {
    "activity": "rsc",
    "day": "21",
    "month": "nov",
    "year": "2026",
    "hours": "1.5",
    "format": "individual",
}
TRAINING = {
    "activity": "training",
    "day": "20",
    "month": "11",
    "year": "2026",
    "hours": "2",
    "title": "Book club",
    "topic-DEIA": "1",
}


# The sites of the running test, until its database goes.
_BUILT: list["WebClient"] = []


def settle_all() -> None:
    """Finish the background work of every site of a test, so that its database can go."""
    while _BUILT:
        _BUILT.pop().settle()


@dataclass
class WebClient:
    """The site, its cast, and a clock that a test may turn."""

    cast: Cast
    now: datetime = NOW
    demo_people: Sequence[DemoLogin] = ()
    rulebooks: Rulebooks = field(default=BOOKS)
    settings: Settings | None = None
    provider: IdentityProvider | None = None
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.app = build_app(
            self.settings or self.cast.settings,
            self.cast.engine,
            self.rulebooks,
            demo_people=self.demo_people,
            provider=self.provider,
            now=lambda: self.now,
        )
        _BUILT.append(self)

    def pass_time(self, **time: float) -> None:
        self.now += timedelta(**time)

    def visit(self, email: str = "") -> "Visitor":
        """A browser; signed in if an email address is given."""
        visitor = Visitor(self)
        if email:
            with writing(self.cast.engine) as session:
                token = create_browser_session(session, email, self.now)
            visitor.client.cookies.set("session", token)
        return visitor

    def settle(self) -> None:
        """Wait until all background work is done."""
        for work in (self.app.state.site.imports, self.app.state.site.background):
            work.settle()

    def mails(self, kind: str | None = None) -> list[str]:
        """The texts of the mails waiting to be sent, of one kind or of all, oldest first."""
        rows = self.cast.rows("outbox", **({"kind": kind} if kind else {}))
        bodies = [row["body"] for row in rows]
        found = []
        for body in bodies:
            part = message_from_bytes(body, policy=policy.default).get_body(("plain",))
            assert part is not None
            found.append(str(part.get_content()).replace("\r\n", "\n"))
        return found


class Visitor:
    """One browser."""

    def __init__(self, web: WebClient) -> None:
        self.client = TestClient(web.app, follow_redirects=False)

    def get(self, path: str) -> Response:
        return self.client.get(path)

    def post(self, path: str, form: Mapping[str, Any] | None = None) -> Response:
        return self.client.post(path, data=dict(form or {}), headers={"Origin": BASE_URL})

    def follow(self, response: Response) -> Response:
        return self.get(response.headers["location"])

    def log(self, form: Mapping[str, str]) -> Response:
        """Fill in the form for a session and send it."""
        key = re.search(r'name="form_key" value="([0-9a-f]{32})"', self.get("/log").text)
        assert key is not None
        return self.post("/log", {"form_key": key[1], **form})


def problems(response: Response) -> list[tuple[str, str]]:
    """What the error summary lists: the field that it links to, and the words."""
    summary = response.text.partition('class="problems"')[2].partition("</ul>")[0]
    return re.findall(r'<a href="#([\w-]+)">([^<]+)</a>', summary)


def text_of(response: Response) -> str:
    """The text of a page's main part, without markup."""
    return plain_text(response.text.partition("<main")[2].partition(">")[2].partition("</main>")[0])


def plain_text(html: str) -> str:
    """The text of a piece of HTML, with spaces collapsed."""
    words = re.sub(r"<[^>]+>", " ", html)
    for written, meant in (
        ("&#39;", "'"),
        ("\N{RIGHT SINGLE QUOTATION MARK}", "'"),
        ("&amp;", "&"),
    ):
        words = words.replace(written, meant)
    return " ".join(words.split())
