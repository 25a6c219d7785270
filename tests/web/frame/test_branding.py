"""An association's name, color, and logo are on its pages, and on no others."""

import re
from datetime import date
from pathlib import Path

import pytest
from httpx2 import Response
from sqlalchemy import insert, update

from tests.support.cast import ALICE, ATTESTING, BOB, CAROL, DAN, ERIN, NOW
from tests.support.listing import REGISTRY, add_members
from tests.support.logos import PNG, brand
from tests.web.applicants import NORA
from tests.web.client import WebClient
from tests.web.frame.test_page_weight import FORBIDDEN, MOST, weight
from tracker.db.engine import writing
from tracker.db.tables import METADATA

NAME, COLOR, LIGHT = "NCIMHA &lt;families&gt;", "#7a1f5c", "#f4c20d"
STYLE = re.compile(r'<link rel="stylesheet" href="(/static/branding-[0-9a-f]{12}\.css)">')
LOGO = re.compile(
    r'<img src="(/static/logo-[0-9a-f]{12}\.png)" alt="([^"]*) logo" width="48" height="32">'
)


@pytest.fixture
def web(sqlite_web: WebClient, tmp_path: Path) -> WebClient:
    """The site, where two associations have a branding, and all others have none."""
    settings = brand(sqlite_web.cast.settings, tmp_path, NCIMHA=COLOR, ATTESTING=LIGHT)
    return WebClient(sqlite_web.cast, settings=settings)


def is_plain(page: Response) -> bool:
    assert page.status_code == 200
    return "branding" not in page.text and "/static/logo" not in page.text


def test_an_endorsee_sees_name_color_and_logo_on_every_page(web: WebClient) -> None:
    alice = web.visit(ALICE)
    for path in ("/my-year", "/my-year/1/2026-01-01", "/log", "/takeaways", "/profile", "/help"):
        page = alice.get(path)
        assert f"<p>{NAME}</p>" in page.text, path
        [(logo, alt)] = LOGO.findall(page.text)
        [style] = STYLE.findall(page.text)
        assert alt == NAME
    css, picture = alice.get(style), alice.get(logo)
    assert css.text == f":root {{ --branding: {COLOR}; --on-branding: #ffffff; }}\n"
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    for file in (css, picture):
        assert "immutable" in file.headers["cache-control"]
        assert file.headers["x-content-type-options"] == "nosniff"


def test_a_branded_page_stays_light_and_strict(web: WebClient) -> None:
    alice = web.visit(ALICE)
    page = alice.get("/my-year")
    assert weight(alice, page) < MOST
    assert FORBIDDEN.findall(page.text) == []
    plain = WebClient(web.cast).visit(ALICE).get("/my-year")
    policy = "content-security-policy"
    assert page.headers[policy] == plain.headers[policy]


def test_pages_of_others_and_of_nobody_stay_plain(web: WebClient) -> None:
    assert is_plain(web.visit(ERIN).get("/my-year"))
    assert is_plain(web.visit(DAN).get("/coordinator"))
    for path in ("/", "/sign-in", "/sign-in/code", "/help", "/verify", "/audits/CT-AIMH"):
        assert is_plain(web.visit().get(path)), path


@pytest.mark.parametrize("association", ["NCIMHA", "CT-AIMH"])
def test_a_desk_has_the_branding_of_its_association(web: WebClient, association: str) -> None:
    own = {"email": CAROL, "name": "Carol Reyes", "role": "coordinator", "starts_on": NOW.date()}
    with writing(web.cast.engine) as session:
        values = {**own, "association": "CT-AIMH", "added_at": NOW, "added_by": "test"}
        session.connection().execute(insert(METADATA.tables["team_role"]).values(values))
    carol = web.visit(CAROL)
    for path in ("/coordinator", "/coordinator/people", "/coordinator/rules"):
        page = carol.get(f"{path}?association={association}")
        assert is_plain(page) == (association == "CT-AIMH"), path
    # It is about neither.
    assert is_plain(carol.get("/profile/browsers"))


def test_a_person_of_two_associations_has_each_on_its_own_pages(web: WebClient) -> None:
    held = {"association": "CT-AIMH", "category": "IFS", "starts_on": date(2026, 1, 1)}
    with writing(web.cast.engine) as session:
        values = {"person_id": web.cast.people[BOB], **held}
        session.connection().execute(insert(METADATA.tables["endorsement"]).values(values))
    bob, cycle = web.visit(BOB), f"/my-year/{web.cast.endorsements[BOB]}/2026-01-01"
    assert is_plain(bob.get("/my-year"))
    assert NAME in bob.get(cycle).text


def test_a_former_endorsement_no_longer_brands_pages(web: WebClient) -> None:
    moved = {"category": "IFS", "person_id": web.cast.people[ERIN], "starts_on": date(2024, 1, 1)}
    endorsement = METADATA.tables["endorsement"]
    with writing(web.cast.engine) as session:
        connection = session.connection()
        former = update(endorsement).where(endorsement.c.person_id == moved["person_id"])
        connection.execute(former.values(ends_on=date(2026, 11, 21)))
        connection.execute(insert(endorsement).values(**moved, association="NCIMHA"))
    assert NAME in web.visit(ERIN).get("/my-year").text


def test_public_pages_have_it_for_anyone(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        add_members(session, web.cast)
    visitor = web.visit(ALICE)
    for path in (REGISTRY, f"/audits/{ATTESTING}"):
        for shown in (visitor.get(path), web.visit().get(path)):
            assert "<p>ATTESTING &lt;families&gt;</p>" in shown.text
            assert NAME not in shown.text
            [style] = STYLE.findall(shown.text)
    assert f"--branding: {LIGHT}; --on-branding: #000000;" in visitor.get(style).text


def test_an_embedded_registry_has_a_line_in_the_color(web: WebClient) -> None:
    page = web.visit().get(f"{REGISTRY}/embed")
    assert len(STYLE.findall(page.text)) == 1
    assert '<body class="embedded branded">' in page.text
    # The website around it has them.
    assert LOGO.findall(page.text) == []
    assert is_plain(WebClient(web.cast).visit().get(f"{REGISTRY}/embed"))


def test_an_applicant_sees_the_branding_of_their_application(
    sqlite_applicant_web: WebClient, tmp_path: Path
) -> None:
    cast = sqlite_applicant_web.cast
    web = WebClient(cast, settings=brand(cast.settings, tmp_path, VAIMH=COLOR))
    nora = web.visit(NORA)
    for path in ("/my-year", f"/application/{cast.applications[NORA]}"):
        assert "VAIMH &lt;families&gt;" in nora.get(path).text
