"""No page is over 60 kB with all that it needs, and none asks anybody else for anything."""

import re
from datetime import date, timedelta
from html import unescape

import pytest
from httpx2 import Response

from tests.support.cast import ALICE
from tests.web.all_pages import STOPS, furnish
from tests.web.client import Visitor, WebClient
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people

MOST = 60_000
NEEDED = re.compile(r'<(?:link|img|source|iframe|input|script)\b[^>]*?\b(?:href|src)="([^"]*)"')
# The desk's script is a file of our own; there is no other.
FORBIDDEN = re.compile(
    r"<script(?! src=./static/desk-[0-9a-f]{12}\.js. defer></script>)"
    r"|<style|<object|<embed|<base|\sstyle=|\son[a-z]+=|javascript:|data:",
    re.IGNORECASE,
)


def weight(visitor: Visitor, page: Response) -> int:
    """Bytes on the wire of a page and all that it names."""
    names = NEEDED.findall(page.text)
    client = visitor.client
    total = int(page.headers["content-length"])
    for name in names:
        if name.startswith(("/coordinator/mail/", "/registry/")):
            # The mail itself, or the public registry, in a frame.
            total += int(client.get(unescape(name)).headers["content-length"])
            continue
        assert re.fullmatch(r"/static/[\w.-]+-[0-9a-f]{12}\.\w+", name), name
        found = client.get(name)
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
        total += int(found.headers["content-length"])
        for inner in re.findall(r'url\("?([^")]*)"?\)', found.text):
            assert re.fullmatch(r"/static/[\w.-]+-[0-9a-f]{12}\.\w+", inner), inner
            total += int(client.get(inner).headers["content-length"])
    return total


def test_every_page_is_light_and_self_contained(sqlite_applicant_web: WebClient) -> None:
    ids = furnish(sqlite_applicant_web.cast)
    visitors = {stop.email: sqlite_applicant_web.visit(stop.email) for stop in STOPS}
    for email, path, _ in STOPS:
        page = visitors[email].get(path.format(**ids))
        assert page.headers["content-type"].startswith("text/html"), path
        assert weight(visitors[email], page) < MOST, path
        assert FORBIDDEN.findall(page.text) == [], path
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'" in policy


def test_a_year_of_daily_entries_is_light_too(sqlite_web: WebClient) -> None:
    cast = sqlite_web.cast
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(320)]
    rows = [
        {
            "person_id": cast.people[ALICE],
            "activity": "training",
            "held_on": day,
            "minutes": 30,
            "title": f"Study circle, evening {number}",
        }
        for number, day in enumerate(days)
    ]
    with writing(cast.engine) as session:
        session.connection().execute(METADATA.tables["entry"].insert(), rows)
        evaluate_people(session, sqlite_web.rulebooks, [cast.people[ALICE]], sqlite_web.now)
    alice = sqlite_web.visit(ALICE)
    page = alice.get("/my-year")
    assert page.text.count("Study circle") >= 320
    assert weight(alice, page) < MOST


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8", True),
        ("", False),
        ("br", False),
    ],
)
def test_only_clients_that_accept_gzip_get_it(
    sqlite_web: WebClient, header: str, *, takes: bool
) -> None:
    client = sqlite_web.visit(ALICE).client
    style = sqlite_web.app.state.site.pages.assets.path("site.css")
    for path in ("/my-year", style):
        answer = client.get(path, headers={"Accept-Encoding": header})
        assert (answer.headers.get("content-encoding") == "gzip") == takes
        assert "accept-encoding" in answer.headers["vary"].lower()
        assert "<h1" in answer.text or ":root" in answer.text


def test_compressed_length_varies_at_random(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    lengths = {alice.get("/log").headers["content-length"] for _ in range(12)}
    assert len(lengths) > 3


def test_pages_with_secrets_stay_uncompressed(sqlite_web: WebClient) -> None:
    pages = sqlite_web.app.state.site.pages

    def secret() -> Response:
        shown: Response = pages.render(
            "front.html", people=(), is_signed_out=False, takes_applicants=False
        )
        shown.headers["cache-control"] = "no-store, no-transform"
        return shown

    sqlite_web.app.add_api_route("/secret", secret, response_model=None)
    answer = sqlite_web.visit().get("/secret")
    assert "content-encoding" not in answer.headers


def test_an_unknown_asset_is_absent(sqlite_web: WebClient) -> None:
    assert sqlite_web.visit().get("/static/x").status_code == 404
