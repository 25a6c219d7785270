"""The two cookies: the session's, and the one that remembers which browser asked to sign in."""

from urllib.parse import urlsplit

from fastapi.responses import RedirectResponse, Response

from tracker.records.sign_in import SESSION_DAYS, SIGN_IN_MINUTES
from tracker.web.site import Site

ASKED = "sign-in"
_ASKED_PATH = "/sign-in"
_SECONDS_IN_MINUTE = 60
_SECONDS_IN_DAY = 86_400


def safe_path(wanted: str) -> str:
    """A path of ours that somebody wanted to go to; the first page for anything else."""
    if not (wanted.isascii() and wanted.isprintable()) or "\\" in wanted:
        return "/"
    if not wanted.startswith("/") or wanted.startswith("//"):
        return "/"
    parts = urlsplit(wanted)
    return "/" if parts.scheme or parts.netloc else wanted


def signed_in(site: Site, token: str, wanted: str) -> Response:
    """Give a browser its session, and send it to the page that it wanted."""
    response = RedirectResponse(safe_path(wanted), 303)
    _set(response, site, site.cookie_name, token, "/", SESSION_DAYS * _SECONDS_IN_DAY)
    response.delete_cookie(
        ASKED, path=_ASKED_PATH, secure=site.is_https, httponly=True, samesite="lax"
    )
    return response


def signed_out(site: Site) -> Response:
    """Take a browser's session away, and send it to the first page."""
    response = RedirectResponse("/", 303)
    # A __Host- cookie is only replaced by one that is secure too.
    response.delete_cookie(
        site.cookie_name, path="/", secure=site.is_https, httponly=True, samesite="lax"
    )
    return response


def remember_asking(response: Response, site: Site, token: str) -> None:
    """Let this browser sign in with the code alone."""
    _set(response, site, ASKED, token, _ASKED_PATH, SIGN_IN_MINUTES * _SECONDS_IN_MINUTE)


def _set(response: Response, site: Site, name: str, token: str, path: str, seconds: int) -> None:
    response.set_cookie(
        name,
        token,
        max_age=seconds,
        path=path,
        httponly=True,
        samesite="lax",
        secure=site.is_https,
    )
