"""The public page of an association's draws: what was fixed, before anyone saw who is drawn."""

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse
from starlette.convertors import Convertor, register_url_convertor

from tracker.clock import local_day
from tracker.db.engine import reading
from tracker.formatting import set_locale
from tracker.services.audit_draws import list_draws, parse_strata
from tracker.web.dependencies import OptionalViewerDep, SiteDep
from tracker.web.page_request import require
from tracker.web.pages.registry import limit_visits


class _Word(Convertor[str]):
    """A part of a path that is not a number: the audits of people have numbers there."""

    regex = "[^/]*[^/0-9][^/]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("word", _Word())
router = APIRouter(dependencies=[Depends(limit_visits)])


@router.get("/audits/{association:word}")
def show_draws(site: SiteDep, viewer: OptionalViewerDep, association: str) -> HTMLResponse:
    """Each draw with its seed and the hash of its list; no names, and nothing else about people."""
    rulebook = require(site.rulebooks.associations.get(association))
    set_locale(rulebook.locale)
    with reading(site.engine) as session:
        draws = [(fixed, parse_strata(fixed)) for fixed in list_draws(session, association)]
    return site.pages.render(
        "public_audits.html",
        viewer=viewer,
        branding=site.brandings.of(association),
        rulebook=rulebook,
        draws=draws,
        day_of=lambda instant: local_day(instant, rulebook.time_zone),
    )
