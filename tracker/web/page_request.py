"""What a page needs to answer a signed-in viewer: one FastAPI dependency instead of four."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Query
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.refusal_text import format_refusal
from tracker.services.context import Refused, ServiceContext
from tracker.web.dependencies import NowDep, Site, SiteDep, Viewer, ViewerDep, require_person
from tracker.web.flash import Flash, FlashDep, redirect_with_flash
from tracker.web.time_zones import own_today

T = TypeVar("T")
# How many items a page of a list shows, and its number in the address.
PAGE_SIZE = 50
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A signed-in viewer's request: the site, the instant, and the message for the page."""

    site: Site
    now: datetime
    viewer: Viewer
    flash: Flash

    @property
    def person_id(self) -> int:
        """The viewer's id; 404 for a coordinator who is not a person in the database."""
        if self.viewer.person_id is None:
            raise HTTPException(404)
        return self.viewer.person_id

    def reading(self) -> AbstractContextManager[Session]:
        """A session that reads one state of the database."""
        return reading(self.site.engine)

    def today(self, session: Session) -> date:
        """The day in the viewer's own time zone."""
        return own_today(session, self.site, self.person_id, self.now)

    def write(self, work: Callable[[ServiceContext], T]) -> T:
        """Run a service on behalf of the viewer, as `Site.write`."""
        return self.site.write(self.viewer, self.now, work)

    def render(
        self,
        template: str,
        *,
        problems: Sequence[tuple[str, str]] = (),
        notices: Mapping[str, str] | None = None,
        **values: Any,  # noqa: ANN401 - what a template prints
    ) -> HTMLResponse:
        """The page, with status 422 if there are problems.

        ``notices`` has the text of each message that a redirect to this page may bring.
        """
        page = self.site.pages.render(
            template,
            status=422 if problems else 200,
            viewer=self.viewer,
            problems=problems,
            notice=(notices or {}).get(self.flash.code, ""),
            **values,
        )
        return self.flash.clear(page)

    def redirect(self, path: str, message: str) -> Response:
        """Redirect to the page at ``path``, which shows a message."""
        return redirect_with_flash(self.site, path, message)


async def get_viewer_page(
    site: SiteDep, now: NowDep, viewer: ViewerDep, flash: FlashDep
) -> PageRequest:
    """The request of anyone who is signed in."""
    return PageRequest(site, now, viewer, flash)


ViewerPage = Annotated[PageRequest, Depends(get_viewer_page)]


async def get_person_page(page: ViewerPage) -> PageRequest:
    """The request of a person; 404 for a coordinator who is not a person in the database."""
    await require_person(page.viewer)
    return page


PersonPage = Annotated[PageRequest, Depends(get_person_page)]


async def get_provider_page(page: PersonPage) -> PageRequest:
    """The request of an RSC provider; 404 for anyone else."""
    if not page.viewer.provides_rsc:
        raise HTTPException(404)
    return page


async def get_coordinator_page(page: ViewerPage) -> PageRequest:
    """The request of a coordinator; 404 for anyone else."""
    if not page.viewer.coordinates:
        raise HTTPException(404)
    return page


CoordinatorPage = Annotated[PageRequest, Depends(get_coordinator_page)]
ProviderPage = Annotated[PageRequest, Depends(get_provider_page)]


def count_pages(items: int) -> int:
    """How many pages a list takes, at least one."""
    return max(1, -(-items // PAGE_SIZE))


def format_problems(refused: Refused) -> list[tuple[str, str]]:
    """Why a service refused, as (field, sentence), for a form whose fields have its names."""
    return [(one.field, format_refusal(one.code, one.facts)) for one in refused.refusals]
