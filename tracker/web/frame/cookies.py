"""The cookies: the session's, the one that remembers which browser asked to sign in, and others."""

from fastapi.responses import RedirectResponse, Response

from tracker.records.sign_in.sessions import LONGEST_SESSION_DAYS
from tracker.records.sign_in.sign_in import SIGN_IN_MINUTES
from tracker.web.frame.own_paths import safe_path
from tracker.web.frame.site import Site

ASKED = "sign-in"
# The pages that a browser keeps. Not "cookies": it would clear those of every other site of the
# same domain, too.
FORGET = '"cache"'
_ASKED_PATH = "/sign-in"
_SECONDS_IN_MINUTE = 60
_SECONDS_IN_DAY = 86_400


def signed_in(site: Site, token: str, wanted: str) -> Response:
    """Give a browser its session, and send it to the page that it wanted."""
    response = RedirectResponse(safe_path(wanted), 303)
    # How long a session lasts is the database's to say: it ends earlier where it is not used.
    seconds = LONGEST_SESSION_DAYS * _SECONDS_IN_DAY
    set_cookie(response, site, site.cookie_name, token, "/", seconds)
    take_cookie(response, site, ASKED, _ASKED_PATH)
    return response


def take_session(response: Response, site: Site) -> None:
    """Take a browser's session away, and the pages that it kept."""
    response.headers["clear-site-data"] = FORGET
    take_cookie(response, site, site.cookie_name, "/")


def remember_asking(response: Response, site: Site, token: str) -> None:
    """Let this browser sign in with the code alone."""
    set_cookie(response, site, ASKED, token, _ASKED_PATH, SIGN_IN_MINUTES * _SECONDS_IN_MINUTE)


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


def take_cookie(response: Response, site: Site, name: str, path: str) -> None:
    """Take a cookie away."""
    # A __Host- cookie is only replaced by one that is secure too.
    response.delete_cookie(name, path=path, secure=site.is_https, httponly=True, samesite="lax")
