"""Whatever is typed into whichever field: no error of ours, and nothing of it comes alive.

The forms are those that somebody finds who follows every link. `TRACKER_TEST_EXAMPLES=1` in the
environment sends every text into every field alone, which takes minutes.
"""

import csv
import io
import os
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from email import message_from_bytes, policy

from httpx2 import Response
from sqlmodel import Session

from tests.support.auditing import HAL, audit_hal
from tests.support.cast import ALICE, BASE_URL, BOB, CAROL, CONFIG, DANA, KAI, LEE, NOW, REX, Cast
from tests.support.held import settle_last_year
from tests.support.listing import NOE, add_members, list_people, remove_from_registry
from tests.support.paying import add_payers, pay_for_both
from tests.support.questions import ask
from tests.support.removing import VIC, add_lapsed
from tests.support.submitting import FAY, GIL, add_endorsee, submit_for_gil
from tests.web.applicants import IDA, NORA, OLIVE
from tests.web.client import Visitor, WebClient
from tests.web.crawl import Form, Reader, read_page, walk
from tests.web.lists import act, plan, upload
from tests.web.test_scoping import routes
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.jobs.runner import run_due
from tracker.notifications.context import open_context

LONG = "TRACKER_TEST_EXAMPLES" in os.environ
CORPUS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    "</title></textarea></style><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raise %}${7*7}#{7*7}",
    '=HYPERLINK("http://example.org","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "a\r\nX-Injected: yes\r\n\r\n<b>",
    "%0d%0aX-Injected:%20yes",
    "END:VEVENT\r\nBEGIN:VALARM\r\nX-INJECTED:1",
    "\u202etxt.exe\u2066\u200b\ufeff",
    "a\x00b\x07\x1b[31m",
    "'; DROP TABLE entry; --",
    "../../../../etc/passwd",
    "javascript:alert(1)//",
    "#sys.inputs *bold* $x$ `raw` [",
    "\U0001f469\u200d\U0001f467 Zo\u00eb \u4e2d\u6587 \u0627\u0644",
    "9" * 400,
    "x" * 5_000,
    "e\u0301" * 150,
    "\u00bd\u0662\u0663",
)
# What makes a form acceptable but for the field under test.
USUAL = {
    "day": "20",
    "month": "11",
    "year": "2026",
    "starts_day": "1",
    "starts_month": "1",
    "starts_year": "2027",
    "ends_day": "31",
    "ends_month": "12",
    "ends_year": "2027",
    "hours": "1",
    "title": "Book club",
    "email": "somebody@example.org",
    "name": "Somebody",
    "reason": "A reason",
}
# These would end the visit.
LEFT_OUT = ("/sign-out", "/profile/browsers", "/coordinator/team?", "/coordinator/team/end")
# No page links to these.
START = (
    "/",
    "/sign-in/code",
    "/sign-in/a-token",
    "/coordinator/selections/1/waive",
    "/coordinator/selections/1/extend",
    "/coordinator/selections/1/membership",
    "/coordinator/selections/1/mark",
    "/coordinator/person/2/merge/1",
)
# Nothing is typed there; but for the last, whose form is that of a new session.
WITHOUT_TEXT = {
    "/coordinator/changes/{change_id}/undo",
    "/coordinator/fees/changes/{change_id}/undo",
    # Left out, because the coordinator would lose the desk: tests/web/coordinator/test_team.py
    # and test_second_factor.py.
    "/second-factor",
    "/second-factor/set-up",
    "/coordinator/team",
    "/coordinator/team/end",
    "/coordinator/applicants/{application_id}/undo",
    "/coordinator/requests/{request_id}/undo",
    "/coordinator/rules/what-if/result",
    "/coordinator/providers/names/take-back",
    "/coordinator/mail/{mailing_id}/stop",
    "/coordinator/mail/{mailing_id}/discard",
    "/coordinator/work/{task_id}",
    "/coordinator/digest",
    "/coordinator/snooze/end",
    "/coordinator/providers/elsewhere/{outside_id}/remove",
    "/sign-out",
    "/profile/browsers/end",
    "/profile/browsers/end-others",
    "/takeaways/calendar/show",
    "/profile/files",
    "/profile/try-again",
    "/entries/undo-deletion",
    "/membership/undo-removal",
    "/unsubscribe/mail/{token}",
    "/sessions/{session_id}/edit",
    "/application/new",
    "/application/{application_id}/statements",
    "/application/{application_id}/status/{change}",
}
Kind = tuple[str, tuple[str, ...]]


def route_of(address: str) -> str:
    """An address without its query and its numbers: forms of one kind go to the same one."""
    return re.sub(r"\d+", "1", address.partition("?")[0])


def matching(path: str, patterns: Collection[str]) -> str:
    """The route that answers a path, the most exact one of several; empty if none does."""
    fits = []
    for pattern in patterns:
        words = re.sub(r"\{\w+:word\}", r"[A-Za-z][\\w-]*", pattern)
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", words), path):
            fits.append(pattern)
    return min(fits, key=lambda pattern: (pattern.count("{"), ":word" not in pattern), default="")


def typed_into(form: Form, text: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the form sends with these texts; of every choice its last, and days as typed."""
    choices = [(name, values) for name, values in form.choices.items() if name != "starts_today"]
    chosen = [(name, values[-1]) for name, values in choices if values]
    return [*form.sent, *chosen, *((name, text.get(name, "")) for name in form.typed)]


def fillings(form: Form, first: int) -> Iterator[dict[str, str]]:
    """Texts for all fields at once, and for each one among usual ones.

    In the short form a third of the texts for all at once, those that begin with ``first``.
    """
    usual = {n: USUAL.get(n, USUAL.get(re.split("[-_]", n)[-1], "")) for n in form.typed}
    yield usual
    for number in range(len(CORPUS)) if LONG else range(first % 3, len(CORPUS), 3):
        yield {
            name: CORPUS[(number + place) % len(CORPUS)] for place, name in enumerate(form.typed)
        }
    for place, name in enumerate(form.typed):
        texts = CORPUS if LONG else (CORPUS[0] + CORPUS[place % len(CORPUS)],)
        for text in texts:
            yield usual | {name: text}


def send(visitor: Visitor, form: Form, text: Mapping[str, str]) -> Response:
    fields: dict[str, list[str]] = {}
    for name, value in typed_into(form, text):
        fields.setdefault(name, []).append(value)
    if form.is_post:
        return visitor.post(form.action, fields)
    return visitor.client.get(form.action, params=fields)


def problems_of(path: str, answer: Response, page: Reader) -> list[str]:
    """What is wrong with an answer: an error of ours, something live, a header that was typed."""
    found = [f"{path}: {answer.status_code}"] if answer.status_code >= 500 else []
    found += [f"{path}: {live}" for live in page.live]
    found += [f"{path}: header {name}" for name in answer.headers if "injected" in name.lower()]
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/csv"):
        rows = csv.reader(io.StringIO(answer.text.lstrip("\ufeff")))
        cells = [cell for row in rows for cell in row if cell[:1] in {"=", "+", "-", "@"}]
        found += [f"{path}: the cell {cell[:20]!r}" for cell in cells]
    if kind.startswith("text/calendar"):
        lines = answer.text.splitlines()
        found += [f"{path}: the line {line}" for line in lines if line.startswith("X-INJECTED")]
    return found


def fill_in_everything(web: WebClient, email: str, tried: set[Kind]) -> list[str]:
    """Send hostile texts through every form that this person finds and nobody has tried."""
    visitor = web.visit(email)
    found: list[str] = []
    for path, answer, page in list(walk(visitor, *START, *links_in_mails(web))):
        found += problems_of(path, answer, page)
        for form in page.forms:
            key = (route_of(form.action), tuple(form.typed))
            ends_all = form.action.startswith(LEFT_OUT) or form.action.endswith("/status/withdraw")
            if ends_all or key in tried:
                continue
            tried.add(key)
            for text in fillings(form, len(tried)):
                sent = send(visitor, form, text)
                found += problems_of(form.action, sent, read_page(form.action, sent))
    return found


def test_hostile_text_is_harmless_in_every_field(sqlite_applicant_web: WebClient) -> None:
    found: list[str] = []
    tried: set[Kind] = set()
    with writing(sqlite_applicant_web.cast.engine) as session:
        settle_last_year(session, sqlite_applicant_web.cast, BOB)
        make_portfolios(session, sqlite_applicant_web.cast)
        submit_for_gil(session, sqlite_applicant_web.cast)
        add_endorsee(session, sqlite_applicant_web.cast, FAY, "Fay Lani")
        add_payers(session, sqlite_applicant_web.cast)
        pay_for_both(session, sqlite_applicant_web.cast)
        audit_hal(session, sqlite_applicant_web.cast, NOW)
        add_members(session, sqlite_applicant_web.cast)
        list_people(session, sqlite_applicant_web.cast, GIL, NOE)
        remove_from_registry(session, sqlite_applicant_web.cast, GIL)
        add_lapsed(session, sqlite_applicant_web.cast)
        ask(session, sqlite_applicant_web.cast.entries["unknown"], "Who is Jo Hart?")
    upload_hostile_lists(sqlite_applicant_web)
    # Several times: what one of them saved gives another one, or a job, something to answer.
    # Carol first: once Alice has applied elsewhere, her record can't be merged.
    visitors = (
        CAROL,
        ALICE,
        DANA,
        IDA,
        "",
        ALICE,
        DANA,
        IDA,
        CAROL,
        ALICE,
        NORA,
        CAROL,
        FAY,
        HAL,
        KAI,
        LEE,
        VIC,
        REX,
        HAL,
        "",
    )
    for email in visitors:
        found += fill_in_everything(sqlite_applicant_web, email, tried)
        do_what_is_due(sqlite_applicant_web)
    sqlite_applicant_web.settle()
    for email in (ALICE, DANA, IDA, CAROL):
        for path, answer, page in walk(sqlite_applicant_web.visit(email)):
            found += problems_of(path, answer, page)
    found += live_in_mails(sqlite_applicant_web)
    assert sorted(set(found)) == []
    posted = {path for method, path in routes(sqlite_applicant_web) if method == "POST"}
    missing = posted - WITHOUT_TEXT - {matching(path, posted) for path, _ in tried}
    assert sorted(missing) == []


def upload_hostile_lists(web: WebClient) -> None:
    """A list whose columns are still to be checked, and one that is applied."""
    carol = web.visit(CAROL)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["Name", "Email", "Category", "Since", *(text[:200] for text in CORPUS)])
    for number, text in enumerate(CORPUS[:3]):
        writer.writerow([text, f"new{number}@example.org", "IFS", "2026-11-02", *CORPUS])
    lists = file.getvalue().replace("\x00", "")
    upload(carol, ("<b>list</b>.csv", lists.replace("IFS", "<i>IFS</i>")))
    act(web, carol, plan(web, carol, ("=list.csv", lists)), "apply")


def make_portfolios(session: Session, cast: Cast) -> None:
    """What Nora entered herself, an application of Olive's that the reviewers have, and a leave."""
    leave = {"endorsement_id": cast.endorsements[BOB], "starts_on": date(2025, 2, 1)}
    session.connection().execute(METADATA.tables["leave"].insert().values(leave))
    """What Nora entered, an application that the reviewers have, and Dana's other endorsement."""
    position = METADATA.tables["position"]
    job = {"title": "Home visitor", "pay": "paid", "services": "prevention", "statements": ""}
    flags = dict.fromkeys(("supervised", "trained", "gives_rsc"), False)
    own = {"person_id": cast.people[NORA], "recorded_by": NORA, "families": 1}
    values = {**job, **flags, **own, "starts_on": date(2020, 1, 1)}
    session.connection().execute(position.insert().values(values))
    degree = METADATA.tables["degree"]
    own = {"person_id": cast.people[NORA], "recorded_by": NORA, "transcript": "none"}
    values = {**own, "level": "other", "title": "Course", "awarded_on": date(2019, 1, 1)}
    session.connection().execute(degree.insert().values(values))
    application = METADATA.tables["application"]
    submitted = {"state": "submitted", "submitted_on": date(2026, 11, 1)}
    olives = application.c.person_id == cast.people[OLIVE]
    session.connection().execute(application.update().where(olives).values(submitted))
    own = {"person_id": cast.people[DANA], "known_to": "NCIMHA", "recorded_by": CAROL}
    values = {**own, "association": "MI-AIMH", "category": "IMHM-C", "starts_on": date(2020, 1, 1)}
    session.connection().execute(METADATA.tables["outside_endorsement"].insert().values(values))


def do_what_is_due(web: WebClient) -> None:
    """Let the nightly jobs write their mails."""
    settings = web.cast.settings.model_copy(update={"config_dir": CONFIG})
    context = open_context(settings, web.rulebooks, web.cast.engine)
    for _ in run_due(context, web.now, lambda: web.now):
        pass


def links_in_mails(web: WebClient) -> list[str]:
    """Where the mails lead that wait to be sent: one link of each kind."""
    web.settle()
    found = re.findall(re.escape(BASE_URL) + r"(/[^\s<>]+)", "\n".join(web.mails()))
    kinds = {re.sub(r"[\w.-]{20,}|\d+", "*", path): path for path in found}
    return list(kinds.values())


def live_in_mails(web: WebClient) -> Iterator[str]:
    """Headers that were typed, and whatever could run, in any mail that waits."""
    for row in web.cast.rows("outbox"):
        message = message_from_bytes(row["body"], policy=policy.default)
        page = message.get_body(("html",))
        reader = Reader("/")
        reader.feed(str(page.get_content()) if page else "")
        yield from (f"mail {row['kind']}: {live}" for live in reader.live)
        yield from (f"mail {row['kind']}: header {n}" for n in message if "injected" in n.lower())
