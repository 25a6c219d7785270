"""The cookies: the session's, the one that remembers which browser asked to sign in, and others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import quote, unquote, urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from tracker.services.browser_sessions import LONGEST_SESSION_DAYS
from tracker.services.sign_in import SIGN_IN_MINUTES
from tracker.web.dependencies import Site, SiteDep, safe_path

SIGN_IN_COOKIE = "sign-in"
# The pages that a browser keeps. Not "cookies": it would clear those of every other site of the
# same domain, too.
CLEAR_CACHE = '"cache"'
_ASKED_PATH = "/sign-in"
_SECONDS_IN_MINUTE = 60
_SECONDS_IN_DAY = 86_400


def sign_in_response(site: Site, token: str, wanted: str) -> Response:
    """Give a browser its session, and send it to the page that it wanted."""
    response = RedirectResponse(safe_path(wanted), 303)
    # How long a session lasts is the database's to say: it ends earlier where it is not used.
    seconds = LONGEST_SESSION_DAYS * _SECONDS_IN_DAY
    set_cookie(response, site, site.cookie_name, token, "/", seconds)
    delete_cookie(response, site, SIGN_IN_COOKIE, _ASKED_PATH)
    return response


def clear_session(response: Response, site: Site) -> None:
    """Take a browser's session away, and the pages that it kept."""
    response.headers["clear-site-data"] = CLEAR_CACHE
    delete_cookie(response, site, site.cookie_name, "/")


def remember_sign_in(response: Response, site: Site, token: str) -> None:
    """Let this browser sign in with the code alone."""
    set_cookie(
        response, site, SIGN_IN_COOKIE, token, _ASKED_PATH, SIGN_IN_MINUTES * _SECONDS_IN_MINUTE
    )


def set_cookie(
    response: Response, site: Site, name: str, value: str, path: str, seconds: int
) -> None:
    """Give a browser a cookie that nothing but our pages gets back."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        httponly=True,
        samesite="lax",
        secure=site.is_https,
    )


def delete_cookie(response: Response, site: Site, name: str, path: str) -> None:
    """Take a cookie away."""
    # A __Host- cookie is only replaced by one that is secure too.
    response.delete_cookie(name, path=path, secure=site.is_https, httponly=True, samesite="lax")


_NAME = "said"
_SECONDS = 60
_Page = TypeVar("_Page", bound=Response)


@dataclass(frozen=True, slots=True)
class Flash:
    """The ``word`` for what was done, of which the page knows the sentence; mostly empty."""

    site: Site
    code: str

    def clear(self, page: _Page) -> _Page:
        """The page, which has shown what there is to say: the next one says it no more."""
        if self.code:
            delete_cookie(page, self.site, self.site.own_cookie(_NAME), "/")
        return page


def flash_of(request: Request, site: Site) -> Flash:
    """What was said to the page that is asked for."""
    word, _, path = request.cookies.get(site.own_cookie(_NAME), "").partition(":")
    return Flash(site, word if unquote(path) == request.url.path else "")


async def flash(request: Request, site: SiteDep) -> Flash:
    """The same, for whoever depends on it."""
    return flash_of(request, site)


FlashDep = Annotated[Flash, Depends(flash)]


def redirect_with_flash(
    site: Site, path: str, word: str, query: Mapping[str, str] | None = None
) -> Response:
    """Lead to the page at ``path`` (without its ``query``), to say what ``word`` stands for."""
    response = RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
    name, value = site.own_cookie(_NAME), f"{word}:{quote(path, safe='')}"
    set_cookie(response, site, name, value, "/", _SECONDS)
    return response
