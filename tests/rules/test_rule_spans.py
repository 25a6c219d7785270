"""A rulebook's values from day to day, and the days on which something happens by itself."""

from datetime import date
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED
from tests.rules.test_rule_changes import (
    CERTIFICATE,
    CYCLES,
    FAMILIES,
    PROVIDERS,
    REMOVALS,
    VALUES,
    read,
)
from tracker.rules.cycles import Cycle, common_cycle
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.requirement import Source
from tracker.rules.rule_changes import (
    AcceptedSpan,
    Period,
    SchemeSpan,
    ValueSpan,
    describe_other_steps,
    describe_renewal_steps,
    fixed_cycle_on,
    group_categories,
    list_absence_spans,
    list_accepted_spans,
    list_certificate_spans,
    list_fee_spans,
    list_removal_spans,
    list_renewal_days,
    list_scheme_spans,
    list_users,
    list_value_spans,
    period_of,
)

BOOKS = IMAGINED.associations
FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "today", "period"),
    [
        (FIRST, LAST, date(2025, 12, 31), Period.AHEAD),
        (FIRST, LAST, FIRST, Period.NOW),
        (FIRST, LAST, LAST, Period.NOW),
        (FIRST, LAST, date(2027, 1, 1), Period.PAST),
        (None, LAST, date(2025, 12, 31), Period.NOW),
        (FIRST, None, date(2027, 1, 1), Period.NOW),
        (None, None, FIRST, Period.NOW),
    ],
)
def test_first_and_last_day_are_within_a_period(
    starts_on: date | None, ends_on: date | None, today: date, period: Period
) -> None:
    assert period_of(starts_on, ends_on, today) == period


def test_values_last_until_the_next_one_begins() -> None:
    rulebook = BOOKS["CHANGING"]
    old, new = (Source(document=name, section="Hours") for name in ("old", "new"))
    start, change = date(2000, 1, 1), date(2025, 1, 1)
    last, is_asked = date(2024, 12, 31), True
    assert list_value_spans(rulebook, rulebook.requirements[0], last) == [
        ValueSpan("15 hours", "", start, last, Period.NOW, is_asked, old, None),
        ValueSpan("45 hours", "", change, None, Period.AHEAD, is_asked, new, None),
    ]
    spans = list_value_spans(rulebook, rulebook.requirements[0], change)
    assert [span.period for span in spans] == [Period.PAST, Period.NOW]


def test_values_for_the_same_people_stay_together() -> None:
    values = "{ from = 2024-01-01, hours = 15, SOURCE }, "
    values += '{ from = 2024-01-01, hours = 9, categories = ["IFRS"], SOURCE }, '
    values += "{ from = 2026-06-01, hours = 20, SOURCE }, "
    values += '{ from = 2028-01-01, asked = false, categories = ["IFRS"], SOURCE }'
    rulebook = read("", (VALUES, f"values = [{values}]"))
    spans = list_value_spans(rulebook, rulebook.requirements[0], FIRST)
    assert [(s.amount, s.for_whom, s.ends_on, s.is_asked, s.first_cycle) for s in spans] == [
        ("15 hours", "", date(2026, 5, 31), True, None),
        ("20 hours", "", None, True, date(2027, 1, 1)),
        ("9 hours", "for IFRS", date(2027, 12, 31), True, None),
        ("no longer required", "for IFRS", None, False, None),
    ]


def test_a_number_of_things_has_their_name() -> None:
    rulebook = read(FAMILIES)
    spans = list_value_spans(rulebook, rulebook.requirements[1], FIRST)
    assert [span.amount for span in spans] == ["at least 10 families", "at least 20 families"]


def test_fees_last_until_the_next_amount() -> None:
    rulebook = BOOKS["PAYING"]
    source = Source(document="guide", section="Fees")
    start, change, last = date(2024, 1, 1), date(2026, 1, 1), date(2025, 12, 31)
    is_asked, late = True, "$75.00; $100.00 if paid after the due date"
    assert list_fee_spans(rulebook, rulebook.fees[0], last) == [
        ValueSpan("$50.00", "", start, last, Period.NOW, is_asked, source, None),
        ValueSpan(late, "", change, None, Period.AHEAD, is_asked, source, None),
    ]
    spans = list_fee_spans(rulebook, rulebook.fees[0], change)
    assert [span.period for span in spans] == [Period.PAST, Period.NOW]


def test_providers_count_from_day_to_day() -> None:
    rule = BOOKS["PROVIDING"].providers["rsc"]
    source = Source(document="guide", section="Providers")
    starts_on, ends_on = date(2025, 1, 1), date(2025, 12, 31)
    first, second, third = list_accepted_spans(rule, date(2026, 1, 1))
    held = "IFRS, IMHM-C, held for at least 3 years without a break"
    assert first == AcceptedSpan(held, None, None, Period.NOW, source, None)
    assert (second.starts_on, second.ends_on) == (date(2024, 3, 1), date(2026, 2, 28))
    vetted = "vetted by TRIENNIAL or JUNE"
    assert third == AcceptedSpan(vetted, starts_on, ends_on, Period.PAST, source, None)
    periods = [span.period for span in list_accepted_spans(rule, date(2024, 12, 31))]
    assert periods == [Period.NOW, Period.NOW, Period.AHEAD]


def test_providers_name_the_reading_that_accepts_them() -> None:
    (span,) = list_accepted_spans(read(PROVIDERS).providers["rsc"], FIRST)
    assert span.interpretation == "reading"


def test_leave_lasts_until_other_leave_follows() -> None:
    spans = list_absence_spans(BOOKS["RESTING"], date(2024, 12, 31))
    change = date(2025, 1, 1)
    assert [(span.rule.kind, *span[1:4]) for span in spans] == [
        ("leave", date(2022, 1, 1), date(2024, 12, 31), Period.NOW),
        ("leave", change, None, Period.AHEAD),
        ("inactive", change, None, Period.AHEAD),
        ("emeritus", change, None, Period.AHEAD),
    ]
    assert spans[0].says.startswith("For each whole month of leave in the cycle, fewer hours are")
    assert [span.rule for span in spans] == list(BOOKS["RESTING"].absences)
    first = list_absence_spans(BOOKS["RESTING"], change)[0]
    assert first.period == Period.PAST


def test_leave_does_not_end_with_other_absences() -> None:
    leave = '\n[[absences]]\nkind = "leave"\nfrom = 2024-01-01\nexcuses = "nothing"\nSOURCE\n'
    inactive = leave.replace("leave", "inactive").replace("2024", "2025")
    rulebook = read(f"{leave}{inactive}{leave.replace('2024', '2027')}")
    spans = list_absence_spans(rulebook, FIRST)
    assert [span.ends_on for span in spans] == [date(2026, 12, 31), None, None]


@pytest.mark.parametrize(
    ("until", "following", "last"),
    [
        ("until = 2027-12-31\n", "2027-07-01", date(2027, 6, 30)),
        ("until = 2027-12-31\n", "2028-07-01", date(2027, 12, 31)),
        ("", "2028-07-01", date(2028, 6, 30)),
    ],
)
def test_certificates_end_by_themselves_or_with_the_next(
    until: str, following: str, last: date
) -> None:
    first = CERTIFICATE.replace("until = 2027-12-31\n", until) + "SOURCE\n"
    second = CERTIFICATE.replace("2027-01-01", following).replace("until = 2027-12-31\n", "")
    rulebook = read(f"{first}{second}SOURCE\n")
    spans = list_certificate_spans(rulebook, date(2027, 1, 1))
    issued = "Certificates of accepted renewals, issued by EX and signed by Kai, Chair."
    starts_on = date.fromisoformat(following)
    one, other = rulebook.certificates
    assert [tuple(span) for span in spans] == [
        (issued, date(2027, 1, 1), last, Period.NOW, one),
        (issued, starts_on, None, Period.AHEAD, other),
    ]
    periods = [span.period for span in list_certificate_spans(rulebook, date(2029, 1, 1))]
    assert periods == [Period.PAST, Period.NOW]


def test_removals_and_reinstatements_follow_their_own_kind() -> None:
    text = REMOVALS.replace("BASIS", "SOURCE")
    text += "\n[[removals]]\nfrom = 2028-01-01\nremoved = false\nSOURCE\n"
    text += "\n[[reinstatements]]\nfrom = 2029-01-01\nallowed = false\nSOURCE\n"
    text += "\n[[removals]]\nfrom = 2030-01-01\nafter_days = 1\nSOURCE\n"
    rulebook = read(text)
    spans = list_removal_spans(rulebook, date(2028, 1, 1))
    assert [tuple(span[1:4]) for span in spans] == [
        (date(2027, 1, 1), date(2027, 12, 31), Period.PAST),
        (date(2028, 1, 1), date(2029, 12, 31), Period.NOW),
        (date(2030, 1, 1), None, Period.AHEAD),
        (date(2027, 2, 1), date(2028, 12, 31), Period.NOW),
        (date(2029, 1, 1), None, Period.AHEAD),
    ]
    assert [span.rule for span in spans] == [*rulebook.removals, *rulebook.reinstatements]
    assert spans[1].says == "Lapsed endorsements are no longer removed"
    assert spans[4].says == (
        "Removed endorsements are no longer reinstated: the person applies anew"
    )


def test_cycles_run_until_others_begin() -> None:
    rulebook = read(CYCLES)
    first, second = list_scheme_spans(rulebook, date(2026, 12, 31))
    length = "A cycle lasts one year and ends on December 31. "
    length += "It is due on its last day, followed by a grace period of 31 days. "
    length += "All hours are required starting with the first cycle."
    starts_on, ends_on = date(2024, 1, 1), date(2026, 12, 31)
    assert first == SchemeSpan(length, starts_on, ends_on, Period.NOW, rulebook.cycles[0])
    assert (second.starts_on, second.ends_on) == (date(2027, 1, 1), None)
    assert (second.period, second.scheme) == (Period.AHEAD, rulebook.cycles[1])
    periods = [span.period for span in list_scheme_spans(rulebook, date(2027, 1, 1))]
    assert periods == [Period.PAST, Period.NOW]


def test_cycles_name_what_their_first_one_exempts() -> None:
    (span,) = list_scheme_spans(BOOKS["FIRST"], FIRST)
    assert "Not required in the first cycle: DEIA training and Membership." in span.says


def test_cycle_of_everyone_depends_on_no_endorsement() -> None:
    cycle = fixed_cycle_on(BOOKS["CHANGING"], date(2026, 6, 1))
    assert cycle
    assert (cycle.starts_on, cycle.ends_on) == (date(2025, 1, 1), date(2027, 12, 31))
    assert fixed_cycle_on(BOOKS["ANNIVERSARY"], date(2026, 6, 1)) is None


def test_users_of_a_provider_rule_are_its_requirements() -> None:
    rulebook = BOOKS["WHOLE"]
    ids = [requirement.id for requirement in list_users(rulebook, "rsc")]
    assert ids == ["rsc", "rsc.yearly", "rsc.months", "rsc.months", "rsc", "back.rsc"]
    assert list_users(rulebook, "other") == []


def test_categories_with_the_same_requirements_are_together() -> None:
    rulebook = BOOKS["ADDING"]
    found = [
        (each.categories, [requirement.id for requirement in each.requirements])
        for each in group_categories(rulebook, "renewal")
    ]
    assert found == [(("IFS", "IMHS", "EIFS"), ["rsc"]), (("ERS", "MENTOR"), ["training"])]
    assert group_categories(rulebook, "application") == []


def test_categories_with_alike_requirements_of_their_own_stay_apart() -> None:
    found = group_categories(BOOKS["GRACE"], "renewal")
    assert [each.categories for each in found] == [("IFS",), ("IMHS",)]


def configure(**given: dict[str, Any]) -> NoticeConfig:
    return NoticeConfig.model_validate(given)


def cycle_of(association: str, day: date = date(2026, 6, 1)) -> Cycle:
    cycle = common_cycle(BOOKS[association].cycles, day)
    assert cycle
    return cycle


def test_renewal_days_list_the_submission() -> None:
    days = list_renewal_days(cycle_of("EARLY", date(2024, 6, 1)), configure())
    assert [f"{day}: {says}" for day, says in days] == [
        "2024-01-01: The cycle begins",
        "2024-10-01: The submission opens",
        "2024-11-30: Renewals are due",
        "2024-12-31: The last day on which hours count",
        "2025-01-31: The last day of the submission",
        "2025-03-31: The grace period ends",
        "2025-04-01: What is missing has lapsed, and the cycle is settled",
    ]


def test_days_of_a_cycle_are_in_order_with_reminders() -> None:
    config = configure(renewal={"before": [30, 0], "after": [1, 31]})
    reminder = "Reminder to those who are missing something"
    assert [f"{day}: {says}" for day, says in list_renewal_days(cycle_of("PAYING"), config)] == [
        "2026-01-01: The cycle begins",
        f"2026-12-01: {reminder}, 30 days before",
        "2026-12-31: The last day on which hours count. Renewals are due. " + reminder,
        f"2027-01-01: {reminder}, 1 day after",
        f"2027-01-31: The grace period ends. {reminder}, 31 days after",
        "2027-02-01: What is missing has lapsed, and the cycle is settled",
    ]


@pytest.mark.parametrize(
    ("renewal", "says"),
    [
        ({}, "No reminders go out."),
        ({"before": [90, 60, 30]}, "Reminders go out 90, 60, and 30 days before the due date."),
        ({"before": [1]}, "Reminders go out 1 day before the due date."),
        ({"after": [1, 14]}, "Reminders go out 1 and 14 days after the due date."),
        (
            {"before": [30], "after": [7]},
            "Reminders go out 30 days before the due date and 7 days after it.",
        ),
        (
            {"before": [30, 1, 0], "after": [1]},
            (
                "Reminders go out 30 and 1 days before the due date, on the due date, and 1 day "
                "after it."
            ),
        ),
    ],
)
def test_reminders_of_renewals_say_when(renewal: dict[str, Any], says: str) -> None:
    assert describe_renewal_steps(configure(renewal=renewal)) == says


@pytest.mark.parametrize(
    ("membership", "cutoff", "says"),
    [
        ({"on_lapse": False}, {}, ""),
        ({"on_lapse": True}, {}, "About memberships: on the day after the last day."),
        (
            {"before": [30, 7], "on_lapse": True},
            {},
            "About memberships: 30 and 7 days before the last day and on the day after it.",
        ),
        (
            {"before": [1], "on_lapse": False},
            {"before": [90, 30], "used_within_months": 12},
            (
                "About memberships: 1 day before the last day. About providers who stop counting: "
                "90 and 30 days before the last day, to everyone with a session in the last 12 "
                "months."
            ),
        ),
        (
            {"on_lapse": False},
            {"before": [0], "used_within_months": 6},
            (
                "About providers who stop counting: on the last day, to everyone with a session in "
                "the last 6 months."
            ),
        ),
    ],
)
def test_other_notices_say_when(
    membership: dict[str, Any], cutoff: dict[str, Any], says: str
) -> None:
    config = configure(membership=membership, provider_cutoff=cutoff)
    assert describe_other_steps(config) == says
