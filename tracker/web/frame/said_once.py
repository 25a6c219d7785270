"""What a page says once, after the form that led to it: in a cookie that goes as it is shown.

Loading the page again, or from a bookmark, says nothing: by then it may no longer be true. Back
shows the page as the browser kept it, or without the word. The cookie names the page, so that
another one which is open does not take the word away, and is gone after a minute if none is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import quote, unquote, urlencode

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from tracker.web.frame.cookies import set_cookie, take_cookie
from tracker.web.frame.site import Site, TheSite

_NAME = "said"
_SECONDS = 60
_Page = TypeVar("_Page", bound=Response)


@dataclass(frozen=True, slots=True)
class Said:
    """The ``word`` for what was done, of which the page knows the sentence; mostly empty."""

    site: Site
    word: str

    def once(self, page: _Page) -> _Page:
        """The page, which has shown what there is to say: the next one says it no more."""
        if self.word:
            take_cookie(page, self.site, self.site.own_cookie(_NAME), "/")
        return page


def said_to(request: Request, site: Site) -> Said:
    """What was said to the page that is asked for."""
    word, _, path = request.cookies.get(site.own_cookie(_NAME), "").partition(":")
    return Said(site, word if unquote(path) == request.url.path else "")


async def said(request: Request, site: TheSite) -> Said:
    """The same, for whoever depends on it."""
    return said_to(request, site)


TheSaid = Annotated[Said, Depends(said)]


def go_and_say(
    site: Site, path: str, word: str, query: Mapping[str, str] | None = None
) -> Response:
    """Lead to the page at ``path`` (without its ``query``), to say what ``word`` stands for."""
    response = RedirectResponse(f"{path}?{urlencode(query)}" if query else path, 303)
    name, value = site.own_cookie(_NAME), f"{word}:{quote(path, safe='')}"
    set_cookie(response, site, name, value, "/", _SECONDS)
    return response
