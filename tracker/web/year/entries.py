"""One entry on a page of its own, to which mails and other pages can link."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse

from tracker.records.store.engine import reading
from tracker.web.forms.typed import RowId
from tracker.web.frame.contacts import contacts_of
from tracker.web.frame.site import Instant, TheSite
from tracker.web.frame.viewer import ThePerson
from tracker.web.year.year import read_entry

router = APIRouter()


@router.get("/entries/{entry_id}")
def show(site: TheSite, at: Instant, who: ThePerson, entry_id: RowId) -> HTMLResponse:
    """What was logged, whether it counts for each endorsement, and why."""
    with reading(site.engine) as connection:
        row = read_entry(connection, site.books, who.id, entry_id, at)
    if row is None:
        raise HTTPException(404)
    contacts = contacts_of(site)
    return site.pages.show("entry.html", viewer=who.viewer, row=row, contacts=contacts)
