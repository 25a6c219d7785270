"""Shows the form for a session, with what is wrong with it."""

from fastapi.responses import HTMLResponse

from tracker.rules.explain import LoggedEntry
from tracker.web.form_setting import FormSetting
from tracker.web.log_form import LogForm
from tracker.web.site import Site
from tracker.web.viewer import Viewer


def show_form(
    site: Site,
    viewer: Viewer,
    form: LogForm,
    setting: FormSetting,
    *,
    editing: LoggedEntry | None = None,
    focus: str = "",
) -> HTMLResponse:
    """The form; with problems its summary takes the focus, else the field named ``focus``.

    A form with problems is answered with 422, so that programs see that nothing was saved.
    """
    problems = form.problems()
    return site.pages.show(
        "log.html",
        status=422 if problems else 200,
        viewer=viewer,
        here="" if editing else "log",
        form=form,
        problems=problems,
        setting=setting,
        editing=editing,
        focus="" if problems else focus,
    )
