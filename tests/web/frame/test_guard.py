"""What surrounds every page: whose forms are taken, how large, and the headers."""

import pytest
from fastapi.testclient import TestClient
from starlette import formparsers
from structlog.testing import capture_logs

from tests.support.cast import ALICE, BOOKS
from tests.web.client import TRAINING, WebClient
from tests.web.signing import find_code
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
def test_our_own_forms_are_accepted(sqlite_web: WebClient, headers: dict[str, str]) -> None:
    alice = sqlite_web.visit(ALICE)
    assert alice.client.post("/log", data=TRAINING, headers=headers).status_code == 303


def test_large_bodies_are_refused(sqlite_web: WebClient) -> None:
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


def test_cache_headers_fit_pages_downloads_and_styles(
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


def test_no_other_origin_may_read_answers(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for path in ("/my-year", "/api/v1/entries", "/api/v1/openapi.json"):
        for method in ("GET", "OPTIONS"):
            answer = alice.client.request(method, path, headers=headers)
            assert not any(name.startswith("access-control") for name in answer.headers)


def test_every_text_names_its_encoding(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    names = sqlite_web.app.state.site.pages.assets
    for path in ("/my-year", names.path("site.css"), "/signed-out.svg", "/nowhere"):
        assert alice.get(path).headers["content-type"].endswith("; charset=utf-8"), path


def test_pages_have_no_inline_scripts_or_styles(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    for path in ("/my-year", "/log", "/sign-in"):
        page = alice.get(path).text
        for word in ("<script", "<style", " style=", " onclick="):
            assert word not in page


def secure_client(web: WebClient, **web_settings: object) -> TestClient:
    """A visitor of the same site behind TLS, with these settings of the table ``web``."""
    settings = web.cast.settings
    changed = {
        "base_url": "https://testserver",
        "web": settings.web.model_copy(update=web_settings),
    }
    app = build_app(
        settings.model_copy(update=changed), web.cast.engine, BOOKS, now=lambda: web.now
    )
    headers = {"Origin": "https://testserver"}
    return TestClient(app, base_url="https://testserver", follow_redirects=False, headers=headers)


def test_every_cookie_is_bound_to_host_and_tls(sqlite_web: WebClient) -> None:
    client = secure_client(sqlite_web)
    answer = client.post("/sign-in", data={"email": ALICE})
    client.app.state.site.background.settle()  # type: ignore[attr-defined]
    code = find_code(sqlite_web.mails()[-1])
    signed_in = client.post("/sign-in/code", data={"code": code})
    assert signed_in.status_code == 303
    cookies = [
        *answer.headers.get_list("set-cookie"),
        *signed_in.headers.get_list("set-cookie"),
        *client.post("/sign-out").headers.get_list("set-cookie"),
    ]
    names = {cookie.partition("=")[0] for cookie in cookies}
    assert names == {
        "__Host-sign-in",
        "__Host-sign-in-address",
        "__Host-session",
        "__Host-device",
        "__Host-said",
    }
    for cookie in cookies:
        parts = {part.lower() for part in cookie.split("; ")}
        assert {"httponly", "path=/", "samesite=lax", "secure"} <= parts
        assert not any(part.startswith("domain") for part in parts)


def test_browsers_use_tls_for_subdomains_too(sqlite_web: WebClient) -> None:
    for path in ("/", "/nowhere", "/api/v1/entries"):
        told = secure_client(sqlite_web).get(path).headers["strict-transport-security"]
        assert told == "max-age=31536000; includeSubDomains"


def test_a_setting_leaves_subdomains_alone(sqlite_web: WebClient) -> None:
    headers = secure_client(sqlite_web, hsts_subdomains=False).get("/").headers
    assert headers["strict-transport-security"] == "max-age=31536000"


def test_a_failure_reveals_nothing(sqlite_web: WebClient) -> None:
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


def test_redirects_ignore_the_host_header(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(ALICE).client.get("/log/", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 404


def test_uploads_of_strangers_are_never_stored(
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


def test_a_stalled_upload_is_given_up(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "_IDLE_SECONDS", 0)
    alice = sqlite_web.visit(ALICE).client
    files = {"files": ("a.pdf", b"x" * 70_000)}
    answer = alice.post("/log", data=TRAINING, files=files, headers=OWN[0])
    assert answer.status_code == 408


def test_simultaneous_uploads_are_limited(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "_MOST_UPLOADS", 0)
    alice = sqlite_web.visit(ALICE).client
    files = {"files": ("a.pdf", b"x" * 70_000)}
    assert alice.post("/log", data=TRAINING, files=files, headers=OWN[0]).status_code == 503


def test_a_refused_origin_is_logged_with_both_addresses(sqlite_web: WebClient) -> None:
    client = sqlite_web.visit().client
    with capture_logs() as lines:
        foreign = b"https://old.example\xe9" + b"x" * 300
        client.post("/sign-in", headers={b"Origin": foreign})
        client.post("/sign-in")
    found = [line for line in lines if line["event"].startswith("a form was refused")]
    assert [line["base_url"] for line in found] == ["http://testserver"] * 2
    assert found[0]["sent_from"].startswith("https://old.example\\x")
    assert len(found[0]["sent_from"]) < 220
    assert found[1]["sent_from"] == "none"


def test_a_form_of_our_own_logs_no_refusal(sqlite_web: WebClient) -> None:
    with capture_logs() as lines:
        sqlite_web.visit().post("/sign-in", {"email": "a@example.org"})
    assert not [line for line in lines if "refused" in line["event"]]
