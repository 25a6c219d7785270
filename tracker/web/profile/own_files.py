"""All files that somebody has stored: what each proves and takes, and how it can be removed."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from tracker.records.entries.entry_writes import Author
from tracker.records.evidence.evidence_room import Kept, kept_files
from tracker.records.store.engine import reading
from tracker.web.forms.typed import WithFiles
from tracker.web.frame.said_once import TheSaid, go_and_say
from tracker.web.frame.site import Instant, TheSite
from tracker.web.frame.viewer import ThePerson
from tracker.web.hours.removing import NOT_HERE, remove_chosen
from tracker.web.hours.uploads import folder_of, quota_of, say_size

router = APIRouter()
_HERE = "/profile/files"
_NOTICES = {"removed": "The file is removed.", "not-here": NOT_HERE}


@router.get(_HERE)
def show(site: TheSite, at: Instant, who: ThePerson, said: TheSaid) -> HTMLResponse:
    """The files of entries that can still be changed, and those that closed cycles keep."""
    with reading(site.engine) as connection:
        found = kept_files(connection, site.books, who.id, at)
    closed = [kept for kept in found if kept.closed]
    counted = [kept for kept in found if not kept.closed]
    page = site.pages.show(
        "own_files.html",
        viewer=who.viewer,
        here="profile",
        counted=counted,
        closed=closed,
        taken=_bytes(counted),
        taken_closed=_bytes(closed),
        quota=quota_of(site),
        takes_files=folder_of(site) is not None,
        say_size=say_size,
        notice=_NOTICES.get(said.word, ""),
    )
    return said.once(page)


@router.post(_HERE)
def remove_unsaved(site: TheSite, at: Instant, who: ThePerson, posted: WithFiles) -> Response:
    """Remove a file whose form was not saved; those of entries go with a change of the entry."""
    name = remove_chosen(site, Author(who.id, who.viewer.email, at), posted)
    return go_and_say(site, _HERE, "removed" if name else "not-here")


def _bytes(found: Sequence[Kept]) -> int:
    return sum(kept.file.size for kept in found)
