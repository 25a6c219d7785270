"""What `tracker rules check` says of removals and reinstatements that fit nothing."""

import pytest

from tests.rules.test_removal_rules import TEXT
from tracker.rules.parse import parse_rulebook

TRAINING = 'categories = ["IFS", "IFRS", "IMHS"]\ncounts = "training"\n'
MONTHS = "window = { months = 12 }"
RULE = 'source = { document = "policy", section = "Reinstatement" }\n'
SINCE = "  hours = 2\n"
AFTER = 'after = "02-29"\n'
YEARLY = 'kind = "fixed"\nyears = 1\nends_on = 2024-12-31\n'
LATEST = "latest_years = 1"
REMOVAL = 'source = { document = "policy", section = "Removal" }\n'
ENDED = f"\n[[removals]]\nfrom = 2027-01-01\nremoved = false\n{REMOVAL}"
APPLICATION = """
[[requirements]]
of = "application"
id = "rsc"
label = "RSC"
about = "Before the application"
categories = ["IFS"]
counts = "rsc"
providers = "rsc"
window = { months = 12, since = "removal" }
values = [{ from = 2025-01-01, hours = 9, source = { document = "policy", section = "Renewal" } }]

[[fees]]
"""


def problems(*changes: tuple[str, str], text: str = TEXT) -> list[str]:
    """Every problem of the rulebook after changes of its text."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return [f"{problem.key}: {problem.reason}" for problem in parse_rulebook(text, "r.toml")[1]]


def test_a_removal_before_the_end_of_grace_is_refused() -> None:
    (problem,) = problems((AFTER, 'after = "01-15"\n'))
    assert problem == (
        "removals[1].after: 2026-01-15 is before the end of the grace period on 2026-01-31, so "
        "that the removal would be due only after 2027-01-15: write a day from 01-31 on, or "
        "after_months"
    )


@pytest.mark.parametrize(
    ("day", "is_refused"), [("12-30", False), ("12-31", True), ("01-30", True), ("01-31", False)]
)
def test_only_days_from_due_date_through_grace_are_refused(day: str, *, is_refused: bool) -> None:
    keys = [problem.partition(":")[0] for problem in problems((AFTER, f'after = "{day}"\n'))]
    assert keys == (["removals[1].after"] if is_refused else [])


@pytest.mark.parametrize(("days", "is_refused"), [(333, False), (334, True)])
def test_a_removal_after_the_next_cycle_is_refused(days: int, *, is_refused: bool) -> None:
    reason = (
        "removals[1]: what lapses after 2026-01-31 would be kept through 2026-12-31, but the next "
        "cycle ends on 2026-12-31, and then only its own renewal can lead to a removal, so that "
        "nobody would be removed: write a shorter time"
    )
    assert problems((AFTER, f"after_days = {days}\n")) == ([reason] if is_refused else [])


@pytest.mark.parametrize("kept", ['after = "01-15"\n', "after_months = 24\n"])
def test_any_last_day_goes_with_own_cycles(kept: str) -> None:
    own = 'kind = "anniversary"\nyears = 1\n'
    assert problems((YEARLY, own), (AFTER, kept)) == []


def test_the_last_common_cycle_allows_any_last_day() -> None:
    own = '[[cycles]]\nfrom = 2026-01-01\nkind = "anniversary"\nyears = 1\ngrace_days = 31\n\n'
    assert problems(("[[removals]]", f"{own}[[removals]]"), (AFTER, "after_months = 24\n")) == []


def test_months_of_a_removal_need_no_day() -> None:
    assert problems((AFTER, "after_months = 1\n")) == []


def test_removals_that_end_need_no_day() -> None:
    assert problems((REMOVAL, REMOVAL + ENDED)) == []


def test_removals_need_renewals_that_can_lapse() -> None:
    hours = "window = { months = 12 }\n"
    application = TRAINING.replace('counts = "training"', 'counts = "rsc"\nproviders = "rsc"')
    (problem,) = problems((TRAINING, f'of = "application"\n{application}{hours}'))
    assert problem == "removals: no category has renewal requirements, so that nothing ever lapses"


def test_removals_can_not_begin_with_their_end() -> None:
    first, second = problems((AFTER, "removed = false\n"))
    assert first == (
        "removals[1].removed: it ends removals, and none began before: remove it, or write when "
        "they begin"
    )
    assert second == (
        "reinstatements: nobody is ever removed: add [[removals]], which say when a lapsed "
        "endorsement is"
    )


def test_reinstatement_without_any_block_is_refused() -> None:
    block = f'[[reinstatements]]\nfrom = 2025-01-01\n{LATEST}\nsource = {{ document = "policy", '
    found = problems((block + 'section = "Reinstatement" }\n', ""))
    reason = "nobody is ever reinstated: add [[reinstatements]], which say until when"
    required = [f"requirements[{number}].of: {reason}" for number in range(2, 8)]
    assert found == [*required, f"fees[1].of: {reason}"]


def test_hours_since_a_removal_go_with_reinstatements() -> None:
    assert problems(("\n[[fees]]\n", APPLICATION)) == [
        "requirements[8].window.since: since goes with reinstatements: remove it"
    ]


def test_a_window_of_an_application_may_have_months() -> None:
    application = APPLICATION.replace(', since = "removal"', "")
    assert problems(("\n[[fees]]\n", application)) == []


def test_a_reinstatement_requires_what_it_can_count() -> None:
    exam = 'of = "reinstatement"\nid = "exam"\nlabel = "Exam"\nabout = "Passed"\n'
    exam += 'categories = ["IFS"]\ncounts = "exam"\nvalues = [{ from = 2025-01-01, '
    exam += 'source = { document = "policy", section = "Renewal" } }]\n'
    (problem,) = problems(("\n[[fees]]\n", f"\n[[requirements]]\n{exam}\n[[fees]]\n"))
    assert problem == (
        "requirements[8].counts: a reinstatement can require these: training, rsc, membership, "
        "references, signed, paid"
    )


@pytest.mark.parametrize("window", ["", 'window = { months = 12, since = "removal" }'])
def test_hours_of_a_reinstatement_need_one_window(window: str) -> None:
    (problem,) = problems((MONTHS, window))
    assert problem == (
        "requirements[2].window: the hours of a reinstatement need a window: write months = 12, "
        'for those of the last twelve months, or since = "removal"'
    )


CAP = """
  [[requirements.caps]]
  topic = "DEIA"

    [[requirements.caps.values]]
    from = 2025-01-01
    hours = 1
    source = { document = "policy", section = "Removal" }
"""
PART = """
[[requirements]]
of = "reinstatement"
id = "back.rsc.part"
label = "RSC about giving RSC"
about = "A part of the others"
categories = ["IFRS"]
counts = "rsc"
providers = "rsc"
topic = "PART"
inside = "back.rsc"
window = { months = 12 }
values = [{ from = 2025-01-01, hours = 1, source = { document = "policy", section = "Renewal" } }]

[topic_names]
PART = "RSC that you provide"

[[fees]]
"""


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (MONTHS, f'{MONTHS}\nbesides = ["DEIA"]', "requirements[2].besides"),
        ("\n[[fees]]\n", PART, "requirements[8].inside"),
        (MONTHS, f"{MONTHS}\n{CAP}", "requirements[2].caps"),
        ('signed = ["ethics"]', 'signed = ["ethics"]\nreviewed = true', "requirements[6].reviewed"),
        (MONTHS, 'window = { months = 12, after = "master" }', "requirements[2].window.after"),
        (
            MONTHS,
            "window = { months = 12, while_giving = true }",
            "requirements[2].window.while_giving",
        ),
    ],
)
def test_what_a_reinstatement_ignores_is_refused(old: str, new: str, key: str) -> None:
    assert problems((old, new)) == [f"{key}: a reinstatement ignores it: remove it"]


def test_hours_fill_at_most_eight_a_day_since_the_removal() -> None:
    month = (LATEST, "latest_months = 1")
    assert problems((SINCE, "  hours = 256\n"), month) == []
    (problem,) = problems((SINCE, "  hours = 256.5\n"), month)
    assert problem == (
        "reinstatements[1].latest_months: 256.5 hours of 'back.rsc' since the removal do not fit "
        "into 32 days: write a later day, or months in its window"
    )


@pytest.mark.parametrize("latest", ["latest_months = 4", LATEST, ""])
def test_all_hours_fit_into_many_days(latest: str) -> None:
    assert problems((SINCE, "  hours = 900\n"), (LATEST, latest)) == []


def test_hours_of_the_last_months_fit_into_any_time() -> None:
    assert problems(("  hours = 6\n", "  hours = 300\n"), (LATEST, "latest_months = 1")) == []


def test_hours_that_are_not_required_yet_fit() -> None:
    later = f"\n  [[requirements.values]]\n  from = 2026-01-01\n  hours = 300\n  {RULE}"
    value = f"{SINCE}  {RULE}"
    assert problems((value, value + later), (LATEST, "latest_months = 1")) == []


def test_a_category_from_which_nothing_is_required_is_named() -> None:
    earlier = "[[reinstatements]]\nfrom = 2024-06-01"
    reason = "on 2024-06-01, so that anybody would be reinstated: write from = 2025-01-01, or an "
    assert problems(("[[reinstatements]]\nfrom = 2025-01-01", earlier)) == [
        f"reinstatements[1].from: nothing is required of IFS {reason}earlier value",
        f"reinstatements[1].from: nothing is required of IFRS {reason}earlier value",
    ]


# The first requirement of a reinstatement, and all that the others need.
OTHERS = TEXT[TEXT.index('\n[[requirements]]\nof = "reinstatement"\nid = "back.rsc"') :]
NAMES = TEXT[TEXT.index("[roles]") : TEXT.index("[[cycles]]")]
USED = TEXT[TEXT.index("[providers.rsc]") : TEXT.index("[[requirements]]")]
ONLY_TRAINING = TEXT.replace(OTHERS, "\n").replace(NAMES, "").replace(USED, "")
BACK = ONLY_TRAINING[ONLY_TRAINING.index('\n[[requirements]]\nof = "reinstatement"') :]
VALUES = BACK[BACK.index("\n  [[requirements.values]]") :]


def write_values(*values: str) -> str:
    """The values of a requirement: from when on, for which categories, and whether it ends."""
    return "".join(f"\n  [[requirements.values]]\n  from = {each}\n  {RULE}" for each in values)


def test_a_reinstatement_that_requires_nothing_is_refused() -> None:
    (problem,) = problems((BACK, ""), text=ONLY_TRAINING)
    assert problem == (
        'reinstatements[1]: no requirement is of = "reinstatement", so that nobody can be '
        "reinstated: add one"
    )


def test_a_reinstatement_that_ends_needs_no_requirement() -> None:
    assert problems((BACK, ""), (LATEST, "allowed = false"), text=ONLY_TRAINING) == []


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        (["2025-06-01\n  hours = 6", "2025-07-01\n  hours = 7"], "write from = 2025-06-01, or an"),
        (
            [
                '2025-01-01\n  hours = 6\n  categories = ["IFRS"]',
                '2025-03-01\n  hours = 6\n  categories = ["IFS"]',
            ],
            "write from = 2025-03-01, or an earlier value",
        ),
        (
            ["2024-01-01\n  hours = 6", "2025-01-01\n  asked = false"],
            "require something, or write allowed = false",
        ),
    ],
)
def test_first_day_of_a_reinstatement_requires_something(values: list[str], advice: str) -> None:
    first, *_ = problems((VALUES, write_values(*values)), text=ONLY_TRAINING)
    reason = "nothing is required of IFS on 2025-01-01, so that anybody would be reinstated: "
    assert first.startswith(f"reinstatements[1].from: {reason}{advice}")


def test_most_hours_of_any_category_must_fit() -> None:
    values = ['2025-01-01\n  hours = 300\n  categories = ["IFS"]']
    values.append('2025-01-01\n  hours = 400.5\n  categories = ["IFRS"]')
    since = (MONTHS, 'window = { since = "removal" }')
    month = (LATEST, "latest_months = 1")
    (problem,) = problems((VALUES, write_values(*values)), since, month, text=ONLY_TRAINING)
    assert problem.startswith("reinstatements[1].latest_months: 400.5 hours of 'back.training' ")


def test_only_the_category_that_lacks_something_is_named() -> None:
    values = ['2025-01-01\n  hours = 6\n  categories = ["IFS"]']
    values.append('2025-03-01\n  hours = 6\n  categories = ["IFRS"]')
    (problem,) = problems((VALUES, write_values(*values)), text=ONLY_TRAINING)
    assert problem.startswith("reinstatements[1].from: nothing is required of IFRS on 2025-01-01")


def test_one_requirement_on_the_first_day_is_enough() -> None:
    later = BACK.replace("2025", "2026").replace("back.training", "back.later")
    assert problems((BACK, f"{BACK}{later}"), text=ONLY_TRAINING) == []


WRONG_HOURS = ("  hours = 6\n", "  hours = -6\n")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ([("  hours = 4\n", "  hours = -4\n")], "requirements[1].values[1].hours"),
        ([WRONG_HOURS], "requirements[2].values[1].hours"),
        (
            [WRONG_HOURS, (BACK, BACK + BACK.replace("2025", "2026").replace(".training", ""))],
            "requirements[2].values[1].hours",
        ),
        ([(AFTER, "after_days = -1\n"), (REMOVAL, REMOVAL + ENDED)], "removals[1].after_days"),
    ],
)
def test_nothing_follows_from_what_is_wrong_itself(
    changes: list[tuple[str, str]], key: str
) -> None:
    (problem,) = problems(*changes[::-1], text=ONLY_TRAINING)
    assert problem.startswith(f"{key}: ")


def test_places_are_those_of_the_file() -> None:
    wrong = f"[[removals]]\nfrom = 2024-06-01\nafter_days = -1\n{REMOVAL}"
    found = problems(("[[removals]]\n", f"{wrong}\n[[removals]]\n"), (AFTER, 'after = "01-15"\n'))
    assert [each.partition(": ")[0] for each in found] == [
        "removals[1].after_days",
        "removals[2].after",
    ]


def test_a_number_in_place_of_removals_is_refused() -> None:
    removals = TEXT[TEXT.index("[[removals]]") : TEXT.index("[[reinstatements]]")]
    (problem,) = problems((removals, ""), ('id = "REMOVING"\n', 'id = "REMOVING"\nremovals = 5\n'))
    assert problem.startswith("removals: write a list in brackets")


def test_a_number_in_place_of_requirements_is_refused() -> None:
    text = TEXT[: TEXT.index("[[removals]]")]
    (problem,) = problems(('id = "REMOVING"\n', 'id = "REMOVING"\nrequirements = 5\n'), text=text)
    assert problem.startswith("requirements: write a list in brackets")
