"""What endorsees, coordinators, and time do to renewals with submissions, fees, and audits.

Each step takes a desk, whose renewal it is about, and a number that chooses among what there is.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

from tests.support.cast import ATTESTING, PAYING
from tests.support.paying import IVY, JON
from tests.support.submitting import FAY, GIL
from tests.web.client import Visitor
from tests.web.coordinator.any_actions import AnyDesk
from tests.web.coordinator.desk_steps import day
from tests.web.test_hostile_text import do_what_is_due
from tracker.clock import local_day

Step = Callable[[AnyDesk, int, int], None]


class Holder(NamedTuple):
    """Who holds an endorsement, and at which association."""

    email: str
    association: str


# Jon renews at both associations, so that his sessions belong to two renewals.
HOLDERS = (
    Holder(FAY, ATTESTING),
    Holder(GIL, ATTESTING),
    Holder(JON, ATTESTING),
    Holder(JON, PAYING),
    Holder(IVY, PAYING),
)


def held_by(desk: AnyDesk, holder: Holder) -> int:
    """The endorsement that somebody got last, which a reinstatement begins anew."""
    own = {"person_id": desk.web.cast.people[holder.email], "association": holder.association}
    rows = desk.web.cast.rows("endorsement", **own)
    if not rows:
        return desk.web.cast.endorsements[f"{holder.email} {holder.association}"]
    return max(int(row["id"]) for row in rows)


def person_path(desk: AnyDesk, holder: Holder) -> str:
    """The page of somebody on the desk."""
    return f"/coordinator/person/{desk.web.cast.people[holder.email]}"


def _cycle(desk: AnyDesk, holder: Holder, number: int) -> str:
    """The first day of one of the renewals that have a standing."""
    rows = desk.web.cast.rows("standing", endorsement_id=held_by(desk, holder))
    return str(rows[number % len(rows)]["cycle_starts_on"]) if rows else "2027-01-01"


def _renewal(desk: AnyDesk, holder: Holder, number: int) -> str:
    held = held_by(desk, holder)
    return f"endorsement={held}&cycle_starts_on={_cycle(desk, holder, number)}"


def today_of(desk: AnyDesk, holder: Holder) -> date:
    """Their association's legal day."""
    zone = desk.web.rulebooks.associations[holder.association].time_zone
    return local_day(desk.web.now, zone)


def _days(prefix: str, value: date) -> dict[str, str]:
    return day(prefix, value.month, value.day, value.year)


def send(desk: AnyDesk, visitor: Visitor, path: str, form: dict[str, Any]) -> None:
    """Send an endorsee's own form; each row that it changes has an audit event."""
    with desk.audited():
        answer = visitor.post(path, form)
    assert answer.status_code in {200, 303, 404, 422}, answer.text


def submit(desk: AnyDesk, who: int, number: int) -> None:
    """Sign everything, or only what must be signed."""
    holder = HOLDERS[who]
    path = f"/my-year/{held_by(desk, holder)}/{_cycle(desk, holder, number)}/submit"
    visitor = desk.visit(holder.email)
    key = re.search(r'name="form_key" value="([0-9a-f]{32})"', visitor.get(path).text)
    signed = ["ethics"] if number % 3 == 0 else ["ethics", "hours"]
    [person] = desk.web.cast.rows("person", id=desk.web.cast.people[holder.email])
    form = {"form_key": key[1] if key else "", "signed": signed, "signed_name": person["name"]}
    form |= {"anyway": "yes"}
    send(desk, visitor, path, form)


def decide(desk: AnyDesk, _who: int, number: int) -> None:
    """Accept a renewal although something is missing, or return it."""
    submissions = desk.web.cast.rows("submission")
    if submissions:
        chosen = submissions[number % len(submissions)]
        action = ("accept", "return")[number % 2]
        typed = {"action": action, f"{action}_reason": "A flood"}
        association = _association_of(desk, chosen["endorsement_id"])
        desk.save(association, f"/coordinator/renewals/{chosen['id']}", typed)


def _association_of(desk: AnyDesk, endorsement_id: int) -> str:
    [held] = desk.web.cast.rows("endorsement", id=endorsement_id)
    return str(held["association"])


def log_session(desk: AnyDesk, who: int, number: int) -> None:
    """Log training of some day of the last weeks, sometimes more than all that is required."""
    holder = HOLDERS[who]
    held_on = today_of(desk, holder) - timedelta(days=number)
    visitor = desk.visit(holder.email)
    key = re.search(r'name="form_key" value="([0-9a-f]{32})"', visitor.get("/log").text)
    assert key
    form = {
        "form_key": key[1],
        "activity": "training",
        "hours": f"{1 + number}",
        "title": "Reading",
    }
    when = {"day": f"{held_on.day}", "month": f"{held_on.month}", "year": f"{held_on.year}"}
    send(desk, visitor, "/log", form | when)


def correct_session(desk: AnyDesk, who: int, number: int) -> None:
    """Change the hours or the title of a session, or delete it, or bring it back."""
    holder = HOLDERS[who]
    own = desk.web.cast.rows("entry", person_id=desk.web.cast.people[holder.email])
    visitor = desk.visit(holder.email)
    if number % 4 == 3 or not own:
        send(desk, visitor, "/entries/undo-deletion", {})
        return
    entry = f"/entries/{own[number % len(own)]['id']}"
    if number % 4 == 2:
        send(desk, visitor, f"{entry}/delete", {})
        return
    page = visitor.get(f"{entry}/edit")
    form = dict(re.findall(r'<input[^>]*name="([\w-]+)"[^>]* value="([^"]*)"(?! id)', page.text))
    if form:
        typed = {"hours": f"{1 + number}"} if number % 4 else {"title": f"Title {number}"}
        send(desk, visitor, f"{entry}/edit", {**form, "activity": "training", **typed})


def review_session(desk: AnyDesk, who: int, number: int) -> None:
    """Exclude a session, remove it, or let it count again."""
    holder = HOLDERS[who]
    own = desk.web.cast.rows("entry", person_id=desk.web.cast.people[holder.email])
    action = ("exclude", "include", "remove")[number % 3]
    if own:
        path = f"{person_path(desk, holder)}/entries/{own[number % len(own)]['id']}"
        typed = {"action": action, f"{action}_reason": "It was canceled"}
        desk.save(holder.association, path, typed)


def waive(desk: AnyDesk, who: int, number: int) -> None:
    """Waive one requirement."""
    holder = HOLDERS[who]
    requirement = ("training", "rsc", "membership", "ethics", "submission", "fee")[number % 6]
    path = f"{person_path(desk, holder)}/add/waiver?{_renewal(desk, holder, number)}"
    desk.save(holder.association, path, {"requirement": requirement})


def extend(desk: AnyDesk, who: int, number: int) -> None:
    """Move a due date."""
    holder = HOLDERS[who]
    path = f"{person_path(desk, holder)}/add/extension?{_renewal(desk, holder, number)}"
    desk.save(holder.association, path, _days("ends", date(2028, 1 + number % 12, 28)))


def rest(desk: AnyDesk, who: int, number: int) -> None:
    """Record leave or inactive status."""
    holder = HOLDERS[who]
    path = f"{person_path(desk, holder)}/add/leave?endorsement={held_by(desk, holder)}"
    starts = date(2027, 1, 15) + timedelta(days=60 * (number % 8))
    days = {**_days("starts", starts), **_days("ends", starts + timedelta(days=90))}
    desk.save(holder.association, path, days | {"what": ("leave", "inactive")[number % 2]})


def join(desk: AnyDesk, who: int, number: int) -> None:
    """Add a year or three of membership."""
    holder = HOLDERS[who]
    starts = date(2025 + number % 3, 1, 1)
    days = {**_days("starts", starts), **_days("ends", date(2027 + number % 2, 12, 31))}
    path = f"{person_path(desk, holder)}/add/membership"
    desk.save(holder.association, path, {"what": holder.association, **days})


def redate(desk: AnyDesk, who: int, number: int) -> None:
    """Change the first day of an endorsement, or end it."""
    holder = HOLDERS[who]
    typed = _days("starts", date(2020 + number % 9, 5, 1))
    if number % 5 == 4:
        typed = _days("starts", date(2020, 5, 1)) | _days("ends", date(2027, 11, 30))
    path = f"{person_path(desk, holder)}/change/endorsement/{held_by(desk, holder)}"
    desk.save(holder.association, path, typed)


def remove(desk: AnyDesk, who: int, number: int) -> None:
    """Remove a row of one kind; an endorsement goes with its submissions and payments."""
    holder = HOLDERS[who]
    kind = ("membership", "waiver", "leave", "endorsement")[number % 4]
    for row in desk.web.cast.rows(kind):
        is_own = row.get("person_id") == desk.web.cast.people[holder.email]
        if is_own or row.get("endorsement_id") == held_by(desk, holder):
            path = f"{person_path(desk, holder)}/remove/{kind}/{row['id']}"
            desk.save(holder.association, path, {})
            return


def pay(desk: AnyDesk, who: int, number: int) -> None:
    """Record one payment for one person or for both, of too little or of enough."""
    chosen = [holder for holder in HOLDERS if holder.association == PAYING]
    if number % 2:
        chosen = [chosen[who % len(chosen)]]
    parts = {
        f"part.{held_by(desk, holder)}.{_cycle(desk, holder, 0)}.renewal": ("75", "100", "12.34")[
            number % 3
        ]
        for holder in chosen
    }
    desk.save(PAYING, "/coordinator/fees/payment", {**_payment(desk, number), **parts})


def _payment(desk: AnyDesk, number: int) -> dict[str, str]:
    paid_on = today_of(desk, HOLDERS[3]) - timedelta(days=number)
    when = {"day": f"{paid_on.day}", "month": f"{paid_on.month}", "year": f"{paid_on.year}"}
    count = len(desk.web.cast.rows("audit_event"))
    return {"association": PAYING, "payer": "Agency", "form_key": f"{count:032x}", **when}


def take_payment_back(desk: AnyDesk, who: int, number: int) -> None:
    """Remove a payment, or record it as it should have been."""
    payments = desk.web.cast.rows("payment")
    if not payments:
        return
    wrong = payments[number % len(payments)]["id"]
    if number % 2:
        desk.save(PAYING, f"/coordinator/fees/payments/{wrong}", {"reason": "It bounced"})
        return
    holder = HOLDERS[3 + who % 2]
    part = {f"part.{held_by(desk, holder)}.{_cycle(desk, holder, 0)}.renewal": "80"}
    typed = {**_payment(desk, number), **part, "corrects": f"{wrong}"}
    desk.save(PAYING, "/coordinator/fees/payment", typed)


def freeze(desk: AnyDesk, _who: int, number: int) -> None:
    """Fix a draw."""
    draw = {
        "association": ATTESTING,
        "ends_from": "2027-12-31",
        "ends_through": "2027-12-31",
        "quota": ("share", "number")[number % 2],
        "amount": f"{(50, 1)[number % 2]}",
        "seed": f"{number}",
    }
    desk.save_directly(ATTESTING, "/coordinator/audits", draw)


def draw(desk: AnyDesk, _who: int, number: int) -> None:
    """Draw from what is fixed, and ask those for documents who were drawn."""
    draws = desk.web.cast.rows("audit_draw")
    if draws:
        path = f"/coordinator/audits/{draws[number % len(draws)]['id']}"
        desk.save_directly(ATTESTING, path, {"action": "draw"})
        due = today_of(desk, HOLDERS[0]) + timedelta(days=number)
        desk.save(ATTESTING, path, {"action": "ask", **_days("ends", due)})


def answer_audit(desk: AnyDesk, _who: int, number: int) -> None:
    """Send documents, or appeal."""
    for case in desk.web.cast.rows("audit_case"):
        own = {held_by(desk, holder): holder.email for holder in HOLDERS}
        form = {"action": "appeal", "appeal": "I was there"} if number % 2 else {"note": "By mail"}
        email = own.get(case["endorsement_id"])
        if email:
            send(desk, desk.visit(email), f"/audits/{case['id']}", form)


def judge(desk: AnyDesk, _who: int, number: int) -> None:
    """Judge the sessions of an audit, then decide; or allow more time."""
    cases = desk.web.cast.rows("audit_case")
    if not cases:
        return
    case = cases[number % len(cases)]
    path = f"/coordinator/audits/cases/{case['id']}"
    if number % 7 == 6:
        due = today_of(desk, HOLDERS[0]) + timedelta(days=2 * number)
        desk.save(ATTESTING, path, {"action": "extend", **_days("ends", due)})
        return
    verdicts: dict[str, str] = {}
    for entry in desk.web.cast.rows("entry"):
        verdict = ("supported", "not supported")[(number + entry["id"]) % 3 == 0]
        verdicts |= {f"verdict-{entry['id']}": verdict, f"reason-{entry['id']}": "No date"}
    desk.save_directly(ATTESTING, path, {"action": "verdicts", **verdicts})
    outcome = ("passed", "not passed")[number % 2]
    desk.save(ATTESTING, path, {"action": "decide", "outcome": outcome})


def reopen(desk: AnyDesk, _who: int, number: int) -> None:
    """Reopen a settled cycle, or settle it again."""
    settled = desk.web.cast.rows("settled_cycle")
    if settled:
        chosen = settled[number % len(settled)]
        held = chosen["endorsement_id"]
        path = f"/coordinator/people/{held}/{chosen['cycle_starts_on']}"
        typed = {"action": ("reopen", "settle")[number % 2], "reason": "A late letter"}
        association = _association_of(desk, held)
        answer = desk.coordinator(association).post(path, typed)
        assert answer.status_code in {303, 422}, answer.text


def undo_one(desk: AnyDesk, _who: int, number: int) -> None:
    """Undo one of the last changes."""
    rows = [row for row in desk.web.cast.rows("desk_change") if row["undone_at"] is None]
    if rows:
        chosen = rows[-1 - number % min(len(rows), 4)]
        desk.undo(chosen["association"], chosen["id"])


def let_time_pass(desk: AnyDesk, _who: int, number: int) -> None:
    """Let days pass, at times to or past the last day of a year, window, or grace period."""
    ends = (date(2027, 12, 31), date(2028, 1, 15), date(2028, 1, 31), date(2028, 2, 10))
    ahead = [(last - today_of(desk, HOLDERS[0])).days for last in ends]
    ahead = [days + 1 - number % 2 for days in ahead if days > 0]
    days = ahead[0] if number % 4 == 0 and ahead else 1 + 3 * number
    with desk.audited():
        desk.web.pass_time(days=days)
        do_what_is_due(desk.web)


STEPS: tuple[Step, ...] = (
    submit,
    submit,
    submit,
    decide,
    decide,
    log_session,
    correct_session,
    review_session,
    waive,
    extend,
    rest,
    join,
    redate,
    remove,
    pay,
    pay,
    take_payment_back,
    freeze,
    draw,
    draw,
    answer_audit,
    judge,
    reopen,
    undo_one,
    undo_one,
    let_time_pass,
    let_time_pass,
)
