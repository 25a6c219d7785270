"""The form, the API, and an import row refuse the same entries with the same sentences."""

import csv
import html
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cast import ALICE, BOB, BOOKS, DANA, NOW, acting
from tests.web.api.calling import Program, make
from tests.web.client import Visitor, WebClient, problems
from tracker.db.engine import reading, writing
from tracker.importer.apply import plan_import
from tracker.importer.cells import ImportContext
from tracker.importer.problems import ImportRefused
from tracker.importer.reader import read_files
from tracker.importer.vocabulary import vocabulary_of
from tracker.refusal_text import format_refusal
from tracker.services.context import Refused
from tracker.services.entries import EntrySource, create_entry
from tracker.services.entry_rules import EntryInput

TODAY = NOW.date()
# Alice has logged 16.5 hours on May 2, 2026; the cycle of 2025 is closed.
DAYS = st.sampled_from(
    [
        TODAY,
        TODAY + timedelta(days=1),
        date(2026, 5, 2),
        date(2025, 6, 1),
        date(1975, 12, 31),
        date(2026, 3, 3),
    ]
)
ENTRIES = st.fixed_dictionaries(
    {
        "activity": st.sampled_from(["training", "rsc"]),
        "held_on": DAYS,
        "minutes": st.sampled_from([30, 480, 720]),
        "provider": st.sampled_from(["", DANA, ALICE, BOB, "Jo Hart"]),
        "format": st.sampled_from([None, "group", "peer"]),
        "topics": st.dictionaries(st.sampled_from(["DEIA", "pottery"]), st.sampled_from([30, 600])),
    }
)
# What a file is not refused for: it corrects closed cycles, adds providers later, and knows the
# topics of every rulebook; that a day is full and in the past is found with its other rows.
NOT_IN_FILES = {
    "cycle-closed",
    "day-in-future",
    "day-is-full",
    "provider-is-self",
    "provider-not-offered",
    "provider-required",
    "topic-unknown",
}


def refusals_of(web: WebClient, entry: EntryInput) -> list[tuple[str, str]]:
    """The codes and sentences of the service; what it saves is undone."""
    try:
        with writing(web.cast.engine) as session:
            create_entry(
                acting(session, web.cast, ALICE),
                web.cast.people[ALICE],
                entry,
                EntrySource(uuid4().hex),
            )
            session.rollback()
    except Refused as refused:
        return [(r.code, format_refusal(r.code, r.facts)) for r in refused.refusals]
    return []


def entry_of(web: WebClient, values: Mapping[str, Any]) -> EntryInput:
    provider = values["provider"]
    return EntryInput(
        values["activity"],
        values["held_on"],
        values["minutes"],
        "A session",
        provider_id=web.cast.people.get(provider),
        provider_name=provider if provider and provider not in web.cast.people else None,
        format=values["format"],
        topics=values["topics"],
    )


def sentences_of_form(alice: Visitor, values: Mapping[str, Any], provider: str) -> set[str]:
    """What the page says about a form that is sent to be looked at, and not to be saved."""
    prefix = "topic-" if values["activity"] == "training" else "rsc-topic-"
    form = {
        "form_key": uuid4().hex,
        "activity": values["activity"],
        "day": str(values["held_on"].day),
        "month": str(values["held_on"].month),
        "year": str(values["held_on"].year),
        "hours": f"{values['minutes']} min",
        "title": "A session",
        "format": values["format"] or "",
        "provider": provider,
        "provider_name": values["provider"] if provider == "other" else "",
        **{prefix + topic: f"{minutes} min" for topic, minutes in values["topics"].items()},
    }
    return {html.unescape(words) for _, words in problems(alice.post("/log", form))}


def sentences_of_api(program: Program, values: Mapping[str, Any], entry: EntryInput) -> set[str]:
    answer = program.log(
        uuid4().hex,
        activity=entry.activity,
        held_on=entry.held_on.isoformat(),
        minutes=entry.minutes,
        title=entry.title,
        provider_email=values["provider"] if entry.provider_id else None,
        provider_name=entry.provider_name,
        format=entry.format,
        topics=dict(entry.topics),
    )
    return {fault["detail"] for fault in answer.json().get("errors", [])}


def sentences_of_file(
    web: WebClient, folder: Path, values: Mapping[str, Any], entry: EntryInput
) -> set[str]:
    row = {
        "email": ALICE,
        "activity": entry.activity,
        "date": entry.held_on.isoformat(),
        "hours": str(entry.minutes / 60),
        "title": entry.title,
        "topics": ";".join(f"{name}:{minutes / 60}" for name, minutes in entry.topics.items()),
        "provider_email": values["provider"] if entry.provider_id else "",
        "provider_name": entry.provider_name or "",
        "format": entry.format or "",
    }
    path = folder / "entries.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    context = ImportContext(vocabulary_of(BOOKS), TODAY, "tests", NOW)
    files = read_files([path], context)
    with reading(web.cast.engine) as session:
        try:
            plan_import(session, files, context)
        except ImportRefused as refused:
            return {problem.message for problem in refused.problems}
    return set()


def test_form_api_and_files_refuse_alike(sqlite_web: WebClient, tmp_path: Path) -> None:
    alice, program = sqlite_web.visit(ALICE), Program(sqlite_web, make(sqlite_web))
    people = sqlite_web.cast.people

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(values=ENTRIES)
    def refuse_alike(values: dict[str, Any]) -> None:
        entry = entry_of(sqlite_web, values)
        refusals = refusals_of(sqlite_web, entry)
        if refusals:
            # Without a refusal the API would save the entry, and change what comes next.
            assert sentences_of_api(program, values, entry) == {words for _, words in refusals}
        if values["activity"] == "training":
            # The form hides the fields of RSC, and ignores what is in them.
            shown = {**values, "provider": "", "format": None}
            refusals_of_shown = refusals_of(sqlite_web, entry_of(sqlite_web, shown))
        else:
            shown, refusals_of_shown = values, refusals
        if refusals_of_shown:
            chosen = {"": "", "Jo Hart": "other"}.get(values["provider"])
            provider = str(people.get(values["provider"])) if chosen is None else chosen
            expected = {words for _, words in refusals_of_shown}
            assert sentences_of_form(alice, shown, provider) == expected
        in_files = {words for code, words in refusals if code not in NOT_IN_FILES}
        is_read = values["held_on"] <= TODAY and values["provider"] != ALICE
        # The importer adds up the hours of a day over all rows, in words of its own.
        is_read = is_read and "day-is-full" not in dict(refusals)
        if values["activity"] == "rsc":
            is_read = is_read and not values["topics"]
        if is_read and "pottery" not in values["topics"]:
            assert sentences_of_file(sqlite_web, tmp_path, values, entry) == in_files

    refuse_alike()
