"""Signing in with the identity provider of the settings: to it, and back from it.

The way back is a GET request that opens a session, as OpenID Connect has it. It works only in the
browser that began the sign-in, by its cookie, and once, as the provider takes its code only once.
"""

import hmac
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from tracker.services.known_devices import remember_device
from tracker.services.provider_sign_in import (
    FlowSecrets,
    Identity,
    derive_flow,
    open_team_session,
)
from tracker.services.security_events import DONE, SIGN_IN, log_event, record_event
from tracker.services.sign_in import (
    SIGN_IN_MINUTES,
    RateLimit,
    count_try,
    find_person_by_email,
    generate_token,
    normalize_email,
)
from tracker.web.browser_names import format_browser
from tracker.web.dependencies import NowDep, SiteDep, client_of, safe_path
from tracker.web.flash import (
    delete_cookie,
    get_device_cookie,
    set_cookie,
)
from tracker.web.identity import IdentityProvider, ProviderDown, SignInRefused
from tracker.web.page_request import require
from tracker.web.pages.sign_in import NextPath, OpenedSession, too_many_tries, welcome

router = APIRouter()
_PATH = "/sign-in/provider"
_COOKIE = "provider-sign-in"
_SECONDS_IN_MINUTE = 60


class ProviderRequest:
    """A request of a site that has a provider; any other site has no such page."""

    def __init__(self, request: Request, site: SiteDep, now: NowDep) -> None:
        require(site.provider)
        self.request = request
        self.site = site
        self.now = now
        self.provider: IdentityProvider = site.provider  # type: ignore[assignment]
        self.redirect_uri = f"{site.settings.base_url}{_PATH}/return"

    def derive_flow(self, token: str) -> FlowSecrets:
        """The secrets of the sign-in with this token; raises 429 for too many from a client."""
        limit = self.site.settings.sign_in.codes_per_client
        client = RateLimit(client_of(self.request).network, limit)

        def work(session: Session) -> FlowSecrets | timedelta:
            wait = count_try(session, "code", client, None, self.now)
            return derive_flow(session, token) if wait is None else wait

        flow = self.site.writer.run(work)
        if isinstance(flow, timedelta):
            raise too_many_tries(flow)
        return flow

    def show_problem(self, kind: str, status: int, path: str, email: str = "") -> HTMLResponse:
        """The page that says why nobody was signed in, and what to do."""
        page = self.site.pages.render(
            "provider_problem.html",
            here="sign-in",
            status=status,
            kind=kind,
            email=email,
            provider=self.site.settings.oidc.name,
            next=path,
        )
        delete_cookie(page, self.site, self.site.own_cookie(_COOKIE))
        return page


ProviderRequestDep = Annotated[ProviderRequest, Depends()]


@router.get(_PATH)
def open_provider(asked: ProviderRequestDep, next_path: NextPath = "") -> Response:
    """Send the browser to the provider."""
    token, path = generate_token(), safe_path(next_path)
    try:
        url = asked.provider.build_url(asked.derive_flow(token), asked.redirect_uri)
    except ProviderDown as down:
        log_event(SIGN_IN, f"provider down: {down}")
        return asked.show_problem("down", 503, path)
    response = RedirectResponse(url, 303)
    name, seconds = asked.site.own_cookie(_COOKIE), SIGN_IN_MINUTES * _SECONDS_IN_MINUTE
    set_cookie(response, asked.site, name, f"{token}:{quote(path, safe='')}", max_age=seconds)
    return response


@router.get(f"{_PATH}/return")
def come_back(asked: ProviderRequestDep) -> Response:
    """Sign in the browser that comes back from the provider."""
    cookie = asked.request.cookies.get(asked.site.own_cookie(_COOKIE), "")
    token, _, quoted = cookie.partition(":")
    path = safe_path(unquote(quoted))
    query = dict(asked.request.query_params)
    flow = asked.derive_flow(token)
    if not token or not hmac.compare_digest(query.get("state", "").encode(), flow.state.encode()):
        log_event(SIGN_IN, "unknown state")
        return asked.show_problem("state", 400, path)
    try:
        identity = asked.provider.identify(query, flow, asked.redirect_uri, asked.now)
    except ProviderDown as down:
        log_event(SIGN_IN, f"provider down: {down}")
        return asked.show_problem("down", 503, path)
    except SignInRefused as refused:
        log_event(SIGN_IN, f"provider: {refused}")
        return asked.show_problem("refused", 403, path)
    return _finish(asked, identity, path)


def _finish(asked: ProviderRequest, identity: Identity, path: str) -> Response:
    """The page that was wanted, signed in; a clear answer to an address without a role."""
    request, site, now = asked.request, asked.site, asked.now
    email = normalize_email(identity.email)

    def save(session: Session) -> OpenedSession | None:
        browser = format_browser(request.headers.get("user-agent", ""))
        earlier = request.cookies.get(site.own_cookie(), "")
        token = open_team_session(session, site.team, identity, browser, earlier, now)
        person = find_person_by_email(session, email)
        outcome = "provider: no role" if token is None else DONE
        person_id = person.id if person else None
        record_event(session, now, client_of(request), SIGN_IN, outcome, person_id)
        if token is None:
            return None
        cookie = get_device_cookie(site, request)
        return OpenedSession(token, remember_device(session, cookie, email))

    opened = site.writer.run(save)
    if opened is None:
        return asked.show_problem("role", 403, path, email)
    response = welcome(site, opened, path)
    delete_cookie(response, site, site.own_cookie(_COOKIE))
    return response
