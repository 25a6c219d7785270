"""The queue of RSC providers whom nobody has confirmed yet: confirm, record, or decline them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.people import DEGREES, Person
from tracker.formatting import format_count, format_list
from tracker.notifications.provider_mail import (
    notify_declined,
    notify_known_providers,
    notify_taken_back,
)
from tracker.plain_text import plain_name
from tracker.services.context import Refused, ServiceContext
from tracker.services.declined_providers import list_declined
from tracker.services.desk_changes import ChangePlan
from tracker.services.provider_answers import (
    MAX_REASON_LENGTH,
    NewPerson,
    ProviderAnswer,
    confirm_names,
    decline_names,
    find_holder,
    take_back_decline,
)
from tracker.services.provider_matches import (
    Match,
    describe_matches,
    find_clear_match,
    list_known_people,
    list_similar_names,
    match_name,
    search_people,
)
from tracker.services.waiting_names import WaitingName, find_waiting_names, list_waiting_names
from tracker.web.forms.body import Typed, clean, parse_id, text_of
from tracker.web.forms.provider_answer import NEW, NOTHING, ProviderAnswerForm
from tracker.web.page_request import (
    PAGE_SIZE,
    ChangePage,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    format_problems,
    require,
)
from tracker.web.pages.desk import answer_change, choose_association
from tracker.web.pages.desk_provider_credentials import list_credential_choices

router = APIRouter()
_PATH = "/coordinator/providers/names"
# Rows that an answer may change, referred ones first.
_TABLES = ("person", "vetting", "outside_endorsement", "declined_provider", "entry")
# Somebody else was faster.
GONE = "gone"
Association = Annotated[str, Query()]
Name = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class _Review:
    """A name that is being reviewed, other spellings that wait, and whom it can mean."""

    association: str
    name: WaitingName
    similar: Sequence[WaitingName]
    matches: Sequence[Match] = ()


@router.get(_PATH)
def show_names(
    page: CoordinatorPage, association: Association = "", number: PageNumber = 1
) -> HTMLResponse:
    """The queue, and what was declined."""
    association = choose_association(page.viewer, association)
    with page.reading() as session:
        names = list_waiting_names(session, association, page.day_of(association))
        known = list_known_people(session, page.rulebooks, association)
        declined = list_declined(session, association)
    rows = []
    for name in names[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]:
        matches = match_name(name.name, known, _list_left_out(name))
        rows.append((name, find_clear_match(matches), matches))
    return page.render(
        "desk_provider_names.html",
        here="coordinator",
        desk="providers",
        association=association,
        rows=rows,
        total=len(names),
        minutes=sum(name.minutes for name in names),
        declined=declined,
        page=number,
        pages=count_pages(len(names)),
        link=lambda number: f"{_PATH}?{urlencode({'association': association, 'page': number})}",
    )


@router.get(_PATH + "/review")
def review_name(
    page: ChangePage,
    association: Association = "",
    name: Name = "",
    who: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """One name with its sessions, and the form that says who it is.

    ``who`` is a person whom the coordinator has found on file.
    """
    association = choose_association(page.viewer, association)
    with page.reading() as session:
        review = _read_review(session, page, association, plain_name(name), parse_id(who))
    clear = find_clear_match(review.matches)
    values = {"who": who or (str(clear.id) if clear else ""), "record": NOTHING}
    if not review.matches:
        # Of someone new nothing is on file that could count.
        values = {"who": NEW, "provider_name": review.name.name}
    return _render_review(page, review, ProviderAnswerForm(data=values))


@router.get(_PATH + "/find")
def find_person(
    page: ChangePage,
    association: Association = "",
    name: Name = "",
    search: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """Find the person whom a name means among those on file."""
    association, search = choose_association(page.viewer, association), clean(search)
    with page.reading() as session:
        [waiting] = require(_find_names(session, page, association, [plain_name(name)]))
        known = list_known_people(session, page.rulebooks, association)
        days = [entry.held_on for entry in waiting.entries]
        found = search_people(search, known) if search else []
        people = describe_matches(session, page.rulebooks, association, found, days)
    return page.render(
        "desk_provider_find.html",
        here="coordinator",
        desk="providers",
        association=association,
        name=waiting,
        search=search,
        people=people,
    )


@router.get(_PATH + "/decline")
def open_decline(page: ChangePage, association: Association = "", name: Name = "") -> HTMLResponse:
    """The form for the reason."""
    association = choose_association(page.viewer, association)
    with page.reading() as session:
        review = _read_review(session, page, association, plain_name(name))
    return _render_decline(page, review, "", set(), ())


@router.get(_PATH + "/confirm")
def preview_clear_match(
    page: ChangePage, association: Association = "", name: Name = ""
) -> Response:
    """What linking a name to the person who is clearly meant does; the form if there is none."""
    association, key = choose_association(page.viewer, association), require(plain_name(name))
    with page.reading() as session:
        names = _find_names(session, page, association, [key])
        known = list_known_people(session, page.rulebooks, association) if names else []
    if not names:
        return page.redirect(_list_path(association), GONE)
    clear = find_clear_match(match_name(names[0].name, known, _list_left_out(names[0])))
    if clear is None:
        query = urlencode({"association": association, "name": name})
        return RedirectResponse(f"{_PATH}/review?{query}", 303)
    chosen = {"association": association, "name": key, "who": str(clear.id), "record": NOTHING}
    return confirm_name(page, FormData(chosen))


@router.post(_PATH + "/confirm")
def confirm_name(page: CoordinatorPage, typed: Typed) -> Response:
    """Show what the answer does, and then save it."""
    association, keys = _read_target(page, typed)
    form = ProviderAnswerForm(typed)
    with page.reading() as session:
        names = _find_names(session, page, association, keys)
    if not names:
        return page.redirect(_list_path(association), GONE)
    answer = form.parse_answer(page.rulebooks, association, keys, page.day_of(association))
    if answer is not None:
        try:
            plan = _plan_answer(page, answer, names)
            return answer_change(
                page,
                typed,
                plan,
                action=f"{_PATH}/confirm",
                back=_list_path(association),
                template="desk_provider_confirm.html",
                names=names,
                match=_describe_known(page, answer, names),
            )
        except Refused as refused:
            form.add_refusals(refused.refusals)
    with page.reading() as session:
        chosen = parse_id(form.who.data)
        review = _read_review(session, page, association, keys[0], chosen)
    return _render_review(page, review, form, also=set(keys))


@router.post(_PATH + "/decline")
def decline_name(page: CoordinatorPage, typed: Typed) -> Response:
    """Show who would be told that the name is declined, and then save it."""
    association, keys = _read_target(page, typed)
    reason = clean(text_of(typed, "reason"))
    with page.reading() as session:
        names = _find_names(session, page, association, keys)
    if not names:
        return page.redirect(_list_path(association), GONE)

    def work(context: ServiceContext) -> None:
        declined = decline_names(context, association, names, reason)
        notify_declined(page.site, context, association, list(zip(names, declined, strict=True)))

    plan = ChangePlan(
        association,
        f"Decline {_quote(names)} as RSC provider",
        frozenset(entry.person_id for name in names for entry in name.entries),
        ("declined_provider",),
        work,
        reason=reason,
    )
    try:
        action, back = f"{_PATH}/decline", _list_path(association)
        return answer_change(page, typed, plan, action=action, back=back)
    except Refused as refused:
        with page.reading() as session:
            review = _read_review(session, page, association, keys[0])
        problems = [(field or "reason", words) for field, words in format_problems(refused)]
        return _render_decline(page, review, reason, set(keys), problems)


@router.post(_PATH + "/take-back")
def take_back(page: CoordinatorPage, typed: Typed) -> Response:
    """Let a declined name wait again."""
    association, [key, *_] = _read_target(page, typed)
    with page.reading() as session:
        declined = {each.name_key: each for each in list_declined(session, association)}
    found = declined.get(key)
    if found is None:
        return page.redirect(_list_path(association), GONE)

    def work(context: ServiceContext) -> None:
        removed = take_back_decline(context, association, key)
        notify_taken_back(page.site, context, association, found.name, removed)

    plan = ChangePlan(
        association,
        f"Let “{found.name}” wait for confirmation again",
        frozenset([found.person_id]),
        ("declined_provider",),
        work,
    )
    action, back = f"{_PATH}/take-back", _list_path(association)
    return answer_change(page, typed, plan, action=action, back=back)


def _plan_answer(
    page: PageRequest, answer: ProviderAnswer, names: Sequence[WaitingName]
) -> ChangePlan:
    endorsees = frozenset(entry.person_id for name in names for entry in name.entries)
    exact = replace(answer, person_ids=endorsees)

    def work(context: ServiceContext) -> Collection[int]:
        linked, created_id = confirm_names(context, exact)
        notify_known_providers(page.site, context, linked, answer.association)
        return () if created_id is None else (created_id,)

    with page.reading() as session:
        if isinstance(answer.provider, int):
            known = session.get(Person, answer.provider)
        else:
            known = find_holder(session, answer.provider.email)
    people = {*endorsees} if known is None else {*endorsees, known.id}
    if known is not None:
        who = known.name
    else:
        who = answer.provider.name if isinstance(answer.provider, NewPerson) else ""
    sessions = sum(len(name.entries) for name in names)
    title = f"Confirm {_quote(names)} as {who} in {format_count(sessions, 'session')}"
    return ChangePlan(answer.association, title, frozenset(people), _TABLES, work)


def _describe_known(
    page: PageRequest, answer: ProviderAnswer, names: Sequence[WaitingName]
) -> Match | None:
    """The person on file whom an answer means, and how many of the sessions would count.

    None for a new person, and if a credential is recorded that decides it anew.
    """
    if answer.credential is not None or not isinstance(answer.provider, int):
        return None
    days = [entry.held_on for name in names for entry in name.entries]
    with page.reading() as session:
        person = session.get(Person, answer.provider)
        if person is None:
            return None
        match = Match(person.id, person.name, 0.0)
        [described] = describe_matches(session, page.rulebooks, answer.association, [match], days)
    return described


def _quote(names: Sequence[WaitingName]) -> str:
    return format_list([f"“{name.name}”" for name in names])


def _list_path(association: str) -> str:
    return f"{_PATH}?{urlencode({'association': association})}"


def _read_target(page: PageRequest, typed: FormData) -> tuple[str, list[str]]:
    """The association and the plain names that a form is about; 404 if it is not the viewer's."""
    association = text_of(typed, "association")
    require(association in page.viewer.coordinates)
    keys = list(dict.fromkeys(plain_name(str(each)) for each in typed.getlist("name")))
    require(keys and all(keys))
    return association, keys


def _find_names(
    session: Session, page: PageRequest, association: str, keys: Sequence[str]
) -> list[WaitingName]:
    found = find_waiting_names(session, association, page.day_of(association), keys)
    return sorted(found, key=lambda name: keys.index(name.key))


def _read_review(
    session: Session, page: PageRequest, association: str, key: str, who: int = 0
) -> _Review:
    """A name with whom it can mean, and the person ``who`` is one of them if they are known.

    Raises 404 for a name that no session waits for.
    """
    queue = list_waiting_names(session, association, page.day_of(association))
    [name] = require(_find_names(session, page, association, [key]))
    others = {each.key: each for each in queue}
    known = list_known_people(session, page.rulebooks, association)
    matches = match_name(name.name, known, _list_left_out(name))
    if who not in {match.id for match in matches}:
        matches += [Match(each.id, each.name, 0.0) for each in known if each.id == who]
    days = [entry.held_on for entry in name.entries]
    return _Review(
        association,
        name,
        [others[each] for each in list_similar_names(key, others)],
        describe_matches(session, page.rulebooks, association, matches, days),
    )


def _list_left_out(name: WaitingName) -> set[int]:
    """The only endorsee who named the provider: nobody is their own."""
    people = {entry.person_id for entry in name.entries}
    return people if len(people) == 1 else set()


def _render_review(
    page: PageRequest, review: _Review, form: ProviderAnswerForm, *, also: Collection[str] = ()
) -> HTMLResponse:
    form.today = page.day_of(review.association)
    return page.render(
        "desk_provider_review.html",
        form=form,
        here="coordinator",
        desk="providers",
        association=review.association,
        name=review.name,
        similar=review.similar,
        also=also,
        matches=review.matches,
        degrees=DEGREES,
        choices=list_credential_choices(page, review.association),
    )


def _render_decline(
    page: PageRequest,
    review: _Review,
    reason: str,
    also: Collection[str],
    problems: Sequence[tuple[str, str]],
) -> HTMLResponse:
    return page.render(
        "desk_provider_decline.html",
        problems=problems,
        here="coordinator",
        desk="providers",
        association=review.association,
        name=review.name,
        similar=review.similar,
        also=also,
        reason=reason,
        limit=MAX_REASON_LENGTH,
    )
