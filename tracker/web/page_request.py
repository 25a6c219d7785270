"""What a page needs to answer a signed-in viewer: one FastAPI dependency instead of four."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Query
from fastapi.responses import HTMLResponse, Response
from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.engine import reading
from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.services.browser_sessions import is_confirmed
from tracker.services.context import Refused, ServiceContext
from tracker.services.evaluation import DayOf, days_at
from tracker.services.team import Area, name_members
from tracker.web.dependencies import NowDep, Site, SiteDep, Viewer, ViewerDep
from tracker.web.flash import FlashDep, clear_flash, redirect_with_flash
from tracker.web.forms.body import OwnForm
from tracker.web.time_zones import zone_of

T = TypeVar("T")
# The detail of a refusal because somebody's role lets them look only.
LOOKS_ONLY = "looks only"
# How many items a page of a list shows, and its number in the address.
PAGE_SIZE = 50
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A signed-in viewer's request: the site, the instant, and the code of the page's message."""

    site: Site
    now: datetime
    viewer: Viewer
    flash: str

    @property
    def person_id(self) -> int:
        """The viewer's id; 404 for a coordinator who is not a person in the database."""
        return require(self.viewer.person_id)

    @property
    def is_confirmed(self) -> bool:
        """Whether a code was entered in this browser recently."""
        return is_confirmed(self.viewer.confirmed_at, self.now)

    @property
    def rulebooks(self) -> Rulebooks:
        """The rules in force."""
        return self.site.rulebooks

    def reading(self) -> AbstractContextManager[Session]:
        """A session that reads one state of the database."""
        return reading(self.site.engine)

    def context(self, session: Session) -> ServiceContext:
        """A session as services take it, with the viewer as the actor."""
        return ServiceContext(session, self.rulebooks, self.viewer.actor, self.now)

    @property
    def day_of(self) -> DayOf:
        """The legal day at each association."""
        return days_at(self.rulebooks, self.now)

    def zone(self, session: Session) -> str:
        """The viewer's own time zone, or else that of their first association."""
        return zone_of(session, self.rulebooks, self.person_id)

    def today(self, session: Session) -> date:
        """The day in the viewer's own time zone."""
        return local_day(self.now, self.zone(session))

    @property
    def team_names(self) -> dict[str, str]:
        """The names of everyone on a team, by address."""
        return name_members(self.site.team.members)

    def write(self, work: Callable[[ServiceContext], T]) -> T:
        """Run a service on behalf of the viewer, as `Site.write`."""
        return self.site.write(self.viewer.actor, self.now, work)

    def render(
        self,
        template: str,
        *,
        form: OwnForm | None = None,
        problems: Sequence[tuple[str, str]] = (),
        is_unsaved: bool = False,
        **values: Any,  # noqa: ANN401 - what a template prints
    ) -> HTMLResponse:
        """The page, with status 422 if there are problems or it ``is_unsaved`` for another reason.

        Default for ``problems``: those of the form.
        """
        if form is not None:
            problems = problems or form.problems()
        association = values.get("association")
        values = {**self._describe_rights(association), **values}
        if association in self.rulebooks.associations:
            values.setdefault("branding", self.site.brandings.of(association))
        page = self.site.pages.render(
            template,
            status=422 if problems or is_unsaved else 200,
            viewer=self.viewer,
            form=form,
            problems=problems,
            flash=self.flash,
            team_names=self.team_names,
            with_fees=[each.id for each in self.rulebooks.associations.values() if each.fees],
            with_registry=[
                each.id for each in self.rulebooks.associations.values() if each.registry
            ],
            **values,
        )
        return clear_flash(page, self.site, self.flash)

    def _describe_rights(self, association: str | None) -> dict[str, bool]:
        """What the viewer may do on the desk of a page's association; None: on any desk."""
        viewer = self.viewer
        if association is None or not viewer.opens_desk:
            may_record = bool(viewer.list_changeable(Area.FEES))
            return {"only_looks": viewer.only_looks, "records_payments": may_record}
        return {
            "only_looks": not viewer.may_change(association),
            "records_payments": viewer.may_change(association, Area.FEES),
        }

    def redirect(self, path: str, message: str, *, association: str = "") -> Response:
        """Redirect to the page at ``path``, which shows a message; of an association's desk."""
        query = {"association": association} if association else None
        return redirect_with_flash(self.site, path, message, query)


async def get_viewer_page(
    site: SiteDep, now: NowDep, viewer: ViewerDep, flash: FlashDep
) -> PageRequest:
    """The request of anyone who is signed in."""
    return PageRequest(site, now, viewer, flash)


ViewerPage = Annotated[PageRequest, Depends(get_viewer_page)]


async def get_person_page(page: ViewerPage) -> PageRequest:
    """The request of a person; 404 for a coordinator who is not a person in the database."""
    require(page.viewer.person_id)
    return page


PersonPage = Annotated[PageRequest, Depends(get_person_page)]


async def get_provider_page(page: PersonPage) -> PageRequest:
    """The request of an RSC provider; 404 for anyone else."""
    require(page.viewer.provides_rsc)
    return page


class SecondFactorNeeded(Exception):  # noqa: N818 - reads as the sentence it is
    """The desk opens after the second factor; it may have to be set up first."""

    def __init__(self, *, is_setup: bool) -> None:
        super().__init__("a second factor is needed")
        self.is_setup = is_setup


async def get_coordinator_page(page: ViewerPage) -> PageRequest:
    """The request of someone whose role permits it; 404 for anyone else.

    403 for a change by someone who may only look. Raises SecondFactorNeeded.
    """
    viewer = page.viewer
    if viewer.needs_factor or viewer.needs_factor_setup:
        raise SecondFactorNeeded(is_setup=viewer.needs_factor_setup)
    if viewer.only_looks and not viewer.coordinates:
        raise HTTPException(403, LOOKS_ONLY)
    require(viewer.coordinates)
    return page


CoordinatorPage = Annotated[PageRequest, Depends(get_coordinator_page)]


async def get_change_page(page: CoordinatorPage) -> PageRequest:
    """The request for a form of the desk, with the associations at which the viewer may change it.

    403 for someone who may only look.
    """
    if page.viewer.only_looks:
        raise HTTPException(403, LOOKS_ONLY)
    changeable = page.viewer.list_changeable()
    coordinates = tuple(name for name in page.viewer.coordinates if name in changeable)
    require(coordinates)
    return dataclasses.replace(
        page, viewer=dataclasses.replace(page.viewer, coordinates=coordinates)
    )


ChangePage = Annotated[PageRequest, Depends(get_change_page)]
ProviderPage = Annotated[PageRequest, Depends(get_provider_page)]


def require(found: T | None) -> T:
    """What was found; 404 if there is nothing."""
    if not found:
        raise HTTPException(404)
    return found


def count_pages(items: int) -> int:
    """How many pages a list takes, at least one."""
    return max(1, -(-items // PAGE_SIZE))


def format_problems(refused: Refused) -> list[tuple[str, str]]:
    """Why a service refused, as (field, sentence), for a form whose fields have its names."""
    return [(one.field, format_refusal(one.code, one.facts)) for one in refused.refusals]
