"""Removals after a lapse, requests to be reinstated, decisions about them, and what has to hold.

Each step is as those of `tests.web.coordinator.renewal_actions`.
"""

import json
import re
from datetime import date, datetime, timedelta
from typing import Any

from tests.support.cast import Cast
from tests.web.coordinator.any_actions import AnyDesk, Rows
from tests.web.coordinator.renewal_actions import (
    HOLDERS,
    Step,
    held_by,
    person_path,
    send,
    today_of,
)
from tests.web.test_hostile_text import do_what_is_due
from tracker.clock import local_day
from tracker.db.engine import reading
from tracker.rulebooks import Rulebooks
from tracker.rules.model import Rulebook
from tracker.rules.stages import Stage
from tracker.services.certificate_checks import CertificateState, verify_certificate
from tracker.services.stages import read_ways

# Renewals are due on December 31, and lapse after January 31.
_FROM, _LAPSES_AFTER = date(2027, 6, 1), date(2028, 1, 31)
_KEPT_DAYS = 10
LAST_KEPT = _LAPSES_AFTER + timedelta(days=_KEPT_DAYS)


def with_removals(rulebook: Rulebook, *, by_itself: bool) -> Rulebook:
    """A rulebook that removes who lapsed, and reinstates who signs the Code of Ethics anew."""
    data = rulebook.model_dump(by_alias=True, exclude_unset=True)
    source = {"document": next(iter(data["documents"])), "section": "Removals"}
    dated = {"from": _FROM, "source": source}
    ethics = {
        "of": "reinstatement",
        "id": "back.ethics",
        "label": "Code of Ethics",
        "about": "Signed anew",
        "categories": ["IFS"],
        "counts": "signed",
        "signed": ["ethics"],
        "values": [dated],
    }
    more = {
        "attestations": {"ethics": "I follow the Code", **data.get("attestations", {})},
        "removals": [{**dated, "after_days": _KEPT_DAYS, "by_itself": by_itself}],
        "reinstatements": [{**dated, "latest_months": 3}],
        "requirements": [*data["requirements"], ethics],
    }
    return Rulebook.model_validate({**data, **more})


def remove_by_desk(desk: AnyDesk, who: int, _number: int) -> None:
    """Remove somebody who lapsed; before that is due, nothing happens."""
    holder = HOLDERS[who]
    path = f"{person_path(desk, holder)}/remove-lapsed/{held_by(desk, holder)}"
    desk.save(holder.association, path, {})


def let_lapse(desk: AnyDesk, who: int, number: int) -> None:
    """Let everything lapse that is not submitted, to the last day before removals, or the first."""
    days = (LAST_KEPT - today_of(desk, HOLDERS[who])).days + number % 3
    if days > 0:
        with desk.audited():
            desk.web.pass_time(days=days)
            do_what_is_due(desk.web)


def ask_back(desk: AnyDesk, who: int, number: int) -> None:
    """Ask to be reinstated, sign what must be signed, and submit it, or only some of that."""
    holder = HOLDERS[who]
    visitor = desk.visit(holder.email)
    send(desk, visitor, f"/reinstatement/{held_by(desk, holder)}", {})
    for asked in desk.web.cast.rows("application", person_id=desk.web.cast.people[holder.email]):
        path = f"/application/{asked['id']}"
        if number % 3:
            send(desk, visitor, f"{path}/statements", {"signed": ["ethics"]})
        if number % 4:
            send(desk, visitor, f"{path}/status/submit", {})
        if number % 7 == 6:
            send(desk, visitor, f"{path}/status/withdraw", {})


def answer_request(desk: AnyDesk, _who: int, number: int) -> None:
    """Reinstate, decline, or send back somebody who asked; or undo that."""
    asked = desk.web.cast.rows("application")
    if not asked:
        return
    chosen = asked[number % len(asked)]
    path = f"/coordinator/applicants/{chosen['id']}"
    day = local_day(desk.web.now, desk.web.rulebooks.associations[chosen["association"]].time_zone)
    when = {"day": f"{day.day}", "month": f"{day.month}", "year": f"{day.year}"}
    deed = ("endorse", "decline", "endorse", "send-back", "undo")[number % 5]
    typed: dict[str, Any] = {**when, "answer": "Too little"}
    if deed == "undo":
        page = desk.coordinator(chosen["association"]).get(path)
        decision = re.search(r'name="decision" value="(\d+)"', page.text)
        typed = {"decision": decision[1] if decision else "0"}
    if deed == "endorse" and chosen["purpose"] == "reinstatement":
        desk.save(chosen["association"], f"{path}/{deed}", typed)
        return
    desk.save_directly(chosen["association"], f"{path}/{deed}", typed)


REMOVAL_STEPS: tuple[Step, ...] = (
    let_lapse,
    remove_by_desk,
    remove_by_desk,
    ask_back,
    ask_back,
    answer_request,
    answer_request,
)


def check_removed(desk: AnyDesk, before: Rows, after: Rows) -> None:
    """Nobody is removed early or while something is undecided; stages say who came back."""
    cast, now = desk.web.cast, desk.web.now
    removed = {
        key: row
        for key, row in after.items()
        if key.startswith("endorsement:") and row["ended_as"] == "removed"
    }
    for key, row in removed.items():
        zone = desk.web.rulebooks.associations[row["association"]].time_zone
        assert row["ends_on"] < local_day(now, zone)
        standings = cast.rows("standing", endorsement_id=row["id"])
        assert all(each["status"] != "lapsed" for each in standings)
        if before.get(key, {}).get("ended_as") is None:
            assert row["ends_on"] >= LAST_KEPT
            check_decided(row["id"], before)
    with reading(cast.engine) as session:
        found = read_ways(session, desk.web.rulebooks).removals
    assert found == {row["id"]: find_stage(row, after) for row in removed.values()}


def check_decided(endorsement_id: int, before: Rows) -> None:
    """A renewal that a coordinator has to decide on is not removed."""
    for key, row in before.items():
        if key.startswith("audit_case:") and row["endorsement_id"] == endorsement_id:
            assert row["state"] != "appealed"


def find_stage(removed: dict[str, Any], rows: Rows) -> Stage:
    """Whether who was removed was reinstated since, by the records alone."""
    key = ("person_id", "association", "category")
    for name, row in rows.items():
        is_granted = name.startswith("application:") and row["state"] == "endorsed"
        if is_granted and all(row[each] == removed[each] for each in key):
            begun = [
                one["id"]
                for other, one in rows.items()
                if other.startswith("endorsement:")
                and all(one[each] == removed[each] for each in key)
                and one["starts_on"] > removed["ends_on"]
            ]
            if begun and row["opened_on"] > removed["ends_on"]:
                return Stage.REINSTATED
    return Stage.REMOVED


def check_certificates(cast: Cast, rulebooks: Rulebooks, now: datetime) -> None:
    """A certificate is valid while its endorsement is in force, its renewal stands, none lapsed."""
    with reading(cast.engine) as session:
        for row in cast.rows("certificate"):
            verified = verify_certificate(session, rulebooks, row["number"], now)
            assert verified is not None
            is_valid = verified.state is CertificateState.VALID
            assert is_valid == is_certified(cast, rulebooks, row, now), (row, verified)


def is_certified(cast: Cast, rulebooks: Rulebooks, row: dict[str, Any], now: datetime) -> bool:
    """Whether a certificate should be valid, by the records and the stored standings."""
    held = cast.rows("endorsement", id=row["endorsement_id"]) if row["endorsement_id"] else []
    if not held:
        return False
    today = local_day(now, rulebooks.associations[held[0]["association"]].time_zone)
    if held[0]["ends_on"] is not None and held[0]["ends_on"] < today:
        return False
    if row["valid_through"] < today:
        return False
    key = {"endorsement_id": row["endorsement_id"]}
    if row["kind"] == "renewal":
        settled = cast.rows("settled_cycle", **key, cycle_starts_on=row["cycle_starts_on"])
        in_force = [one for one in settled if one["reopened_at"] is None]
        return [json.loads(one["content"])["status"] for one in in_force] == ["met"]
    return True
