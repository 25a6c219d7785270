"""Nobody reaches what is not theirs by what a form sends: hidden ids, keys, choices, buttons.

The fields are read from the forms on the pages: one that nobody has classified here fails.
"""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, EVE, NOW, Cast, acting
from tests.support.held import HELD_ON, hold_session, name_supervisee
from tests.support.referees import PAT, apply
from tests.web.client import RSC, TRAINING, Visitor, WebClient
from tests.web.crawl import Form, read_page, walk
from tests.web.test_scoping import prove, routes
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.browser_sessions import browser_handle, create_browser_session
from tracker.services.evidence import ReceivedFile, keep_files

KEY = "f" * 32
DAY = {"day": "18", "month": "11", "year": "2026"}
SPAN = {"starts_day": "1", "starts_month": "1", "starts_year": "2027", "ends_day": "2",
        "ends_month": "2", "ends_year": "2027", "reason": "A reason"}  # fmt: skip
SESSION = {**DAY, "hours": "1", "title": "Group RSC", "others": "new@example.org"}
# The page said that files wait with the form: only then they are looked for.
KEEPING = {**TRAINING, "kept": "yes"}
# A field that brings an id, a key or a handle: what else the form sends, and whose ids are tried.
# Who posts is Bob, Dana where it is a provider's form, Carol where it is a coordinator's.
BRINGS = {
    ("/log", "form_key"): (KEEPING, "form_key"),
    ("/log", "remove"): (TRAINING, "file"),
    ("/log", "provider"): (RSC, "person"),
    ("/entries/{entry_id}/edit", "form_key"): (KEEPING, "form_key"),
    ("/entries/{entry_id}/edit", "remove"): (TRAINING, "file"),
    ("/entries/{entry_id}/edit", "without"): (TRAINING, "file"),
    ("/entries/{entry_id}/edit", "provider"): (RSC, "person"),
    ("/application/{application_id}/references", "remove"): ({}, "reference"),
    ("/application/{application_id}/references", "ask"): ({}, "reference"),
    ("/requests/leave", "form_key"): (SPAN, "request_key"),
    ("/requests/leave", "subject"): (SPAN, "endorsement"),
    ("/requests/extension", "form_key"): (SPAN, "request_key"),
    ("/requests/extension", "subject"): (SPAN, "subject"),
    ("/sessions/new", "form_key"): (SESSION, "session_key"),
    ("/sessions/new", "people"): (SESSION, "supervisee"),
    ("/sessions/{session_id}/edit", "form_key"): (SESSION, "session_key"),
    ("/sessions/{session_id}/edit", "people"): (SESSION, "supervisee"),
    ("/sessions/{session_id}/take-out", "member"): ({}, "member"),
    ("/sessions/asked/{member_id}", "own"): ({}, "entry"),
    ("/coordinator/providers/names/confirm", "who"): (
        {"association": "NCIMHA", "name": "jo hart", "record": "nothing"},
        "stranger",
    ),
    ("/profile/files", "remove"): ({}, "file"),
    ("/profile/browsers/end", "browser"): ({}, "handle"),
    ("/takeaways/calendar", "instead"): ({}, "mark"),
    ("/coordinator/mail/new", "form_key"): ({}, "mailing"),
    ("/coordinator/mail/new", "to"): ({}, "person"),
    ("/coordinator/people", "row"): ({"action": "waive"}, "row"),
}
# What coordinators' forms bring: test_provider_links.py and test_today.py in tests/web/coordinator.
BY_COORDINATORS = {
    ("/coordinator/person/{person_id}/provider", "provider"),
    ("/coordinator/snooze", "cause"),
    ("/coordinator/snooze", "choice"),
    ("/coordinator/snooze", "replaces"),
    ("/coordinator/snooze/end", "cause"),
}
# Fields that look like one and are none: what the form was opened for, days, counts, levels, ages.
HARMLESS = {
    "version", "asked", "seen", "warned", "next", "kept", "format", "activity", "page", "ages",
    "starts_today", "reading",
    "as_of", "prefilled_day", "prefilled_hours", "when", "length",
    "show",
}  # fmt: skip
OF_PROVIDERS = "/sessions/"


def looks_like_an_id(name: str, value: str) -> bool:
    """Whether a value that the page has chosen could name a row."""
    return bool(re.search(r"\d", value)) or name.endswith(("_key", "_id"))


def chosen_by_the_page(form: Form) -> Iterator[tuple[str, str]]:
    yield from form.sent
    yield from form.buttons
    yield from ((name, value) for name, values in form.choices.items() for value in values)


def test_every_field_with_an_id_is_classified(sqlite_web: WebClient) -> None:
    fill_world(sqlite_web.cast)
    posted = [path for method, path in routes(sqlite_web) if method == "POST"]
    found = set()
    for who in (ALICE, BOB, DANA, CAROL):
        for _, _, page in walk(sqlite_web.visit(who)):
            for form in page.forms:
                if not form.is_post:
                    continue
            for form in (each for each in page.forms if each.is_post):
                path = form.action.partition("?")[0]
                route = path if path in posted else next(p for p in posted if fits(p, path))
                for name, value in chosen_by_the_page(form):
                    if looks_like_an_id(name, value) and name not in HARMLESS:
                        found.add((route, name))
    assert sorted(found - BRINGS.keys() - BY_COORDINATORS) == []


def fits(route: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path) is not None


def add(cast: Cast, table: str, **values: object) -> int:
    found = METADATA.tables[table]
    with writing(cast.engine) as session:
        statement = insert(found).values(**values).returning(found.c.id)
        return int(session.connection().execute(statement).scalar_one())


def fill_world(cast: Cast) -> dict[str, tuple[object, ...]]:
    """Something of everybody's, Bob's and Dana's too; of each kind what is foreign to both."""
    with writing(cast.engine) as session:
        hers = hold_session(session, cast, EVE)
        theirs = [name_supervisee(session, cast, hers, who) for who in (ALICE, ERIN)]
        own = hold_session(session, cast, DANA)
        name_supervisee(session, cast, own, BOB)
        cast.applications = {
            who: apply(session, cast.people[who], association="CT-AIMH") for who in (ALICE, BOB)
        }
        files = tuple(prove(session, cast, who, f"{who} {n}")
                      for who, n in ((ALICE, "training"), (ERIN, "erin")))  # fmt: skip
        draft = ReceivedFile("draft.pdf", "application/pdf", 8, "draft", "0" * 40)
        keep_files(acting(session, cast, ALICE), KEY, [draft], None)
        handle = browser_handle(create_browser_session(session, ALICE, NOW))
    draft_id = cast.rows("evidence", form_key=KEY)[0]["id"]
    reference = add(cast, "reference", application_id=cast.applications[ALICE],
                    **PAT)  # fmt: skip
    add(cast, "time_request", endorsement_id=cast.endorsements[ALICE], kind="leave", reason="x",
        form_key=KEY, asked_at=NOW, state="asked", starts_on=HELD_ON)  # fmt: skip
    alice = cast.endorsements[ALICE]
    cast.entries["bob"] = add(cast, "entry", person_id=cast.people[BOB], activity="training",
                              held_on=HELD_ON, minutes=60, title="Bob's own")  # fmt: skip
    return {
        "form_key": (KEY,),
        "request_key": (KEY,),
        "session_key": (f"held-{EVE}",),
        "file": (*files, draft_id),
        "person": tuple(cast.people[who] for who in (ALICE, ERIN)),
        "stranger": tuple(cast.people[who] for who in (ERIN, EVE)),
        "supervisee": tuple(cast.people[who] for who in (BOB, ERIN)),
        "reference": (reference,),
        "endorsement": (alice, cast.endorsements[ERIN]),
        "subject": (f"{alice}:2026-01-01", f"{cast.endorsements[ERIN]}:2026-01-01"),
        "member": tuple(theirs),
        "entry": (cast.entries["rsc"], cast.entries["erin"]),
        "handle": (handle,),
        "mark": ("0" * 16,),
        "mailing": (KEY,),
        "row": (f"renewal-{cast.endorsements[ERIN]}-2026-01-01",),
        "session": (own,),
    }


def usual_of(visitor: Visitor, path: str) -> dict[str, str]:
    """What the form on the page would send unseen, and for which endorsement it asks."""
    forms = read_page(path, visitor.get(path)).forms
    form = next((f for f in forms if f.action == path), None)
    if form is None:
        return {}
    return dict(form.sent) | {n: v[0] for n, v in form.choices.items() if n == "subject"}


# All that a person owns; standings and the queue of mails follow from it.
TABLES = ("entry", "evidence", "reference", "time_request", "group_session", "group_member",
          "calendar_feed", "application", "membership")  # fmt: skip


@pytest.mark.parametrize(("route", "field"), sorted(BRINGS), ids=lambda value: value)
def test_foreign_ids_act_like_absent_ones(sqlite_web: WebClient, route: str, field: str) -> None:
    cast = sqlite_web.cast
    world = fill_world(cast)
    more, kind = BRINGS[route, field]
    is_providers = route.startswith(OF_PROVIDERS) and "asked" not in route
    coordinates = route.startswith("/coordinator")
    visitor = sqlite_web.visit(CAROL if coordinates else DANA if is_providers else BOB)
    asked = cast.rows("group_member", email=BOB)[0]["id"]
    path = (
        route.replace("{entry_id}", str(cast.entries["bob"]))
        .replace("{application_id}", str(cast.applications[BOB]))
        .replace("{session_id}", str(world["session"][0]))
        .replace("{member_id}", str(asked))
    )
    before = {table: cast.rows(table) for table in TABLES}
    absent = "9" * 9 if re.fullmatch(r"[0-9]+", str(world[kind][0])) else "a" * 32
    for foreign in world[kind]:
        answer = visitor.post(path, {**usual_of(visitor, path), **more, field: str(foreign)})
        if kind.endswith("_key"):
            # Another's key is as good as any: what is new is saved, and is one's own.
            assert answer.status_code == 303
        else:
            form = {**usual_of(visitor, path), **more, field: absent}
            assert visitor.post(path, form).status_code == answer.status_code
        for table, rows in before.items():
            after = {row.get("id", str(row)): row for row in cast.rows(table)}
            for row in rows:
                # Bob's own entry, and Dana's own session, are what they edit.
                owner = row["provider_id"] if table == "group_session" else row.get("person_id")
                if owner not in {cast.people[BOB], cast.people[DANA]}:
                    assert after.get(row.get("id", str(row))) == row, table
