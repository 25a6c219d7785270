"""What a renewal or an application requires: a rulebook read for one category and one day."""

from dataclasses import replace
from datetime import date

import pytest

from tests.rules.case_data import IMAGINED, REAL
from tests.rules.planned import change_rulebook
from tracker.rules.cycles import cycle_containing
from tracker.rules.membership import MembershipGrace
from tracker.rules.model import Rulebook
from tracker.rules.plan import (
    ApplicationPlan,
    RenewalPlan,
    plan_application,
    plan_renewal,
    value_in_force,
)

ENDORSED = date(2020, 5, 1)
DAY = date(2026, 6, 1)


def plan_of(
    rulebook: Rulebook | str, category: str = "IFS", day: date = DAY, held_years: int = 0
) -> RenewalPlan:
    """The plan of the cycle that holds a day."""
    if isinstance(rulebook, str):
        rulebook = IMAGINED.associations[rulebook]
    cycle = cycle_containing(rulebook.cycles, ENDORSED, day)
    return plan_renewal(rulebook, category, cycle, held_years)


def application(association: str, category: str) -> ApplicationPlan:
    return plan_application(REAL.associations[association], category, DAY)


def reinstatement(category: str, day: date = DAY) -> ApplicationPlan:
    return plan_application(IMAGINED.associations["REMOVING"], category, day, "reinstatement")


def amounts(plan: RenewalPlan | ApplicationPlan) -> dict[str, int]:
    return {requirement.id: requirement.amount for requirement in plan.requirements}


def fees(plan: RenewalPlan | ApplicationPlan) -> list[tuple[str, ...]]:
    return [
        (
            fee.id,
            fee.label,
            fee.how_to_pay,
            f"{fee.amount}",
            fee.source_document,
            fee.source_section,
        )
        for fee in plan.fees
    ]


def test_parts_lie_within_other_hours() -> None:
    plans = [plan_of("FORMATS"), plan_of("FORMATS", "IFA"), plan_of("WHOLE", "IFRS")]
    plans.append(plan_of("FIRST"))
    whole = [[r.id for r in plan.requirements if not r.is_part] for plan in plans]
    assert whole == [
        ["training", "rsc"],
        ["rsc"],
        ["training", "rsc", "membership", "ethics", "submission", "fee"],
        ["training", "membership"],
    ]


def test_other_topics_of_applicants_are_parts_too() -> None:
    plans = [application("VAIMH", "IFRS"), application("VAIMH", "IMHM-C")]
    parts = [[r for r in plan.requirements if r.is_part] for plan in plans]
    assert [[r.id for r in each] for each in parts] == [
        ["training.imh", "training.rsc", "training.deia"],
        ["training.rsc", "rsc.giving"],
    ]
    assert replace(parts[1][1], topic=None).is_part


def test_requirement_lists_all_topics_that_it_mentions() -> None:
    topics = {r.id: r.own_topics for r in application("VAIMH", "IFRS").requirements}
    assert topics["training.imh"] == ["RSC", "DEIA"]
    assert topics["training.rsc"] == ["RSC"]
    assert plan_of("FORMATS").requirements[0].own_topics == ["SELF-STUDY"]


def test_formats_are_named_only_beside_others() -> None:
    names = {r.id: r.hours_name for r in plan_of("WHOLE", "MIT").requirements}
    assert names == {"rsc": "RSC", "rsc.months": "RSC in different months"}
    rulebook = change_rulebook(
        "formats",
        ("each_year = true", 'each_year = true\nformats = ["group"]'),
        ('id = "rsc.months"', 'id = "rsc.months"\nformats = ["individual"]'),
        ('formats = ["individual", "group"]', 'formats = ["individual", "group", "peer"]'),
    )
    names = {r.id: r.hours_name for r in plan_of(rulebook).requirements}
    assert names["rsc"] == "RSC"
    assert names["rsc.yearly.1"] == "group RSC in the first year"
    assert names["rsc.months"] == "individual RSC in different months"


def test_plan_knows_its_rules_of_providers_and_memberships() -> None:
    plan = plan_of("WHOLE")
    assert (plan.provider_rule, plan.membership_rule) == ("WHOLE/rsc", "WHOLE/own")
    assert plan.provider_terms == plan.rulebook.providers["rsc"]
    assert plan.membership_grace == MembershipGrace(30, None)
    without = plan_of("PAYING")
    assert (without.provider_terms, without.provider_rule) == (None, None)
    assert (without.membership_grace, without.membership_rule) == (None, None)


def test_plan_knows_what_is_submitted_and_paid() -> None:
    whose = [("PAYING", "IFS"), ("PAYING", "IFRS"), ("PAYING", "IMHS"), ("ATTESTING", "IFS")]
    plans = [plan_of(*each) for each in whose]
    assert [plan.is_submitted for plan in plans] == [True, False, False, True]
    assert [plan.needs_payments for plan in plans] == [True, True, False, False]


def test_plan_lists_years_only_if_each_requires_something() -> None:
    assert plan_of("PAYING").year_ends == ()
    each = (date(2025, 12, 31), date(2026, 12, 31), date(2027, 12, 31))
    assert plan_of("FORMATS").year_ends == each


def test_only_plans_with_caps_need_all_sessions() -> None:
    assert [plan_of("FORMATS", each).has_caps for each in ("IFS", "IFA")] == [True, False]


def test_statements_are_in_the_order_of_the_rulebook() -> None:
    assert plan_of("ATTESTING").statements == ("ethics", "hours")
    assert application("CT-AIMH", "IFS").statements == ("ethics", "agreement", "competencies")
    assert plan_of("PAYING").statements == ()


def test_category_without_rules_has_no_cycle() -> None:
    plan = plan_of("ATTESTING", "IFRS")
    assert (plan.cycle, plan.requirements, plan.fees) == (None, (), ())
    assert plan_renewal(IMAGINED.associations["ATTESTING"], "IFS", None, 0).requirements == ()


def test_exempt_requirement_keeps_its_whole_amount() -> None:
    rulebook = IMAGINED.associations["FIRST"]
    for month, training in ((5, 12 * 60), (12, 16 * 60)):
        endorsed_on = date(2026, month, 1)
        cycle = cycle_containing(rulebook.cycles, endorsed_on, endorsed_on)
        plan = plan_renewal(rulebook, "IFS", cycle, 0)
        assert amounts(plan) == {"training": training, "training.deia": 120, "membership": 1}
        exempt = [r.id for r in plan.requirements if r.is_exempt]
        assert exempt == ["training"] * (month == 12) + ["training.deia", "membership"]


def test_hours_after_a_return_are_the_same_in_any_cycle() -> None:
    rulebook = IMAGINED.associations["RESTING"]
    endorsed_on = date(2026, 1, 1)
    cycle = cycle_containing(rulebook.cycles, endorsed_on, endorsed_on)
    plan = plan_renewal(rulebook, "IFS", cycle, 0)
    assert amounts(plan) == {
        "training": 30 * 60,
        "rsc": 24 * 60,
        "training.return": 6 * 60,
        "membership": 1,
    }


def test_renewal_has_its_fees_with_where_they_stand() -> None:
    check = "Mail a check to the Association of Fees, 1 Main Street, Chicago"
    assert fees(plan_of("PAYING")) == [
        ("renewal", "Renewal fee", check, "7500", "The renewal guide", "Fees")
    ]


def test_fee_is_owed_if_it_is_due_all_through_the_cycle() -> None:
    begins = ("from = 2024-01-01\n  amount = 60", "from = 2026-06-01\n  amount = 60")
    section = 'late_after = "11-30"\n  source = { document = "guide", section = "Fees" }\n'
    ended = section.replace('late_after = "11-30"', "from = 2027-06-01\n  asked = false")
    rulebook = change_rulebook(
        "paying", begins, (section, f"{section}\n  [[fees.values]]\n  {ended}")
    )
    asked = [len(plan_of(rulebook, "IMHS", DAY.replace(year=year)).fees) for year in (2026, 2027)]
    assert asked == [0, 0]
    rulebook = change_rulebook("paying", (section, f"{section}\n  [[fees.values]]\n  {ended}"))
    asked = [len(plan_of(rulebook, "IMHS", DAY.replace(year=year)).fees) for year in (2026, 2027)]
    assert asked == [1, 0]


def test_reinstatement_has_the_fees_of_its_day() -> None:
    fee = ("reinstatement", "Reinstatement fee", "Send a check to the association.", "5000")
    plan = reinstatement("IFS")
    assert fees(plan) == [(*fee, "The lapse policy", "Fees")]
    assert (plan.category, plan.purpose, plan.association) == ("IFS", "reinstatement", "REMOVING")
    assert reinstatement("IFRS").fees == ()
    assert reinstatement("IFS", date(2024, 12, 31)).fees == ()


def test_application_has_no_fees_and_is_for_its_category() -> None:
    plan = plan_application(IMAGINED.associations["WHOLE"], "IFS", DAY)
    assert (plan.purpose, plan.category, plan.requirements, plan.fees) == (
        "application", "IFS", (), ()
    )  # fmt: skip
    assert amounts(application("VAIMH", "IFS"))["training"] == 30 * 60


def test_only_a_reinstatement_counts_recent_hours() -> None:
    assert reinstatement("IFS").counts_recent_hours
    without_hours = replace(
        reinstatement("IFS"), requirements=reinstatement("IFS").requirements[1:]
    )
    assert not without_hours.counts_recent_hours
    assert not application("VAIMH", "IFS").counts_recent_hours


def test_value_for_the_category_goes_before_those_for_all() -> None:
    own = '\n  [[requirements.values]]\n  from = 2020-01-01\n  categories = ["IFS"]\n  hours = 5\n'
    source = '  source = { document = "guide", section = "Training" }\n'
    later = f"{own}{source}\n  # More is asked."
    rulebook = change_rulebook("applying", ("\n  # More is asked.", later))
    assert amounts(plan_application(rulebook, "IFS", DAY)) == {"training": 300}
    value = 'from = 2020-01-01\n  hours = 12\n  source = { document = "guide", section = "RSC" }\n'
    longer = value.replace("hours = 12", "held_years = 4\n  hours = 3")
    rulebook = change_rulebook(
        "history", (value, f"{value}\n  [[requirements.values]]\n  {longer}")
    )
    assert amounts(plan_of(rulebook, "IMHM", held_years=4))["rsc"] == 6 * 60
    assert amounts(plan_of(rulebook, "IFS", held_years=4))["rsc"] == 3 * 60


def test_value_of_years_held_is_not_for_newcomers() -> None:
    rulebook = change_rulebook("history", ("held_years = 5", "held_years = 1"))
    training = rulebook.requirements_of("IFS")[0]
    value = value_in_force(training, DAY, "IFS")
    assert value is not None
    assert value.minutes == 15 * 60
    assert value_in_force(training, DAY, "IFS", 1) is None


@pytest.mark.parametrize(
    ("category", "held_years", "ids"),
    [
        ("IFS", 0, ["training", "rsc"]),
        ("IFS", 5, ["rsc"]),
        ("IMHM", 0, ["training"]),
        ("IMHM", 5, []),
    ],
)
def test_what_ends_within_the_cycle_is_not_required(
    category: str, held_years: int, ids: list[str]
) -> None:
    source = '  source = { document = "guide", section = "RSC" }\n'
    value = "\n  [[requirements.values]]\n  from = 2026-06-01\n  "
    ended = f'{value}categories = ["IMHM"]\n  asked = false\n{source}'
    ended += f'{value}categories = ["IMHM"]\n  held_years = 3\n  asked = false\n{source}'
    years = f"held_years = 5\n  hours = 1\n{source}{value}held_years = 5\n  asked = false"
    rulebook = change_rulebook(
        "history",
        ("held_years = 5\n  asked = false", years),
        (f"  hours = 6\n{source}", f"  hours = 6\n{source}{ended}"),
    )
    assert list(amounts(plan_of(rulebook, category, held_years=held_years))) == ids


PEER = """
    [[requirements.caps.values]]
    from = 2022-01-01
    hours = 6
    source = { document = "scheme", section = "Formats" }
"""


def test_caps_are_those_in_force_all_through_the_cycle() -> None:
    formats = IMAGINED.associations["FORMATS"]
    assert [caps_of(formats, day) for day in (date(2024, 12, 31), DAY)] == [[360, 1440]] * 2
    begins = change_rulebook("formats", (PEER, PEER.replace("2022-01-01", "2025-01-01")))
    assert [caps_of(begins, day) for day in (date(2024, 12, 31), DAY)] == [[1440], [360, 1440]]
    ended = PEER.replace("2022-01-01", "2027-06-01").replace("hours = 6", "asked = false")
    ends = change_rulebook("formats", (PEER, PEER + ended))
    assert [caps_of(ends, day) for day in (date(2024, 12, 31), DAY)] == [[360, 1440], [1440]]
    within = change_rulebook("formats", (PEER, PEER.replace("2022-01-01", "2025-06-01")))
    assert caps_of(within, DAY) == [1440]


def caps_of(rulebook: Rulebook, day: date) -> list[int]:
    """The minutes of the caps of RSC sessions, those within others first."""
    (rsc,) = [r for r in plan_of(rulebook, day=day).requirements if r.id == "rsc"]
    return [cap.minutes for cap in rsc.caps]


def test_cap_names_where_it_stands() -> None:
    cap = plan_of("FORMATS").requirements[0].caps[0]
    assert (cap.topic, cap.source_document) == ("SELF-STUDY", "The three-year scheme")
    assert cap.source_section == "Self-study"


def test_requirement_says_what_it_is_and_where_it_stands() -> None:
    mentor = plan_of("HISTORY", "IMHM", held_years=3).requirements[1]
    assert (mentor.label, mentor.about) == ("Reflective supervision", "In a year")
    assert (mentor.source_document, mentor.source_section) == ("Guide", "RSC")
    assert (mentor.held_years, mentor.amount) == (3, 6 * 60)
    work = {r.id: r.services for r in application("VAIMH", "IMHM-C").requirements}
    assert work["experience.rsc"] == ("Reflective supervision or consultation provided to others",)
    assert work["rsc"] == ()
