"""Every page of the site, empty and full, and with the problems of each form."""

import re
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import insert
from sqlmodel import Session, select

from tests.support.auditing import HAL, audit_hal
from tests.support.cast import (
    ALICE,
    BOB,
    BOOKS,
    CAROL,
    DAN,
    DANA,
    ERIN,
    EVE,
    KAI,
    LEE,
    NOW,
    REX,
    Cast,
    acting,
)
from tests.support.held import hold_session, name_supervisee, settle_last_year
from tests.support.listing import NOE, add_members, list_people, remove_from_registry
from tests.support.paying import IVY, add_payers, pay_for_both
from tests.support.questions import ask
from tests.support.referees import PAT, apply
from tests.support.removing import UMA, VIC, add_lapsed
from tests.support.submitting import FAY, GIL, add_endorsee, submit_for_gil
from tests.web.applicants import IDA, NORA, OLIVE, VERA
from tests.web.client import WebClient
from tests.web.known_routes import ANYBODY, COORDINATOR, KNOWN
from tests.web.lists import ROSTER, plan, upload
from tests.web.test_scoping import prove
from tracker.db.certificates import Certificate
from tracker.db.desk_tasks import DeskTask, DeskTaskPiece
from tracker.db.engine import writing
from tracker.db.mailings import Mailing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people
from tracker.services.evidence import ReceivedFile, keep_files
from tracker.services.notification_preferences import (
    Subscription,
    create_choice_token,
    create_unsubscribe_token,
)


class Stop(NamedTuple):
    """A page: whose, where (names in braces: see `furnish`), and which button to press on it.

    What is pressed is pressed with all that was typed taken away, so that problems are shown.
    """

    email: str
    path: str
    press: str = ""


_LISTED = [
    ("", "/"),
    ("", "/sign-in"),
    ("", "/sign-in", "Email me a code"),
    ("", "/apply"),
    ("", "/apply", "Email me a code"),
    ("", "/sign-in/code"),
    ("", "/sign-in/a-link"),
    ("", "/sign-in/a-link", "Sign in"),
    ("", "/nowhere"),
    ("", "/verify"),
    ("", "/verify?number=", "Verify"),
    ("", "/verify/{certified}"),
    ("", "/verify/7F3H-2QXP-94RH-WVM6"),
    ("", "/help"),
    ("", "/registry/ATTESTING"),
    ("", "/registry/ATTESTING?name=nobody"),
    ("", "/registry/ATTESTING/embed"),
    ("", "/audits/ATTESTING"),
    ("", "/audits/PAYING"),
    ("", "/unsubscribe/{digest}"),
    ("", "/unsubscribe/mail/{optional}"),
    ("", "/reference/{reference}"),
    ("", "/reference/{reference}", "Submit reference"),
    ("", "/reference/none"),
    ("", "/profile/second-address/a-link"),
    ("", "/profile/second-address/a-link", "Confirm"),
    (ALICE, "/my-year"),
    (BOB, "/my-year"),
    (ERIN, "/my-year"),
    (EVE, "/my-year"),
    (NORA, "/my-year"),
    (ALICE, "/my-year/1/2025-01-01"),
    (BOB, "/my-year/2/2024-01-01"),
    (ALICE, "/entries/{unknown}"),
    (ALICE, "/entries/{old}"),
    (BOB, "/log?activity=training"),
    (ALICE, "/log?activity=training", "Save"),
    (ALICE, "/log?activity=rsc"),
    (ALICE, "/log?activity=rsc", "Save"),
    (ALICE, "/log/saved/{unknown}"),
    (ALICE, "/entries/{rsc}/edit"),
    (ALICE, "/entries/{rsc}/edit", "Save"),
    (ALICE, "/entries/{rsc}/delete"),
    (ALICE, "/help"),
    (ALICE, "/takeaways"),
    (BOB, "/takeaways"),
    (EVE, "/takeaways"),
    (ALICE, "/transcript/1/2026-01-01"),
    (BOB, "/transcript/2/2026-01-01"),
    (NORA, "/application/{nora}"),
    (IDA, "/application/{ida}"),
    (OLIVE, "/application/{olive}"),
    (ALICE, "/application/{named}/references"),
    (ALICE, "/application/{named}/references", "Ask for a reference"),
    (NORA, "/application/{nora}/references"),
    (DANA, "/application/{nobody}/references"),
    (EVE, "/application/new"),
    (EVE, "/application/new", "Start my application"),
    (NORA, "/application/{nora}/status/submit"),
    (NORA, "/application/{nora}/status/withdraw"),
    (IDA, "/application/{ida}/status/take-back"),
    (NORA, "/application/{nora}/education"),
    (NORA, "/application/{nora}/education", "Add"),
    (NORA, "/application/{nora}/education/{degree}", "Save"),
    (NORA, "/application/{nora}/work"),
    (NORA, "/application/{nora}/work", "Add this job"),
    (NORA, "/application/{nora}/work/{position}", "Save"),
    (NORA, "/application/{nora}/statements"),
    (NORA, "/application/{nora}/exam"),
    (NORA, "/application/{nora}/exam", "Save"),
    (BOB, "/profile"),
    (EVE, "/profile/files"),
    (ALICE, "/profile/second-address", "Send the code"),
    (ALICE, "/membership"),
    (BOB, "/membership"),
    (EVE, "/membership"),
    (BOB, "/membership/new"),
    (BOB, "/membership/new", "Save"),
    (BOB, "/membership/{term}"),
    (BOB, "/membership/{term}/remove"),
    (BOB, "/requests"),
    (BOB, "/requests/leave", "Send to my coordinator"),
    (BOB, "/requests/inactive"),
    (FAY, "/requests/inactive", "Send to my coordinator"),
    (BOB, "/requests/extension"),
    (BOB, "/requests/extension", "Send to my coordinator"),
    (EVE, "/requests"),
    (DANA, "/sessions"),
    (DANA, "/sessions/{session}"),
    (DANA, "/sessions/{session}/edit"),
    (DANA, "/sessions/new", "Save and ask them to confirm"),
    (ALICE, "/sessions/asked/{asked}"),
    (BOB, "/sessions/asked/{disputed}"),
    (CAROL, "/coordinator"),
    (CAROL, "/coordinator?kind=lapsed"),
    (CAROL, "/coordinator/snooze?association=NCIMHA&cause=request-{request}"),
    (DAN, "/coordinator"),
    (CAROL, "/coordinator/people"),
    (CAROL, "/coordinator/people?missing=rsc&providers=1"),
    (CAROL, "/coordinator/people?status=met", "Save filter"),
    (CAROL, "/coordinator/filters"),
    (CAROL, "{chosen}"),
    (CAROL, "{chosen}", "Continue"),
    (CAROL, "/coordinator/people/1"),
    (CAROL, "/coordinator/people/2"),
    (CAROL, "/coordinator/people/1/2025-01-01"),
    (CAROL, "/coordinator/rules"),
    (CAROL, "/coordinator/rules?part=providers"),
    (DAN, "/coordinator/rules?part=applications"),
    (DAN, "/coordinator/rules?part=interpretations"),
    (VERA, "/coordinator/rules"),
    (CAROL, "/coordinator/rules/what-if"),
    (CAROL, "/coordinator/rules/what-if", "Compare"),
    (CAROL, "/coordinator/rules/what-if/result?reading=first-year%3D2&as_of=2026-12-31"),
    (CAROL, "/coordinator/rules/what-if/result?reading=calendar-year%3D2&as_of=2026-11-22"),
    (CAROL, "/coordinator/rules/what-if/result?draft=7&as_of=2026-11-22"),
    (CAROL, "/coordinator/reports"),
    (CAROL, "/coordinator/reports?first=2024-01-01&last=2024-12-31&category=IFS"),
    (CAROL, "/coordinator/reports?starts_day=31&starts_month=2&starts_year=2026"),
    (CAROL, "/coordinator/reports/year-end"),
    (VERA, "/coordinator/reports/year-end"),
    (CAROL, "/coordinator/providers"),
    (CAROL, "/coordinator/providers?state=takes"),
    (CAROL, "/coordinator/providers/4"),
    (CAROL, "/coordinator/providers/4/credential"),
    (CAROL, "/coordinator/providers/4/credential", "Continue"),
    (CAROL, "/coordinator/providers/elsewhere/{outside}"),
    (CAROL, "/coordinator/providers/names"),
    (CAROL, "/coordinator/providers/names/review?name=Jo+Hart"),
    (CAROL, "/coordinator/providers/names/review?name=Jo+Hart", "Continue"),
    (CAROL, "/coordinator/providers/names/confirm?name=D.+Ruiz"),
    (CAROL, "/coordinator/providers/names/find?name=Jo+Hart&search=dana"),
    (CAROL, "/coordinator/providers/names/find?name=Jo+Hart&search=zzz"),
    (CAROL, "/coordinator/providers/names/decline?name=Jo+Hart"),
    (CAROL, "/coordinator/providers/names/decline?name=Jo+Hart", "Continue"),
    (DAN, "/coordinator/providers"),
    (DANA, "/profile/rsc-provider"),
    (CAROL, "/coordinator/person/1/timeline"),
    (CAROL, "/coordinator/person/1/timeline?day=1&month=11&year=2026"),
    (CAROL, "/coordinator/person/2/timeline?kind=skipped"),
    (CAROL, "/coordinator/person/1/timeline/emails/{email}"),
    (CAROL, "/coordinator/person/1/entries"),
    (CAROL, "/coordinator/person/2/entries"),
    (CAROL, "/coordinator/person/1/entries/{training}"),
    (CAROL, "/coordinator/person/1/entries/{training}", "Continue to propose a correction"),
    (CAROL, "/coordinator/person/1/entries/{unknown}"),
    (ALICE, "/questions/{question}"),
    (ALICE, "/questions/{question}", "Send answer"),
    (CAROL, "/coordinator/import", "Upload"),
    (CAROL, "/coordinator/import/{list}"),
    (CAROL, "/coordinator/import/{list}", "See what would change"),
    (CAROL, "/coordinator/import/{plan}"),
    (CAROL, "/coordinator/import/{plan}?outcome=refused"),
    (CAROL, "/coordinator/import/{plan}/columns"),
    (CAROL, "/coordinator/requests"),
    (CAROL, "/coordinator/requests?state=decided"),
    (CAROL, "/coordinator/requests/{request}"),
    (CAROL, "/coordinator/requests/{request}", "Grant these dates"),
    (CAROL, "/coordinator/mail/new?template=membership"),
    (CAROL, "/coordinator/mail/new?template=documents"),
    (CAROL, "/coordinator/mail/new?template=free", "Update preview"),
    (CAROL, "/coordinator/mail/new?draft={draft}"),
    (CAROL, "/coordinator/mail/{mailing}"),
    (CAROL, "/coordinator/mail/{mailing}?state=failed"),
    (CAROL, "/coordinator/mail/{mailing}/people/{recipient}"),
    (CAROL, "/coordinator/mail/{written}"),
    (CAROL, "/coordinator/work/{working}"),
    (CAROL, "/coordinator/work/{failed}"),
    (CAROL, "/coordinator/work/{prepared}"),
    (DAN, "/coordinator/work"),
    (VERA, "/coordinator/applicants"),
    (VERA, "/coordinator/applicants?missing=rsc"),
    (VERA, "/coordinator/applicants?status=needs+review"),
    (DAN, "/coordinator/applicants"),
    (VERA, "/coordinator/applicants/{nora}"),
    (VERA, "/coordinator/applicants/{ida}"),
    (VERA, "/coordinator/applicants/{ida}/send-back", "Send it back"),
    (CAROL, "/coordinator/person/1"),
    (CAROL, "/coordinator/person/2"),
    (CAROL, "/coordinator/person/4"),
    (CAROL, "/coordinator/person/1/change/email", "Continue"),
    (CAROL, "/coordinator/person/1/change/degree"),
    (CAROL, "/coordinator/person/1/add/endorsement"),
    (CAROL, "/coordinator/person/1/add/membership", "Continue"),
    (CAROL, "/coordinator/person/1/change/endorsement/1", "Continue"),
    (CAROL, "/coordinator/person/1/remove/membership/1", "Continue"),
    (
        CAROL,
        "/coordinator/person/1/add/waiver?endorsement=1&cycle_starts_on=2026-01-01",
        "Continue",
    ),
    (
        CAROL,
        "/coordinator/person/1/add/extension?endorsement=1&cycle_starts_on=2026-01-01",
        "Continue",
    ),
    (CAROL, "/coordinator/person/1/add/leave?endorsement=1", "Continue"),
    (CAROL, "/coordinator/person/1/change/leave/{leave}", "Continue"),
    (CAROL, "/coordinator/person/1/merge"),
    (CAROL, "/coordinator/person/1/merge?q=nobody"),
    (CAROL, "/coordinator/person/2/merge/1"),
    (CAROL, "/coordinator/changes/{desk_change}"),
    (CAROL, "/coordinator/person/1/provider?provider=4", "Continue"),
    (CAROL, "/coordinator/person/new", "Preview"),
    (CAROL, "/coordinator/people/2/2025-01-01"),
    (CAROL, "/coordinator/people/2/2025-01-01", "Reopen this cycle"),
    (VERA, "/coordinator/applicants/{ida}/endorse"),
    (VERA, "/coordinator/applicants/{ida}/endorse", "Endorse"),
    (CAROL, "/coordinator/applicants/{olive}/decline"),
    (FAY, "/my-year"),
    (FAY, "/my-year/{held}/2025-01-01/submit"),
    (FAY, "/my-year/{held}/2025-01-01/submit", "Submit"),
    (GIL, "/my-year/{submitted_by}/2025-01-01"),
    (GIL, "/my-year/{submitted_by}/2025-01-01/submit"),
    (KAI, "/coordinator"),
    (KAI, "/coordinator/renewals/{submission}"),
    (KAI, "/coordinator/renewals/{submission}", "Continue"),
    (FAY, "/profile/registry"),
    (GIL, "/profile/registry"),
    (KAI, "/coordinator/registry"),
    (KAI, "/coordinator/person/{noe}"),
    (KAI, "/coordinator/person/{noe}/unlist/ATTESTING"),
    (KAI, "/coordinator/person/{noe}/unlist/ATTESTING", "Continue"),
    (KAI, "/coordinator/person/{gil}/allow-listing/ATTESTING", "Continue"),
    (IVY, "/my-year"),
    (LEE, "/coordinator/fees"),
    (LEE, "/coordinator/fees?state=late"),
    (LEE, "/coordinator/rules"),
    (LEE, "/coordinator/person/{ivy}"),
    (LEE, "/coordinator/fees/payment?fee={payer}.2026-01-01.renewal"),
    (LEE, "/coordinator/fees/payment?fee={payer}.2026-01-01.renewal", "Continue"),
    (LEE, "/coordinator/fees/payment?corrects={payment}", "Continue"),
    (LEE, "/coordinator/fees/payments"),
    (LEE, "/coordinator/fees/payments/{payment}"),
    (LEE, "/coordinator/fees/payments/{payment}", "Remove the payment"),
    (VIC, "/my-year"),
    (VIC, "/reinstatement/{removed}"),
    (REX, "/coordinator"),
    (REX, "/coordinator/person/{uma}/remove-lapsed/{lapsed}"),
    (REX, "/coordinator/person/{uma}/remove-lapsed/{lapsed}", "Continue"),
    (REX, "/coordinator/rules"),
    (HAL, "/my-year"),
    (HAL, "/audits/{case}"),
    (HAL, "/audits/{case}", "Send"),
    (KAI, "/coordinator/person/{certified_person}"),
    (KAI, "/coordinator/audits"),
    (KAI, "/coordinator/audits", "Fix list and seed"),
    (KAI, "/coordinator/audits/{draw}"),
    (KAI, "/coordinator/audits/{drawn}", "Continue"),
    (KAI, "/coordinator/audits/{drawn}", "Discard the draw"),
    (KAI, "/coordinator/audits/cases/{case}"),
    (KAI, "/coordinator/audits/cases/{case}", "Continue"),
    (CAROL, "/second-factor/set-up"),
    (CAROL, "/coordinator/team/new", "Add"),
    (CAROL, "/coordinator/team/end?member=carol@example.org"),
    (CAROL, "/coordinator/team/end?member=carol@example.org", "End the role"),
]
OF_PROVIDERS = ("/sessions", "/profile/rsc-provider")
# Only where the rulebook has fees, or a registry.
SOME_RULEBOOKS = ("/coordinator/fees", "/coordinator/registry", "/profile/registry")
STOPS = [Stop(*one) for one in _LISTED]
# And every page that has an address of its own, whether or not somebody thought of it here.
_PLAIN = [
    Stop(CAROL if who == COORDINATOR else DANA if path.startswith(OF_PROVIDERS) else ALICE, path)
    for (method, path), who in KNOWN.items()
    if method == "GET"
    and who != ANYBODY
    and "{" not in path
    and "." not in path
    and not path.startswith(SOME_RULEBOOKS)
]
STOPS += [stop for stop in _PLAIN if stop not in STOPS]


def furnish(cast: Cast) -> dict[str, Any]:
    """Let everything have happened that the stops need; what their names in braces stand for."""
    web = WebClient(cast)
    bob = web.visit(BOB)
    bob.post("/takeaways/calendar", {"instead": ""})
    with writing(cast.engine) as session:
        found: dict[str, Any] = _store(session, cast)
        found["digest"] = create_unsubscribe_token(session, Subscription(CAROL, "digest", "NCIMHA"))
        found |= _begin_work(session)
        found["optional"] = create_choice_token(session, cast.people[BOB], ["early reminders"])
        found |= _submit_renewals(session, cast)
        add_lapsed(session, cast)
        found |= {"uma": cast.people[UMA], "lapsed": cast.endorsements[UMA]}
        found["removed"] = cast.endorsements[VIC]
        add_payers(session, cast)
        found["payment"] = pay_for_both(session, cast)
        found |= {"ivy": cast.people[IVY], "payer": cast.endorsements[IVY]}
    path = f"/application/{found['named']}/references"
    web.visit(ALICE).post(path, {**PAT, "role": "program-supervisor"})
    web.settle()
    link = re.search(r"/reference/(\S+)", web.mails()[-1])
    assert link is not None
    _prove(cast)
    found |= _upload_lists(web)
    numbers = {email.partition("@")[0]: n for email, n in cast.applications.items()}
    chosen = web.visit(CAROL).post("/coordinator/people", {"action": "waive"}).headers["location"]
    found["email"] = _send_question(web)
    return {**cast.entries, **numbers, **found, "reference": link[1], "chosen": chosen}


def _begin_work(session: Session) -> dict[str, int]:
    """Long work of the desk: emails that are being written, others that failed, and a file."""
    who: dict[str, Any] = {"audience": "All endorsees", "person_ids": "1-2", "created_by": CAROL}
    who |= {"state": "sent", "sent_at": NOW, "sent_on": NOW.date(), "sender_name": "Carol Reyes"}
    who |= {"template": "free", "subject": "Webinar", "text": "Join us", "created_at": NOW}
    mailings = [
        Mailing(association="NCIMHA", form_key=key, **who) for key in ("written", "failing")
    ]
    session.add_all(mailings)
    session.flush()
    asked: dict[str, Any] = {"association": "NCIMHA", "arguments": "[1, 2]", "total": 2}
    asked |= {"asked_at": NOW, "asked_by": CAROL}
    half: dict[str, Any] = {"kind": "mailing", "done": 1}
    why: dict[str, Any] = {"state": "failed", "problem": "Something went wrong.", "ended_at": NOW}
    whole: dict[str, Any] = {"kind": "certificates", "about_id": 0, "done": 2, "left_out": 1}
    tasks = [
        DeskTask(**asked, **half, about_id=mailings[0].id),
        DeskTask(**asked, **half, **why, about_id=mailings[1].id),
        DeskTask(**asked, **whole, state="done", ended_at=NOW, file_name="certificates.zip"),
    ]
    session.add_all(tasks)
    session.flush()
    session.add(DeskTaskPiece(task_id=tasks[2].id, name="A.pdf", number=0, content=b"%PDF"))
    ids = zip(("working", "failed", "prepared"), (task.id for task in tasks), strict=True)
    return {**dict(ids), "written": mailings[0].id}


def _submit_renewals(session: Session, cast: Cast) -> dict[str, Any]:
    """Fay can submit her renewal; Gil's lacks hours, and Hal's is audited. Noe is listed."""
    submission = submit_for_gil(session, cast)
    add_endorsee(session, cast, FAY, "Fay Lani")
    evaluate_people(session, BOOKS, {cast.people[FAY]}, NOW)
    held, audit = cast.endorsements, audit_hal(session, cast, NOW)
    ids = {"held": held[FAY], "submitted_by": held[GIL], "submission": submission}
    add_members(session, cast)
    list_people(session, cast, GIL, NOE)
    remove_from_registry(session, cast, GIL)
    hals = select(Certificate.number).where(Certificate.name == "Hal Keawe")
    number = session.exec(hals).one()
    certified = {"certified": number, "certified_person": cast.people[HAL]}
    listed = {"gil": cast.people[GIL], "noe": cast.people[NOE]}
    return ids | audit | certified | listed


def _send_question(web: WebClient) -> int:
    """Carol asks Alice about a session; the id of the email."""
    alice, entry = web.cast.people[ALICE], web.cast.entries["rsc-8"]
    asked = {"action": "ask", "ask_text": "How long was it?", "confirmed": "yes"}
    web.visit(CAROL).post(f"/coordinator/person/{alice}/entries/{entry}", asked)
    web.settle()
    return int(web.cast.rows("outbox", person_id=alice)[-1]["id"])


def _upload_lists(web: WebClient) -> dict[str, int]:
    """A list whose columns nobody has checked, and one with a plan and people to decide about."""
    carol = web.visit(CAROL)
    unknown = "Name,Email,Category,Since,Shirt\nZoe,zoe@example.org,Level 2,3/4/2024,L\n"
    new = (
        "Alice Moreno,alice@new.example,IFS,3/14/2024\n"
        "Zoe Hartman,zoe@example.org,IFA,3/14/2024\n"
        "No Mail,,IFS,3/14/2024\n"
    )
    waiting = str(upload(carol, ("members.csv", unknown)).headers["location"])
    planned = plan(web, carol, ("roster.csv", ROSTER + new))
    return {
        "list": int(waiting.rpartition("/")[2]),
        "plan": int(planned.rpartition("/")[2]),
    }


def _prove(cast: Cast) -> None:
    """Files of an open and of a closed cycle, and one whose form is not saved."""
    with writing(cast.engine) as session:
        for entry in ("training", "old"):
            prove(session, cast, ALICE, f"{ALICE} {entry}")
        draft = ReceivedFile("draft.pdf", "application/pdf", 900_000, "draft", "d" * 40)
        keep_files(acting(session, cast, ALICE), "d" * 32, [draft], None)


def _store(session: Session, cast: Cast) -> dict[str, int]:
    days = {"starts_on": date(2026, 12, 1), "ends_on": date(2027, 2, 28)}
    bob = cast.people[BOB]

    def add(name: str, **values: object) -> int:
        table = METADATA.tables[name]
        new = insert(table).values(**values).returning(table.c.id)
        return int(session.connection().execute(new).scalar_one())

    settle_last_year(session, cast, BOB)
    nora = {"person_id": cast.people[NORA], "recorded_by": NORA}
    logged_session = hold_session(session, cast, DANA)
    asked, disputed = (name_supervisee(session, cast, logged_session, who) for who in (ALICE, BOB))
    table = METADATA.tables["group_member"]
    answer = {"state": "disputed", "answered_at": NOW, "note": "It was the 17th"}
    session.connection().execute(table.update().where(table.c.id == disputed).values(answer))
    written = {"form_key": "", "created_at": NOW}
    words = {"association": "NCIMHA", "template": "free", "subject": "Webinar", "text": "Join us"}
    who = {"audience": "All endorsees", "person_ids": str(bob), "created_by": CAROL}
    who["sender_name"] = "Carol Reyes"
    sent = {"state": "sent", "sent_at": NOW, "sent_on": NOW.date(), "form_key": "sent"}
    skipped = {"outcome": "skipped", "reason": "bounced", "person_id": bob}
    number = add("mailing", **words, **who, **{**written, **sent})
    rsc = {"activity": "rsc", "held_on": date(2026, 3, 1), "minutes": 60, "title": "RSC"}
    add("entry", person_id=bob, provider_name="D. Ruiz", **rsc)
    return {
        "draft": add("mailing", **words, **who, **written, state="draft"),
        "mailing": number,
        "recipient": add("mailing_recipient", mailing_id=number, **skipped),
        "question": ask(session, cast.entries["unknown"], "Who is Jo Hart?"),
        "session": logged_session,
        "asked": asked,
        "disputed": disputed,
        "term": add("membership", person_id=bob, organization="NCIMHA", recorded_by=BOB, **days),
        "outside": add(
            "outside_endorsement",
            person_id=cast.people[DANA],
            known_to="NCIMHA",
            association="MI-AIMH",
            category="IMHM-C",
            starts_on=date(2020, 1, 1),
            recorded_by=CAROL,
        ),
        "request": add(
            "time_request",
            endorsement_id=cast.endorsements[BOB],
            kind="leave",
            reason="Parental leave",
            form_key="",
            asked_at=NOW,
            state="asked",
            **days,
        ),
        "desk_change": add(
            "desk_change",
            association="NCIMHA",
            title="Change the name of Bob Osei to Bob Osei",
            reason="A call",
            made_at=NOW,
            made_by=CAROL,
        ),
        "leave": add(
            "leave",
            endorsement_id=cast.endorsements[ALICE],
            starts_on=date(2024, 6, 1),
            ends_on=date(2024, 8, 31),
            reason="Parental leave",
        ),
        "degree": add(
            "degree",
            level="bachelor",
            title="BSW, Social Work",
            awarded_on=date(2015, 5, 15),
            transcript="none",
            **nora,
        ),
        "position": add(
            "position",
            title="Home visitor, Healthy Families",
            pay="paid",
            services="prevention",
            families=12,
            supervised=True,
            trained=False,
            gives_rsc=False,
            statements="",
            starts_on=date(2020, 6, 1),
            **nora,
        ),
        "nobody": apply(
            session, cast.people[DANA], association="VAIMH", opened_on=date(2024, 1, 1)
        ),
        "named": apply(
            session, cast.people[ALICE], association="VAIMH", opened_on=date(2024, 1, 1)
        ),
    }
