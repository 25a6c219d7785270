"""Signing in with an identity provider: a real one on loopback, and one that goes wrong."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from httpx2 import Response
from pydantic import SecretStr

from tests.support import identity_provider
from tests.support.cast import ALICE, BASE_URL, CAROL, DAN, Cast
from tests.support.identity_provider import TestProvider, running_provider
from tests.web.client import Visitor, WebClient
from tracker import clock
from tracker.checks.environment import Fact, Finding
from tracker.cli.check import run_checks
from tracker.cli.serve import open_provider
from tracker.db.access import BrowserSession
from tracker.services.security_events import SIGN_IN
from tracker.settings import SettingsError, SingleSignOn, load_settings
from tracker.web.oidc import OidcProvider

RETURN = f"{BASE_URL}/sign-in/provider/return"
VERIFIED = {"email": CAROL, "email_verified": True}
# The provider uses parts of Authlib that are deprecated. We do not.
pytestmark = [
    pytest.mark.filterwarnings("ignore::authlib.deprecate.AuthlibDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:get_jwt_config:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[TestProvider]:
    with running_provider(RETURN) as provider:
        yield provider


@pytest.fixture
def provider(server: TestProvider) -> TestProvider:
    """A provider that does everything right, with Carol's verified address."""
    fresh = TestProvider()
    server.change, server.sign, server.breaks = fresh.change, fresh.sign, fresh.breaks
    server.knows(**VERIFIED)
    return server


@dataclass
class SignIn:
    """A site with the provider, and one browser."""

    web: WebClient
    provider: TestProvider
    visitor: Visitor

    def begin(self, path: str = "/sign-in/provider?next=/coordinator/people") -> str:
        sent = self.visitor.get(path)
        assert sent.status_code == 303
        return sent.headers["location"]

    def complete(self) -> Response:
        return self.visitor.get(self.provider.sign_in(self.begin()))

    @property
    def is_signed_in(self) -> bool:
        return bool(self.sessions)

    @property
    def sessions(self) -> list[dict[str, Any]]:
        return self.web.cast.rows(str(BrowserSession.__tablename__))


def site(cast: Cast, provider: TestProvider, **options: object) -> WebClient:
    values = {
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "client_secret": SecretStr(provider.client_secret),
        "name": "Lakeside accounts",
        **options,
    }
    oidc = SingleSignOn.model_validate(values)
    settings = cast.settings.model_copy(update={"oidc": oidc})
    # The provider's tokens are valid now.
    return WebClient(cast, clock.now(), settings=settings, provider=OidcProvider(oidc))


@pytest.fixture
def sqlite_cast(sqlite_web: WebClient) -> Cast:
    return sqlite_web.cast


@pytest.fixture
def signing(sqlite_cast: Cast, provider: TestProvider) -> SignIn:
    web = site(sqlite_cast, provider)
    return SignIn(web, provider, web.visit())


def test_a_coordinator_signs_in_and_sees_the_wanted_page(
    cast: Cast, provider: TestProvider
) -> None:
    web = site(cast, provider)
    signing = SignIn(web, provider, web.visit())
    answer = signing.complete()
    assert (answer.status_code, answer.headers["location"]) == (303, "/coordinator/people")
    assert "Alice Moreno" in signing.visitor.get("/coordinator/people").text
    [session] = signing.sessions
    assert session["email"] == CAROL


def test_the_sign_in_page_offers_the_provider(signing: SignIn) -> None:
    page = signing.visitor.get("/sign-in?next=/coordinator").text
    assert 'href="/sign-in/provider?next=/coordinator">Sign in with Lakeside accounts' in page
    assert "Email me a code" in page


def test_a_site_without_a_provider_has_no_such_page(web: WebClient) -> None:
    assert web.visit().get("/sign-in/provider").status_code == 404
    assert web.visit().get("/sign-in/provider/return?code=x&state=y").status_code == 404
    assert "/sign-in/provider" not in web.visit().get("/sign-in").text


@pytest.mark.parametrize("email", [ALICE, "stranger@example.org"])
def test_nobody_gets_a_role_by_signing_in(signing: SignIn, email: str) -> None:
    signing.provider.knows(email=email, email_verified=True)
    answer = signing.complete()
    assert answer.status_code == 403
    assert "not on any association" in answer.text
    assert email in answer.text
    assert not signing.is_signed_in
    assert signing.web.cast.rows("security_event")[-1]["outcome"] == "provider: no role"


def test_an_address_in_capitals_is_the_same_address(signing: SignIn) -> None:
    signing.provider.knows(email=CAROL.upper(), email_verified=True)
    signing.complete()
    assert [session["email"] for session in signing.sessions] == [CAROL]


@pytest.mark.parametrize(
    "claims",
    [
        {"email": CAROL, "email_verified": False},
        {"email": CAROL},
        {"email_verified": True},
        {"email": "", "email_verified": True},
        {"email": [CAROL], "email_verified": True},
    ],
)
def test_an_unverified_address_signs_nobody_in(signing: SignIn, claims: dict[str, Any]) -> None:
    signing.provider.knows(**claims)
    answer = signing.complete()
    assert (answer.status_code, signing.is_signed_in) == (403, False)
    assert "not verified there" in answer.text


def test_other_claims_can_name_the_address(sqlite_cast: Cast, provider: TestProvider) -> None:
    web = site(sqlite_cast, provider, email_claim="upn", verified_claim="")
    provider.knows(upn=DAN)
    signing = SignIn(web, provider, web.visit())
    signing.complete()
    assert [session["email"] for session in signing.sessions] == [DAN]


@pytest.mark.parametrize(
    "sign",
    [
        identity_provider.sign_with_another_key,
        identity_provider.sign_with_the_public_key,
        identity_provider.sign_not_at_all,
        lambda _claims: "garbage",
        lambda _claims: "a.b.c",
    ],
    ids=["another key", "public key", "none", "no parts", "no header"],
)
def test_a_forged_token_signs_nobody_in(signing: SignIn, sign: Callable[..., str]) -> None:
    signing.provider.sign = sign
    answer = signing.complete()
    assert (answer.status_code, signing.is_signed_in) == (403, False)


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": ["another-client", "more"]},
        {"azp": "another-client"},
        {"exp": 1},
        {"exp": None},
        {"iat": 99_999_999_999},
        {"nbf": 99_999_999_999},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
def test_a_token_for_something_else_signs_nobody_in(
    signing: SignIn, change: dict[str, Any]
) -> None:
    def apply(claims: dict[str, Any]) -> None:
        claims.update(change)
        for name in [name for name, value in change.items() if value is None]:
            del claims[name]

    signing.provider.change = apply
    answer = signing.complete()
    assert (answer.status_code, signing.is_signed_in) == (403, False)


@pytest.mark.parametrize(("seconds", "status"), [(-50, 303), (50, 303), (-70, 403), (70, 403)])
def test_clocks_may_differ_by_a_minute(signing: SignIn, seconds: int, status: int) -> None:
    def shift(claims: dict[str, Any]) -> None:
        now = int(signing.web.now.timestamp()) + seconds
        claims.update(iat=now, exp=now if seconds < 0 else now + 300)

    signing.provider.change = shift
    assert signing.complete().status_code == status


def test_a_code_signs_in_only_once(signing: SignIn) -> None:
    url = signing.begin()
    cookies = dict(signing.visitor.client.cookies)
    back = signing.provider.sign_in(url)
    assert signing.visitor.get(back).status_code == 303
    assert signing.visitor.get(back).status_code == 400
    # The same again, by somebody who kept the cookie.
    thief = signing.web.visit()
    thief.client.cookies.update(cookies)
    assert thief.get(back).status_code == 403
    assert len(signing.sessions) == 1


def test_another_browser_cannot_complete_a_sign_in(signing: SignIn) -> None:
    back = signing.provider.sign_in(signing.begin())
    other = signing.web.visit()
    assert other.get(back).status_code == 400
    other.get("/sign-in/provider")
    answer = other.get(back)
    assert answer.status_code == 400
    assert "began in another browser" in answer.text
    assert not signing.is_signed_in


def test_another_issuer_in_the_answer_is_refused(signing: SignIn) -> None:
    back = signing.provider.sign_in(signing.begin())
    answer = signing.visitor.get(f"{back}&{urlencode({'iss': 'https://other.example'})}")
    assert (answer.status_code, signing.is_signed_in) == (403, False)


def test_whoever_cancels_there_can_choose_again(signing: SignIn) -> None:
    back = signing.provider.sign_in(signing.begin(), "deny")
    state = parse_qs(urlsplit(signing.begin()).query)["state"][0]
    answer = signing.visitor.get(f"{back}&state={state}")
    assert answer.status_code == 403
    assert 'href="/sign-in?next=/coordinator/people">Email me a code' in answer.text
    assert not signing.is_signed_in


@pytest.mark.parametrize("path", ["/oauth2/token", "/jwks"])
def test_a_provider_that_breaks_gets_a_clear_page(signing: SignIn, path: str) -> None:
    back = signing.provider.sign_in(signing.begin())
    signing.provider.breaks = {path}
    answer = signing.visitor.get(back)
    assert answer.status_code == 503
    assert "sign in with Lakeside accounts right now" in answer.text
    assert not signing.is_signed_in


def test_a_provider_that_is_down_gets_a_clear_page(
    sqlite_cast: Cast, provider: TestProvider
) -> None:
    # A port of this machine on which nothing listens.
    gone = replace(provider, issuer="http://127.0.0.1:1")
    answer = site(sqlite_cast, gone).visit().get("/sign-in/provider?next=/coordinator")
    assert answer.status_code == 503
    assert 'href="/sign-in?next=/coordinator">Email me a code' in answer.text


def test_an_emailed_code_still_signs_in(signing: SignIn) -> None:
    signing.provider.breaks = {"/.well-known/openid-configuration"}
    assert signing.visitor.post("/sign-in", {"email": CAROL}).status_code == 303


def test_the_earlier_session_of_the_browser_ends(signing: SignIn) -> None:
    visitor = signing.web.visit(CAROL)
    [before] = signing.sessions
    SignIn(signing.web, signing.provider, visitor).complete()
    [after] = signing.sessions
    assert after["token_hash"] != before["token_hash"]


def test_signing_out_ends_the_session_here(signing: SignIn) -> None:
    signing.complete()
    signing.visitor.post("/sign-out")
    assert not signing.is_signed_in
    assert signing.visitor.get("/coordinator/people").status_code == 303


def test_the_provider_does_not_replace_a_code_by_email(signing: SignIn) -> None:
    signing.complete()
    [session] = signing.sessions
    assert session["confirmed_at"] is None
    asked = signing.visitor.post("/second-factor/set-up", {"action": "start"})
    assert asked.status_code == 403
    assert "code" in asked.text


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"amr": ["pwd", "mfa"]}, [True]),
        ({"acr": "mfa"}, [True]),
        ({"amr": ["pwd"]}, [False]),
        ({}, [False]),
        # A claim that is no list is not valid at all.
        ({"amr": "mfa"}, []),
    ],
)
def test_named_methods_count_as_the_second_factor(
    sqlite_cast: Cast, provider: TestProvider, claims: dict[str, Any], expected: list[bool]
) -> None:
    web = site(sqlite_cast, provider, second_factor=("mfa",))
    provider.change = lambda token: token.update(claims)
    signing = SignIn(web, provider, web.visit())
    signing.complete()
    assert [session["factor_at"] is not None for session in signing.sessions] == expected


def test_no_method_counts_unless_it_is_named(signing: SignIn) -> None:
    signing.provider.change = lambda token: token.update(amr=["mfa"], acr="mfa")
    signing.complete()
    assert [session["factor_at"] for session in signing.sessions] == [None]


def test_a_sign_in_is_recorded_as_any_other(signing: SignIn) -> None:
    signing.complete()
    event = signing.web.cast.rows("security_event")[-1]
    assert (event["kind"], event["outcome"]) == (SIGN_IN, "done")


def test_a_foreign_next_page_is_not_followed(signing: SignIn) -> None:
    url = signing.begin("/sign-in/provider?next=https://evil.example")
    answer = signing.visitor.get(signing.provider.sign_in(url))
    assert answer.headers["location"] == "/"


def test_tries_from_one_client_are_limited(sqlite_cast: Cast, provider: TestProvider) -> None:
    web = site(sqlite_cast, provider)
    limits = web.app.state.site.configured.sign_in.model_copy(update={"codes_per_client": 2})
    settings = web.app.state.site.configured.model_copy(update={"sign_in": limits})
    web = WebClient(sqlite_cast, web.now, settings=settings, provider=OidcProvider(settings.oidc))
    visitor = web.visit()
    answers = [visitor.get("/sign-in/provider").status_code for _ in range(3)]
    assert answers == [303, 303, 429]


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Settings of an installation with a provider on a port on which nothing listens."""
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    monkeypatch.setenv("TRACKER_OIDC__ISSUER", "http://127.0.0.1:1")
    monkeypatch.setenv("TRACKER_OIDC__CLIENT_ID", "tracker")
    return monkeypatch


def provider_findings() -> list[str]:
    """What `tracker check` says of the provider: numbers of findings, or the fact."""
    found = []
    for one in run_checks(None):
        if isinstance(one, Finding) and one.id.startswith("T8"):
            found.append(one.id)
        elif isinstance(one, Fact) and one.message.startswith("identity provider"):
            found.append(one.message)
    return found


def test_check_asks_the_provider(configured: pytest.MonkeyPatch, provider: TestProvider) -> None:
    assert provider_findings() == ["T802"]
    configured.setenv("TRACKER_OIDC__ISSUER", provider.issuer)
    assert provider_findings() == [f"identity provider: {provider.issuer}"]
    configured.setenv("TRACKER_OIDC__ISSUER", f"{provider.issuer}/")
    assert len(provider_findings()) == 1


def test_serve_needs_the_extra_only_with_a_provider(configured: pytest.MonkeyPatch) -> None:
    # As if Authlib were not installed.
    configured.setitem(sys.modules, "tracker.web.oidc", None)
    with pytest.raises(SettingsError, match=r"endorsement-tracker\[oidc\]"):
        open_provider(load_settings())
    assert provider_findings() == ["T801"]
    configured.delenv("TRACKER_OIDC__ISSUER")
    assert open_provider(load_settings()) is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ISSUER", "login.example.org", "is not the address of a provider"),
        ("ISSUER", "http://login.example.org", "is not the address of a provider"),
        ("ISSUER", "https://login.example.org/?x=y", "is not the address of a provider"),
        ("CLIENT_ID", "", "client_id is missing"),
        ("PROMPT", "none", "PROMPT"),
        ("CLOCK_SKEW_SECONDS", "3600", "600"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    configured: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    configured.setenv(f"TRACKER_OIDC__{name}", value)
    with pytest.raises(SettingsError, match=reason):
        load_settings()
