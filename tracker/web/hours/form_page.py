"""Shows the form for a session, with what is wrong with it."""

from collections.abc import Collection
from dataclasses import dataclass

from fastapi.responses import HTMLResponse

from tracker.records.evidence.evidence import files_of
from tracker.records.store.engine import reading
from tracker.rules.explain import LoggedEntry
from tracker.web.frame.site import Site
from tracker.web.frame.viewer import Person
from tracker.web.hours.doubts import NO_DOUBTS, Doubts
from tracker.web.hours.form_setting import FormSetting
from tracker.web.hours.log_form import form_of
from tracker.web.hours.provider_field import offer
from tracker.web.hours.sent import Sent
from tracker.web.hours.uploads import LARGEST_MB, MOST_FILES, folder_of, say_size


@dataclass(frozen=True, slots=True)
class Besides:
    """What the page shows beside the form: the entry it changes, doubts, a word, the focus.

    ``without`` are the ids of the entry's files that saving is to remove.
    """

    editing: LoggedEntry | None = None
    doubts: Doubts = NO_DOUBTS
    notice: str = ""
    focus: str = ""
    without: Collection[int] = ()


def show_form(
    site: Site, who: Person, sent: Sent, setting: FormSetting, besides: Besides
) -> HTMLResponse:
    """The form; with problems its summary takes the focus, else what ``besides`` names.

    A form with problems, or with doubts, is answered with 422, so that programs see that
    nothing was saved.
    """
    form = form_of(setting, sent)
    problems = form.problems()
    editing = besides.editing
    with reading(site.engine) as connection:
        offered = offer(connection, setting, sent)
        files = files_of(connection, who.id, sent["form_key"], editing.id if editing else None)
    return site.pages.show(
        "log.html",
        status=422 if problems or besides.doubts else 200,
        viewer=who.viewer,
        here="" if editing else "log",
        form=form,
        problems=problems,
        setting=setting,
        offer=offered,
        files=files,
        takes_files=folder_of(site) is not None,
        most_files=MOST_FILES,
        largest_mb=LARGEST_MB,
        say_size=say_size,
        besides=besides,
        without=besides.without,
        editing=editing,
        doubts=None if problems else besides.doubts,
        focus="" if problems or besides.doubts else besides.focus,
    )
