"""Cookies: the session's, the one of a started sign-in, and messages for the next page."""

from collections.abc import Mapping
from typing import Annotated, TypeVar
from urllib.parse import quote, unquote, urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from tracker.services.browser_sessions import MAX_SESSION_DAYS
from tracker.services.known_devices import DEVICE_DAYS
from tracker.services.sign_in import SIGN_IN_MINUTES
from tracker.web.dependencies import Site, SiteDep, safe_path

SIGN_IN_COOKIE, ADDRESS_COOKIE = "sign-in", "sign-in-address"
# Not "cookies": that would clear those of every other site of the same domain, too.
CLEAR_CACHE = '"cache"'
_SECONDS_IN_MINUTE = 60
_SECONDS_IN_DAY = 86_400
_FLASH_COOKIE, _DEVICE_COOKIE = "said", "device"
_FLASH_SECONDS = 60
_Page = TypeVar("_Page", bound=Response)


def sign_in_response(site: Site, token: str, path: str) -> Response:
    """Redirect to the page at ``path`` with the cookie of a new session."""
    response = RedirectResponse(safe_path(path), 303)
    # The database ends a session earlier if it is not used.
    seconds = MAX_SESSION_DAYS * _SECONDS_IN_DAY
    set_cookie(response, site, site.own_cookie(), token, max_age=seconds)
    for name in (SIGN_IN_COOKIE, ADDRESS_COOKIE):
        delete_cookie(response, site, site.own_cookie(name))
    return response


def get_device_cookie(site: Site, request: Request) -> str:
    """The cookie of a browser that signed in before; "" without one."""
    return request.cookies.get(site.own_cookie(_DEVICE_COOKIE), "")


def set_device_cookie(response: Response, site: Site, value: str) -> None:
    """Let this browser prove later that it signed in; this signs nobody in."""
    seconds = DEVICE_DAYS * _SECONDS_IN_DAY
    set_cookie(response, site, site.own_cookie(_DEVICE_COOKIE), value, max_age=seconds)


def clear_session(response: Response, site: Site) -> None:
    """Delete the session cookie, and the pages that the browser kept."""
    response.headers["clear-site-data"] = CLEAR_CACHE
    delete_cookie(response, site, site.own_cookie())


def remember_sign_in(response: Response, site: Site, token: str, email: str) -> None:
    """Let this browser complete the sign-in with the code or the link alone, and show for whom."""
    seconds = SIGN_IN_MINUTES * _SECONDS_IN_MINUTE
    for name, value in ((SIGN_IN_COOKIE, token), (ADDRESS_COOKIE, quote(email))):
        set_cookie(response, site, site.own_cookie(name), value, max_age=seconds)


def set_cookie(response: Response, site: Site, name: str, value: str, *, max_age: int) -> None:
    """Set a cookie that only our own pages get back; ``max_age`` in seconds."""
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        httponly=True,
        samesite="lax",
        secure=site.is_https,
    )


def delete_cookie(response: Response, site: Site, name: str) -> None:
    """Delete a cookie."""
    # Only a secure cookie replaces one whose name starts with __Host-.
    response.delete_cookie(name, secure=site.is_https, httponly=True, samesite="lax")


async def get_flash(request: Request, site: SiteDep) -> str:
    """The code of the message for the requested page, which knows its sentence; "" for none."""
    code, _, path = request.cookies.get(site.own_cookie(_FLASH_COOKIE), "").partition(":")
    return code if unquote(path) == request.url.path else ""


FlashDep = Annotated[str, Depends(get_flash)]


def clear_flash(page: _Page, site: Site, flash: str) -> _Page:
    """Return the page that showed the message, so that no other page shows it again."""
    if flash:
        delete_cookie(page, site, site.own_cookie(_FLASH_COOKIE))
    return page


def redirect_with_flash(
    site: Site, path: str, code: str, query: Mapping[str, str] | None = None
) -> Response:
    """Redirect to the page at ``path`` with the message ``code``.

    The path may have a query, if no other is given.
    """
    response = RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
    # The page that shows it is known by its path alone.
    shown_at = quote(path.partition("?")[0], safe="")
    name, value = site.own_cookie(_FLASH_COOKIE), f"{code}:{shown_at}"
    set_cookie(response, site, name, value, max_age=_FLASH_SECONDS)
    return response
