"""What surrounds every page: whose forms are taken, how large, and the headers."""

import pytest
from fastapi.testclient import TestClient
from starlette import formparsers

from tests.support.cast import ALICE, BOOKS
from tests.web.client import TRAINING, WebClient
from tracker.web import middleware
from tracker.web.app import build_app

FOREIGN = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "null", "Host": ""},
    {"Origin": "", "Host": ""},
    {"Origin": "http://", "Host": ""},
    {"Origin": "https://testserver"},
    {"Origin": "https://localhost:8000", "Host": "localhost:8000"},
    {"Origin": "http://testserver.evil.example"},
    {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://testserver", "Sec-Fetch-Site": "same-site"},
]
OWN = [
    {"Origin": "http://testserver"},
    # A demo that is opened by another name of the same computer.
    {"Origin": "http://localhost:8000", "Host": "localhost:8000"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "null", "Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/log", "/sign-in", "/sign-out", "/entries/1/delete"])
def test_forms_of_other_sites_are_refused(
    sqlite_web: WebClient, path: str, headers: dict[str, str]
) -> None:
    alice = sqlite_web.visit(ALICE)
    assert alice.client.post(path, data=TRAINING, headers=headers).status_code == 403
    assert alice.get("/my-year").status_code == 200


@pytest.mark.parametrize("headers", OWN)
def test_forms_of_our_own_are_taken(sqlite_web: WebClient, headers: dict[str, str]) -> None:
    alice = sqlite_web.visit(ALICE)
    assert alice.client.post("/log", data=TRAINING, headers=headers).status_code == 303


def test_a_body_too_large_is_refused_whether_it_says_so_or_not(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    origin = {"Origin": "http://testserver"}
    told = alice.client.post("/log", content=b"x" * 70_000, headers=origin)
    untold = alice.client.post("/log", content=(b"x" * 1000 for _ in range(70)), headers=origin)
    wrong = alice.client.post("/log", content=b"", headers=origin | {"Content-Length": "9" * 5000})
    assert [a.status_code for a in (told, untold, wrong)] == [413, 413, 413]


def test_every_answer_has_the_security_headers(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    style = sqlite_web.app.state.site.pages.assets.path("site.css")
    for path in ("/", "/my-year", "/log", "/nowhere", style, "/healthz"):
        headers = alice.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in headers


def test_pages_are_kept_for_back_alone_what_is_taken_away_never_and_styles_for_ever(
    sqlite_web: WebClient,
) -> None:
    alice = sqlite_web.visit(ALICE)
    for page in (alice.get("/my-year"), alice.post("/log", {"hours": "x"}), alice.get("/nowhere")):
        assert page.headers["cache-control"] == "private, no-cache"
        assert "cookie" in page.headers["vary"].lower()
    for path in ("/takeaways/my-data.zip", "/takeaways", "/healthz", "/signed-out.svg"):
        assert alice.get(path).headers["cache-control"].startswith("no-store"), path
    style = sqlite_web.app.state.site.pages.assets.path("site.css")
    assert alice.get(style).headers["cache-control"] == "public, max-age=31536000, immutable"
    assert alice.get("/static/site.css").status_code == 404


def test_no_page_carries_scripts_or_styles_of_its_own(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    for path in ("/my-year", "/log", "/sign-in"):
        page = alice.get(path).text
        for word in ("<script", "<style", " style=", " onclick="):
            assert word not in page


def test_behind_tls_cookies_stay_there(sqlite_web: WebClient) -> None:
    sqlite_web.cast.settings  # noqa: B018 - built anew below
    settings = sqlite_web.cast.settings.model_copy(update={"base_url": "https://testserver"})
    app = build_app(settings, sqlite_web.cast.engine, BOOKS, now=lambda: sqlite_web.now)
    client = TestClient(app, base_url="https://testserver", follow_redirects=False)
    answer = client.post(
        "/sign-in", data={"email": ALICE}, headers={"Origin": "https://testserver"}
    )
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    app.state.site.background.settle()


def test_a_failure_says_so_and_tells_nothing_else(sqlite_web: WebClient) -> None:
    sqlite_web.cast.engine.dispose()
    with sqlite_web.cast.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE audit_event")
    alice = sqlite_web.visit(ALICE)
    alice.client = TestClient(
        sqlite_web.app, follow_redirects=False, raise_server_exceptions=False,
        cookies=alice.client.cookies,
    )  # fmt: skip
    answer = alice.post("/log", TRAINING)
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "audit_event" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    # Nothing of it is stored: the entry was in the same transaction.
    assert sqlite_web.cast.rows("entry", title="Book club") == []


def test_no_redirect_leads_to_the_host_that_a_request_names(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(ALICE).client.get("/log/", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 404


def test_nobodys_large_files_are_never_written_anywhere(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    monkeypatch.setattr(formparsers, "SpooledTemporaryFile", written.append)
    headers = {"Origin": "http://testserver"}
    for cookie in ("", "session=made-up"):
        visitor = sqlite_web.visit().client
        for path in ("/log", "/entries/1/edit"):
            answer = visitor.post(
                path,
                data=TRAINING,
                files={"files": ("a.pdf", b"x" * 70_000)},
                headers=headers | {"Cookie": cookie},
            )
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in?")
            assert "said=undone:" in answer.headers["set-cookie"]
    assert written == []


def test_an_upload_from_which_nothing_comes_is_given_up(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "_IDLE_SECONDS", 0)
    alice = sqlite_web.visit(ALICE).client
    files = {"files": ("a.pdf", b"x" * 70_000)}
    answer = alice.post("/log", data=TRAINING, files=files, headers=OWN[0])
    assert answer.status_code == 408


def test_so_many_uploads_at_once_and_no_more(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "_MOST_UPLOADS", 0)
    alice = sqlite_web.visit(ALICE).client
    files = {"files": ("a.pdf", b"x" * 70_000)}
    assert alice.post("/log", data=TRAINING, files=files, headers=OWN[0]).status_code == 503
