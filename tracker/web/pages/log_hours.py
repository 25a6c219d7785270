"""Log hours: the form for a session, its edit page, and the page that shows what it counts for."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.engine import Busy, reading
from tracker.formatting import format_size, use_locale
from tracker.refusal_text import format_length_question
from tracker.rules.explain import LoggedEntry
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.endorsements import endorsements_of
from tracker.services.entries import (
    EntrySource,
    NeedsConfirmation,
    create_entry,
    delete_entry,
    entry_version,
    find_entry,
    update_entry,
)
from tracker.services.entry_rules import (
    EntryInput,
    EntryRules,
    EntryWarnings,
    length_key,
    load_entry_rules,
    validate_entry,
)
from tracker.services.evidence import (
    FILES_PER_ENTRY,
    FormFiles,
    ReceivedFile,
    check_space,
    keep_files,
    list_form_files,
    move_drafts,
    remove_entry_files,
    remove_file,
)
from tracker.services.profile import get_person
from tracker.web.dependencies import (
    Site,
    Viewer,
    require_person,
    require_viewer,
    site_of,
    viewer_in_session,
)
from tracker.web.forms.body import RowId, open_posted, parse_id
from tracker.web.forms.entry import (
    LogLinkDep,
    SubmittedForm,
    build_log_form,
    parse_entry,
    prefill_from_entry,
    prefill_from_link,
)
from tracker.web.forms.fields import format_date_fields
from tracker.web.forms.provider import offer_providers, resolve_provider
from tracker.web.page_request import PageRequest, PersonPage
from tracker.web.pages.applications import read_applications
from tracker.web.pages.entry_view import read_entry
from tracker.web.pages.uploads import (
    FILE_NOT_HERE,
    LARGEST_MB,
    Upload,
    folder_of,
    quota_of,
    store_files,
    sweep,
)
from tracker.web.pages.year_view import read_year

router = APIRouter()


@dataclass(slots=True)
class Submission:
    """A form and what became of it: ``saved`` is its entry, None if it is not saved.

    ``editing`` is the stored entry that it edits; ``removing`` are the ids of that entry's files
    that go when it is saved. ``kept`` are the stored names of the uploaded files that have a row
    now, ``dropped`` those of files that no longer have one.
    """

    viewer: Viewer | None
    form: SubmittedForm
    editing: LoggedEntry | None = None
    removing: Collection[int] = ()
    saved: LoggedEntry | None = None
    is_closed: bool = False
    warnings: EntryWarnings | None = None
    notice: str = ""
    focus: str = ""
    kept: set[str] = field(default_factory=set)
    dropped: list[str] = field(default_factory=list)

    @property
    def files(self) -> FormFiles:
        """Which stored files belong to the form."""
        entry_id = self.editing.id if self.editing else None
        return FormFiles(self.form["form_key"], entry_id, self.removing)


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """A posted form on its way into the database; ``entry_id`` is the entry that it edits."""

    request: Request
    site: Site
    now: datetime
    texts: FormData
    upload: Upload
    entry_id: int | None

    def save(self, session: Session) -> Submission:
        """Save the entry with its files, or keep the files for when the form comes back.

        A refused form does not raise, which would roll back everything that is saved together.
        Raises NotFound if the edited entry is not the viewer's.
        """
        viewer = viewer_in_session(session, self.request, self.site, self.now)
        submission = Submission(viewer, SubmittedForm(self.texts.multi_items()))
        if viewer is None or viewer.person_id is None:
            return submission
        context = ServiceContext(session, self.site.rulebooks, viewer.actor, self.now)
        if self.entry_id is not None:
            submission.editing = find_entry(session, viewer.person_id, self.entry_id)
            if submission.editing is None:
                raise NotFound
            submission.removing = [parse_id(str(text)) for text in self.texts.getlist("without")]
        accepted: list[ReceivedFile] = []
        if self.upload != Upload():
            accepted = self._accept_files(context, submission)
        if "today" in self.texts:
            today = _rules_for(context, submission).today
            submission.form.texts |= format_date_fields(today)
            submission.focus = "hours"
        elif "remove" in self.texts:
            _remove_draft(context, submission)
        else:
            _save_entry(context, submission)
        if accepted or "kept" in self.texts:
            self._keep_files(context, submission, accepted)
        return submission

    def _accept_files(self, context: ServiceContext, submission: Submission) -> list[ReceivedFile]:
        """The uploaded files that have space; the form shows why others were refused."""
        accepted: list[ReceivedFile] = []
        refusals = list(self.upload.refusals)
        if self.upload.received:
            quota = quota_of(self.site)
            accepted, full = check_space(context, self.upload.received, submission.files, quota)
            refusals += full
        for refusal in refusals:
            submission.form.add_refusal(refusal)
        return accepted

    def _keep_files(
        self, context: ServiceContext, submission: Submission, accepted: list[ReceivedFile]
    ) -> None:
        """Give the accepted files, and those that came with the form before, to the entry."""
        first_key, key = self.texts.get("form_key"), submission.form["form_key"]
        if first_key != key:
            move_drafts(context, str(first_key), key)
        entry_id = submission.saved.id if submission.saved else None
        submission.kept = keep_files(context, key, accepted, entry_id)


def _remove_draft(context: ServiceContext, submission: Submission) -> None:
    removed = remove_file(context, parse_id(submission.form["remove"]))
    submission.notice = FILE_NOT_HERE
    if removed is not None:
        submission.notice = f"{removed.name} was removed."
        submission.dropped.append(removed.stored_as)


def _save_entry(context: ServiceContext, submission: Submission) -> None:
    """Create or update the entry; if it can't be saved, the form shows every reason."""
    form = submission.form
    provider = resolve_provider(context, form)
    entry = parse_entry(context, form, provider)
    if form.problems or form.refusals:
        _add_other_refusals(context, submission, entry)
        return
    confirmed = form["seen"].split()
    try:
        if submission.editing is None:
            source = EntrySource(form["form_key"], confirmed)
            submission.saved = create_entry(context, context.person_id, entry, source)
        else:
            _update_entry(context, submission, submission.editing.id, entry)
    except Refused as refused:
        for refusal in refused.refusals:
            if refusal.field == "entry":
                submission.is_closed = True
            else:
                form.add_refusal(refusal)
    except NeedsConfirmation as needed:
        submission.warnings = needed.warnings
        form["seen"] = " ".join([*confirmed, *needed.warnings.keys])


def _add_other_refusals(context: ServiceContext, submission: Submission, entry: EntryInput) -> None:
    """Show what is wrong with the fields that can be read, beside those that can't."""
    form = submission.form
    unreadable = {name for name, _ in form.problems}
    for refusal in validate_entry(entry, _rules_for(context, submission)):
        if form.field_of(refusal) not in unreadable:
            form.add_refusal(refusal)


def _update_entry(
    context: ServiceContext, submission: Submission, entry_id: int, entry: EntryInput
) -> None:
    form = submission.form
    submission.saved = update_entry(
        context, entry_id, entry, version=form["version"], confirmed=form["seen"].split()
    )
    for file_id in submission.removing:
        removed = remove_file(context, file_id, entry_id)
        if removed is not None:
            submission.dropped.append(removed.stored_as)


def _rules_for(context: ServiceContext, submission: Submission) -> EntryRules:
    rules = load_entry_rules(context.session, context.rulebooks, context.person_id, context.now)
    return rules.for_editing(submission.editing) if submission.editing else rules


@router.get("/log")
def show_form(page: PersonPage, link: LogLinkDep) -> HTMLResponse:
    """The empty form, or one that a link has filled in."""
    with page.reading() as session:
        rules = load_entry_rules(session, page.site.rulebooks, page.person_id, page.now)
        form = SubmittedForm(prefill_from_link(session, page.person_id, rules, link).items())
        return _render_form(session, page.site, rules, Submission(page.viewer, form))


@router.get("/entries/{entry_id}/edit")
def show_entry_form(page: PersonPage, entry_id: RowId) -> Response:
    """The form with a stored entry; one of a closed cycle is only shown, with the reason."""
    with page.reading() as session:
        entry, rules = _entry_with_rules(session, page, entry_id)
        if rules.lock_on(entry.held_on) is not None:
            return RedirectResponse(f"/entries/{entry_id}", 303)
        form = SubmittedForm(prefill_from_entry(entry).items())
        form["version"] = entry_version(entry)
        # An unusual length was confirmed when the entry was saved.
        form["seen"] = length_key(entry.minutes)
        submission = Submission(page.viewer, form, editing=entry)
        return _render_form(session, page.site, rules.for_editing(entry), submission)


@router.post("/log")
async def log_session(request: Request) -> Response:
    """Save a session once and go to what it counts for, or show what is wrong."""
    return await _save(request, None)


@router.post("/entries/{entry_id}/edit")
async def edit_entry(request: Request, entry_id: RowId) -> Response:
    """Save the change to an entry, unless it changed since the form was opened."""
    return await _save(request, entry_id)


async def _save(request: Request, entry_id: int | None) -> Response:
    site, upload = site_of(request), Upload()
    now = site.now()
    async with open_posted(request) as form:
        if form.files:
            upload = await run_in_threadpool(store_files, site, form.files)
    posted = PostedEntry(request, site, now, form.texts, upload, entry_id)
    try:
        submission = await site.writer.run_async(posted.save)
    except (Busy, NotFound):
        # Nothing was saved, so no row names the uploaded files.
        await run_in_threadpool(_drop_files, site, upload, set())
        raise
    if upload.received or submission.dropped:
        await run_in_threadpool(_drop_files, site, upload, submission.kept, submission.dropped)
        site.background.run_once(sweep, site, now)
    if submission.saved is not None:
        return RedirectResponse(f"/log/saved/{submission.saved.id}", 303)
    if submission.is_closed:
        return RedirectResponse(f"/entries/{entry_id}", 303)
    await require_person(await require_viewer(submission.viewer))
    return await run_in_threadpool(_render_again, site, now, submission)


def _drop_files(
    site: Site, upload: Upload, kept: Collection[str], dropped: Collection[str] = ()
) -> None:
    """Delete uploaded files that were not kept, and stored ones that were removed."""
    folder = folder_of(site)
    if folder is not None:
        unused = {file.stored_as for file in upload.received if file.stored_as not in kept}
        folder.remove([*unused, *dropped])


def _render_again(site: Site, now: datetime, submission: Submission) -> HTMLResponse:
    person_id = submission.viewer.person_id if submission.viewer else None
    with reading(site.engine) as session:
        rules = load_entry_rules(session, site.rulebooks, person_id or 0, now)
        if submission.editing is not None:
            rules = rules.for_editing(submission.editing)
        with use_locale(rules.locale):
            return _render_form(session, site, rules, submission)


def _render_form(
    session: Session, site: Site, rules: EntryRules, submission: Submission
) -> HTMLResponse:
    """The form; its status is 422 if it has problems or warnings, so it was not saved."""
    viewer, editing = submission.viewer, submission.editing
    person_id = viewer.person_id if viewer else None
    form = build_log_form(rules, submission.form)
    problems = form.problems()
    is_refused = bool(problems or submission.warnings)
    warnings = submission.warnings or EntryWarnings()
    return site.pages.render(
        "log.html",
        status=422 if is_refused else 200,
        viewer=viewer,
        here="" if editing else "log",
        form=form,
        problems=problems,
        offer=offer_providers(session, person_id or 0, rules, submission.form),
        files=list_form_files(session, person_id or 0, submission.files),
        takes_files=folder_of(site) is not None,
        most_files=FILES_PER_ENTRY,
        largest_mb=LARGEST_MB,
        format_size=format_size,
        notice=submission.notice,
        removing=submission.removing,
        editing=editing,
        warnings=None if problems else submission.warnings,
        duplicate_provider=_name_provider(session, warnings.duplicate),
        length_question=format_length_question(warnings.minutes),
        focus="" if is_refused else submission.focus,
    )


def _name_provider(session: Session, entry: LoggedEntry | None) -> str:
    """The name of the provider of an entry, if there is one."""
    if entry is None:
        return ""
    if entry.provider_id is not None:
        return get_person(session, entry.provider_id).name
    return entry.provider_name or ""


@router.get("/log/saved/{entry_id}")
def show_saved(page: PersonPage, entry_id: RowId) -> HTMLResponse:
    """What an entry counts for; the page stays the same when it is loaded again."""
    with page.reading() as session:
        row = read_entry(session, page.site.rulebooks, page.person_id, entry_id, page.now)
        if row is None:
            raise HTTPException(404)
        endorsements = endorsements_of(session, page.person_id)
        applications = read_applications(session, page.site.rulebooks, page.person_id, page.now)
        applied = [view.application for view in applications]
        year = read_year(
            session, page.site.rulebooks, page.person_id, endorsements, page.now, applied
        )
    return page.render(
        "saved.html",
        here="log",
        year=year,
        applications=[view for view in applications if view.checklist],
        row=row,
    )


@router.get("/entries/{entry_id}/delete")
def confirm_deletion(page: PersonPage, entry_id: RowId) -> Response:
    """Asks whether to delete an entry; only its button deletes."""
    with page.reading() as session:
        entry, rules = _entry_with_rules(session, page, entry_id)
        if rules.lock_on(entry.held_on) is not None:
            return RedirectResponse(f"/entries/{entry_id}", 303)
        files = list_form_files(session, page.person_id, FormFiles("", entry_id))
    return page.render("delete.html", here="", entry=entry, files=files)


@router.post("/entries/{entry_id}/delete")
def delete(page: PersonPage, entry_id: RowId) -> Response:
    """Delete an entry with its files, and go back to the year."""

    def work(context: ServiceContext) -> list[str]:
        files = remove_entry_files(context, entry_id)
        delete_entry(context, entry_id)
        return [file.stored_as for file in files]

    try:
        names = page.write(work)
    except Refused:
        # Its page says that the cycle is closed.
        return RedirectResponse(f"/entries/{entry_id}", 303)
    _drop_files(page.site, Upload(), (), names)
    return page.redirect("/my-year", "deleted")


def _entry_with_rules(
    session: Session, page: PageRequest, entry_id: int
) -> tuple[LoggedEntry, EntryRules]:
    entry = find_entry(session, page.person_id, entry_id)
    if entry is None:
        raise NotFound
    return entry, load_entry_rules(session, page.site.rulebooks, page.person_id, page.now)
