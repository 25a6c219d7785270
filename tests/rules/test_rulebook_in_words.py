"""The whole of a rulebook in words, section by section."""

import tomllib
from datetime import date

import pytest

from tracker.rules.description import describe_rulebook, find_first_cycle
from tracker.rules.model import Rulebook

BOOK = """
id = "EX-AIMH"
name = "Example Association"
time_zone = "America/New_York"

[categories]
"IFA" = { name = "Infant Family Associate", term_years = 2 }
"IFS" = { name = "Infant Family Specialist" }
"IFRS" = { name = "Infant Family Reflective Supervisor" }

[registry]
from = 2026-11-01
says = "Our endorsees."

[documents]
listing = { file = "001", title = "The guide", sections = ["Contents", "Hours"] }
policy = { file = "002", title = "The policies" }

[[cycles]]
from = 2000-01-01
kind = "fixed"
years = 1
ends_on = 2000-12-31
grace_days = 0
first_cycle_exempts = ["training"]
interpretation = "calendar-year"

[[absences]]
kind = "leave"
from = 2000-01-01
excuses = "hours in proportion"
requirements = ["training"]
source = { document = "policy", section = "Leave" }

[[absences]]
kind = "leave"
from = 2010-01-01
excuses = "nothing"
interpretation = "no-leave"

[[removals]]
from = 2024-01-01
after_days = 30
source = { document = "policy", section = "Removal" }

[[reinstatements]]
from = 2024-01-01
allowed = false
source = { document = "policy", section = "Return" }

[[certificates]]
from = 2020-01-01
until = 2020-12-31
issuer = "Example, Inc."
signatory = "Kai"
title = "Coordinator"
wording = "is endorsed as"
source = { document = "policy", section = "Certificates" }

[[certificates]]
from = 2021-01-01
issuer = "Example, Inc."
signatory = "Lee"
title = "Coordinator"
wording = "is endorsed as"
interpretation = "no-leave"

[providers.rsc]
says = "endorsed as IFRS"

  [[providers.rsc.accepts]]
  categories = ["IFRS"]
  source = { document = "policy", section = "Providers" }
  interpretation = "no-leave"

[memberships.own]
says = "EX-AIMH"
organizations = ["EX-AIMH", "OTHER"]
grace_days = 31

[[requirements]]
id = "training"
label = "Training"
about = "In each cycle"
categories = ["IFS", "IFRS"]
counts = "training"
interpretation = "calendar-year"

  [[requirements.values]]
  from = 2000-01-01
  hours = 15
  source = { document = "listing", section = "Hours" }

  [[requirements.values]]
  from = 2010-07-01
  held_years = 9
  hours = 10
  source = { document = "listing", section = "Hours" }

  [[requirements.values]]
  from = 2020-01-01
  hours = 16
  source = { document = "policy", section = "More hours" }

  [[requirements.caps]]
  topic = "SELF-STUDY"
  interpretation = "no-leave"
  values = [{ from = 2000-01-01, hours = 5, source = { document = "policy", section = "Limit" } }]

[[requirements]]
of = "application"
id = "work"
label = "Work"
about = "With families"
categories = ["IFS"]
counts = "work"
work = { services = ["prevention"] }
unit = "families"

  [[requirements.values]]
  from = 2000-01-01
  categories = ["IFS"]
  many = 10
  source = { document = "policy", section = "Work" }

[[fees]]
id = "renewal"
label = "Renewal fee"
how_to_pay = "Mail a check"
categories = ["IFRS"]
values = [{ from = 2000-01-01, amount = 50, source = { document = "policy", section = "Fees" } }]

[[ratings]]
id = "insight"
asks = "How much insight?"
categories = ["IFS"]
scale = ["Little", "Much"]
from = 2020-01-01
until = 2029-12-31
source = { document = "policy", section = "Ratings" }
interpretation = "no-leave"

[[ratings]]
id = "insight"
asks = "How much insight now?"
categories = ["IFS"]
scale = ["Little", "Much"]
from = 2030-01-01
source = { document = "policy", section = "Ratings" }

[[advice]]
requirement = "training"
categories = ["IFRS"]
says = "More is better."
hours = 45
source = { document = "policy", section = "Advice" }

[[advice]]
requirement = "training"
categories = ["IFRS"]
says = "Each month."
source = { document = "policy", section = "Advice" }

[[interpretations]]
id = "calendar-year"
section = "Renewal"
says = "No day is named."
readings = ["The calendar year.", "The fiscal year."]
taken = "The calendar year."
change = "ends_on"
since = 2026-11-22

[[interpretations]]
id = "no-leave"
section = "Leave"
categories = ["IFS", "IFRS"]
says = "Nothing."
readings = ["None."]
taken = "None."
since = 2026-11-22

[[interpretations]]
id = "again"
section = "Renewal"
says = "Nothing."
readings = ["Once."]
taken = "Once."
since = 2026-11-22

[[interpretations]]
id = "signed-how"
document = "policy"
section = "Signing"
says = "Nothing."
readings = ["In ink."]
taken = "In ink."
since = 2026-11-22
"""
RULEBOOK = Rulebook.model_validate(tomllib.loads(BOOK))
PROPORTION = "For each whole month of leave in the cycle, fewer hours are required (Training)."
LIMIT = "at most 5 hours about SELF-STUDY"
CERTIFICATES = "Certificates of accepted renewals, issued by Example, Inc. and signed by"
KEPT = (
    "A lapsed endorsement is kept for 30 days after its grace period, and then a coordinator "
    "removes it"
)
RETURNS = "Removed endorsements are no longer reinstated: the person applies anew"


def list_lines(rulebook: Rulebook = RULEBOOK) -> list[str]:
    return list(describe_rulebook(rulebook, {"own": ("EX-AIMH", "OTHER")}))


def list_section(title: str) -> list[str]:
    """The lines below a heading of the whole rulebook in words, without their first indentation."""
    lines = list_lines()
    start = lines.index(title) + 1
    return [line.removeprefix("  ") for line in lines[start : lines.index("", start)]]


def test_a_rulebook_in_words_begins_with_its_names() -> None:
    assert list_lines()[:4] == [
        "EX-AIMH: Example Association",
        "Time zone America/New_York. A due date includes its whole day there.",
        "",
        "Categories",
    ]


@pytest.mark.parametrize(
    ("title", "lines"),
    [
        (
            "Categories",
            [
                "IFA: Infant Family Associate (no rules)",
                "  An endorsement as IFA lasts 2 years at most.",
                "IFS: Infant Family Specialist (rules for its renewal and application)",
                "IFRS: Infant Family Reflective Supervisor (rules for its renewal)",
            ],
        ),
        (
            "Cycles",
            [
                (
                    "from January 1, 2000: A cycle lasts one year and ends on December 31. It is "
                    "due on its last day. All hours are required starting with the first cycle. "
                    "Not required in the first cycle: Training. (interpretation: calendar-year)"
                )
            ],
        ),
        (
            "Leave and inactive status",
            [
                f"from January 1, 2000: {PROPORTION} [The policies, Leave]",
                "from January 1, 2010: Leave excuses nothing. (interpretation: no-leave)",
            ],
        ),
        (
            "Certificates",
            [
                (
                    "from January 1, 2020 through December 31, 2020: "
                    f"{CERTIFICATES} Kai, Coordinator [The policies, Certificates]"
                ),
                f"from January 1, 2021: {CERTIFICATES} Lee, Coordinator (interpretation: no-leave)",
            ],
        ),
        (
            "Removals and reinstatements",
            [
                f"from January 1, 2024: {KEPT} [The policies, Removal]",
                f"from January 1, 2024: {RETURNS} [The policies, Return]",
            ],
        ),
        (
            "Qualified providers",
            [
                "rsc: endorsed as IFRS",
                "  IFRS, on any day [The policies, Providers] (interpretation: no-leave)",
            ],
        ),
        (
            "Memberships",
            [
                "own: EX-AIMH",
                "  accepted: EX-AIMH, OTHER",
                "  a membership counts through the 31 days after its last day",
            ],
        ),
        (
            "Document 001  The guide",
            [
                "Contents",
                "  the rulebook has no rule about this section",
                "Hours",
                "  IFS, IFRS",
                "    training (renewal): Training (interpretation: calendar-year)",
                "      from January 1, 2000: 15 hours",
                "      from July 1, 2010, for endorsements held for 9 years or more: 10 hours",
                "        starting with the cycle from January 1, 2011",
                "      In each cycle",
                f"      {LIMIT}, from January 1, 2000",
            ],
        ),
        (
            "Interpretations of all documents",
            [
                "Renewal",
                "  Interpretation calendar-year",
                "    The source: No day is named.",
                "    Reading 1: The calendar year.",
                "    Reading 2: The fiscal year.",
                "    Our reading since November 22, 2026: The calendar year.",
                "    For another reading, change: ends_on",
                "  Interpretation again",
                "    The source: Nothing.",
                "    Reading 1: Once.",
                "    Our reading since November 22, 2026: Once.",
                "Leave",
                "  Interpretation no-leave (IFS, IFRS)",
                "    The source: Nothing.",
                "    Reading 1: None.",
                "    Our reading since November 22, 2026: None.",
            ],
        ),
    ],
)
def test_a_section_of_a_rulebook_in_words(title: str, lines: list[str]) -> None:
    assert list_section(title) == lines


def test_a_document_without_a_list_shows_every_section_that_is_cited() -> None:
    assert list_section("Document 002  The policies") == [
        "More hours",
        "  IFS, IFRS",
        "    training (renewal): Training (interpretation: calendar-year)",
        "      from January 1, 2020: 16 hours",
        "      In each cycle",
        f"      {LIMIT}, from January 1, 2000",
        "Limit",
        "  IFS, IFRS",
        f"    limit of training from January 1, 2000: {LIMIT} (interpretation: no-leave)",
        "Work",
        "  IFS",
        "    work (application): Work",
        "      from January 1, 2000, for IFS: at least 10 families",
        "      With families",
        "      work that offers one of: prevention",
        "      paid",
        "Providers",
        "  provider rule rsc: IFRS, on any day",
        "Fees",
        "  IFRS",
        "    fee renewal: Renewal fee",
        "      from January 1, 2000: $50.00",
        "      how to pay: Mail a check",
        "Leave",
        f"  absences leave from January 1, 2000: {PROPORTION}",
        "Certificates",
        f"  certificates from January 1, 2020: {CERTIFICATES} Kai, Coordinator",
        "Removal",
        f"  from January 1, 2024: {KEPT}",
        "Return",
        f"  from January 1, 2024: {RETURNS}",
        "Ratings",
        "  IFS",
        "    rating insight: How much insight? (interpretation: no-leave)",
        "      from January 1, 2020 through December 31, 2029: Little; Much",
        "    rating insight: How much insight now?",
        "      from January 1, 2030: Little; Much",
        "Advice",
        "  IFRS",
        "    advice on training, typically 45 hours: More is better.",
        "    advice on training: Each month.",
        "Signing",
        "  Interpretation signed-how",
        "    The source: Nothing.",
        "    Reading 1: In ink.",
        "    Our reading since November 22, 2026: In ink.",
    ]


def test_the_last_section_is_the_registry() -> None:
    assert list_section("Public registry")[0] == (
        "The public registry is open from November 1, 2026."
    )
    assert list_lines()[-1] == ""
    assert list_lines(RULEBOOK.model_copy(update={"registry": None}))[-4:] == [
        "",
        "Public registry",
        "  none in this rulebook",
        "",
    ]


def test_only_renewals_wait_for_the_next_cycle() -> None:
    training, work = RULEBOOK.requirements
    within, started = training.values[1], training.values[0]
    assert find_first_cycle(RULEBOOK, training, within) == date(2011, 1, 1)
    assert find_first_cycle(RULEBOOK, training, started) is None
    assert find_first_cycle(RULEBOOK, work, within) is None
    ended = within.model_copy(update={"asked": False})
    assert find_first_cycle(RULEBOOK, training, ended) is None
    without_cycles = RULEBOOK.model_copy(update={"cycles": ()})
    assert find_first_cycle(without_cycles, training, within) is None
