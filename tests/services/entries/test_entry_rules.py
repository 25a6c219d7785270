"""Refusals of invalid entries, and warnings about likely mistakes."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tracker.rules.explain import LoggedEntry
from tracker.rules.reasons import Reason
from tracker.services.context import Refusal
from tracker.services.entries import logged_entry_of
from tracker.services.entry_rules import (
    EntryInput,
    EntryRules,
    EntryWarnings,
    find_warnings,
    usual_title,
    validate_entry,
)

TODAY = date(2026, 11, 22)
RULES = EntryRules(
    TODAY,
    topics={
        "rsc": {"GIVEN": "RSC that you provide"},
        "training": {"DEIA": "DEIA", "RSC": "RSC"},
    },
)
TRAINING = EntryInput("training", date(2026, 11, 20), 120, "Book club", topics={"DEIA": 60})
RSC = EntryInput("rsc", date(2026, 11, 20), 60, "Group RSC", provider_id=7)
NAMED = replace(RSC, provider_id=None, provider_name="Dana Ruiz")
# Three of its letters may differ.
LONG_NAMED = replace(NAMED, provider_name="Alexandra Montgomery")
TOO_LONG = {
    name: {"limit": limit}
    for name, limit in (("title", 300), ("provider_name", 200), ("reference", 200))
}
WRONG_MINUTES = Refusal("minutes", "minutes-out-of-range")
NOT_COUNTED = Reason("provider-unqualified")


def logged(entry: EntryInput, entry_id: int = 5) -> LoggedEntry:
    return logged_entry_of(entry_id, 1, entry)


@pytest.mark.parametrize(
    ("activity", "session_format", "title"),
    [
        ("rsc", "individual", "Individual RSC"),
        ("rsc", None, "RSC"),
        ("rsc", "", "RSC"),
        ("training", "group", ""),
        ("training", None, ""),
    ],
)
def test_only_rsc_has_a_usual_title(activity: str, session_format: str | None, title: str) -> None:
    assert usual_title(activity, session_format) == title


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"held_on": TODAY},
        {"held_on": date(1976, 1, 1)},
        {"minutes": 1, "topics": {"DEIA": 1}},
        {"minutes": 1440},
        {"title": "x" * 300, "reference": "x" * 200},
        {"provider_name": ""},
        {"topics": {"DEIA": 60, "RSC": 60}},
    ],
)
def test_trainings_within_the_limits_are_accepted(changes: dict[str, Any]) -> None:
    assert validate_entry(replace(TRAINING, **changes), RULES) == []


@pytest.mark.parametrize(
    ("changes", "refusals"),
    [
        (
            {"held_on": TODAY + timedelta(1)},
            [Refusal("held_on", "day-in-future", {"today": TODAY})],
        ),
        (
            {"held_on": date(1975, 12, 31)},
            [Refusal("held_on", "day-too-long-ago", {"first_year": 1976})],
        ),
        ({"activity": "reading"}, [Refusal("activity", "activity-required")]),
        ({"minutes": 0, "topics": {}}, [WRONG_MINUTES]),
        ({"minutes": 1441}, [WRONG_MINUTES]),
        ({"title": ""}, [Refusal("title", "title-required")]),
        ({"title": "x" * 301}, [Refusal("title", "text-too-long", TOO_LONG["title"])]),
        ({"reference": "x" * 201}, [Refusal("reference", "text-too-long", TOO_LONG["reference"])]),
        ({"provider_id": 0}, [Refusal("provider", "provider-forbidden")]),
        ({"provider_name": "Dana"}, [Refusal("provider", "provider-forbidden")]),
        ({"format": "group"}, [Refusal("format", "format-forbidden")]),
        (
            {"topics": {"GIVEN": 60}},
            [
                Refusal(
                    "topics.GIVEN",
                    "topic-unknown",
                    {"topic": "GIVEN", "allowed": ("DEIA", "RSC")},
                )
            ],
        ),
        (
            {"topics": {"DEIA": 0, "RSC": 120}},
            [Refusal("topics.DEIA", "topic-minutes-required", {"topic": "DEIA"})],
        ),
        (
            {"topics": {"DEIA": 60, "RSC": 61}},
            [
                Refusal(
                    "topics", "topics-exceed-session", {"topics": ("DEIA", "RSC"), "minutes": 120}
                )
            ],
        ),
    ],
)
def test_wrong_trainings_are_refused_with_reasons(
    changes: dict[str, Any], refusals: list[Refusal]
) -> None:
    assert validate_entry(replace(TRAINING, **changes), RULES) == refusals


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": ""},
        {"format": "individual"},
        {"format": "group"},
        {"format": "peer"},
        {"provider_name": ""},
        {"provider_id": None, "provider_name": "x" * 200},
        {"topics": {"GIVEN": 60}},
    ],
)
def test_rsc_within_the_limits_is_accepted(changes: dict[str, Any]) -> None:
    assert validate_entry(replace(RSC, **changes), RULES) == []


@pytest.mark.parametrize(
    ("changes", "refusals"),
    [
        ({"provider_id": None}, [Refusal("provider", "provider-required")]),
        ({"provider_name": "Dana Ruiz"}, [Refusal("provider", "provider-twice")]),
        (
            {"provider_id": None, "provider_name": "x" * 201},
            [Refusal("provider_name", "text-too-long", TOO_LONG["provider_name"])],
        ),
        ({"format": "lecture"}, [Refusal("format", "format-unknown")]),
    ],
)
def test_wrong_rsc_is_refused_with_reasons(
    changes: dict[str, Any], refusals: list[Refusal]
) -> None:
    assert validate_entry(replace(RSC, **changes), RULES) == refusals


def test_rules_of_an_import_lock_nothing() -> None:
    old = logged(replace(TRAINING, held_on=date(2000, 1, 1)))
    assert RULES.lock_on(old.held_on) is None
    assert RULES.lock_of(old) is None


def test_imported_rsc_needs_no_provider() -> None:
    rules = replace(RULES, requires_provider=False)
    assert validate_entry(replace(RSC, provider_id=None), rules) == []


def test_an_edited_entry_keeps_its_own_topics() -> None:
    old = logged(replace(TRAINING, topics={"GRIEF": 30, "DEIA": 30}))
    rules = replace(RULES, topics={"rsc": {}, "training": {"DEIA": "Equity"}})
    assert rules.for_editing(old).topics == {
        "rsc": {},
        "training": {"DEIA": "Equity", "GRIEF": "GRIEF"},
    }
    assert rules.topics["training"] == {"DEIA": "Equity"}


@pytest.mark.parametrize(
    ("minutes", "confirmed", "unusual"),
    [
        (4, [], 4),
        (5, [], 0),
        (720, [], 0),
        (721, [], 721),
        (721, ["721min"], 0),
        (721, ["4min"], 721),
    ],
)
def test_unusual_lengths_need_confirmation(
    minutes: int, confirmed: list[str], unusual: int
) -> None:
    found = find_warnings(replace(TRAINING, minutes=minutes), [], confirmed)
    assert found == (EntryWarnings(minutes=unusual) if unusual else None)


def test_an_uncounted_provider_needs_confirmation() -> None:
    found = EntryWarnings(uncounted=("7@2026-11-20", NOT_COUNTED))
    for confirmed in ([], ["7@2026-11-21"], ["8@2026-11-20"]):
        assert find_warnings(RSC, [], confirmed, NOT_COUNTED) == found
    assert find_warnings(RSC, [], ["7@2026-11-20"], NOT_COUNTED) is None


def test_confirming_every_warning_leaves_none() -> None:
    long, other = replace(RSC, minutes=800), logged(RSC)
    found = find_warnings(long, [other], [], NOT_COUNTED)
    assert found == EntryWarnings(other, 800, ("7@2026-11-20", NOT_COUNTED))
    assert found.keys == ("5", "800min", "7@2026-11-20")
    assert find_warnings(long, [other], found.keys, NOT_COUNTED) is None
    assert EntryWarnings().keys == ()


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        (TRAINING, {}),
        (TRAINING, {"title": " book  CLUB"}),
        (TRAINING, {"title": "Book clubs"}),
        (TRAINING, {"title": "Book clubs", "minutes": 135}),
        (TRAINING, {"title": "Book clubs", "minutes": 105}),
        (TRAINING, {"minutes": 30}),
        (RSC, {}),
        (RSC, {"minutes": 600, "title": "Another"}),
        (NAMED, {}),
        (NAMED, {"provider_name": "Dána  Ruis", "minutes": 600}),
        (LONG_NAMED, {"provider_name": "Alexandra Montgomiii", "minutes": 600}),
        (RSC, {"provider_id": None, "provider_name": "D. Ruiz", "minutes": 75}),
        (NAMED, {"provider_name": None, "provider_id": 7, "minutes": 45}),
    ],
)
def test_similar_sessions_of_a_day_are_duplicates(
    entry: EntryInput, changes: dict[str, Any]
) -> None:
    other = logged(replace(entry, **changes))
    assert find_warnings(entry, [other], []) == EntryWarnings(duplicate=other)
    assert find_warnings(entry, [other], ["5"]) is None
    assert find_warnings(entry, [other], ["6"]) == EntryWarnings(duplicate=other)


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        (TRAINING, {"title": "Book fair"}),
        (TRAINING, {"title": "Book clubs", "minutes": 136}),
        (TRAINING, {"activity": "rsc"}),
        (RSC, {"provider_id": 8}),
        (NAMED, {"provider_name": "Jo Hart"}),
        (LONG_NAMED, {"provider_name": "Alexandra Montgoiiii"}),
        (RSC, {"provider_id": None, "provider_name": "Dana Ruiz", "minutes": 76}),
        (RSC, {"activity": "training"}),
    ],
)
def test_different_sessions_of_a_day_are_no_duplicates(
    entry: EntryInput, changes: dict[str, Any]
) -> None:
    other = logged(replace(entry, **changes))
    assert find_warnings(entry, [other], []) is None


def test_a_duplicate_is_found_among_other_sessions() -> None:
    same = logged(RSC)
    others = [logged(TRAINING, 6), same, logged(replace(RSC, provider_id=8), 4)]
    assert find_warnings(RSC, others, []) == EntryWarnings(duplicate=same)
