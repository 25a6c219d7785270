"""Parts of a rulebook must fit: cycles and values, fees and currency, rules and names."""

import pytest

from tests.rules.test_consistency import ABSENCES, list_absence_problems
from tests.rules.test_consistency import problems as application_problems
from tests.rules.test_parse import CYCLES, RULEBOOK, TRAINING, problems

ZONE = 'time_zone = "America/New_York"'
FEE = """
[[fees]]
id = "renewal"
label = "Renewal fee"
how_to_pay = "Mail a check"
categories = ["IFS"]

  [[fees.values]]
  from = 2000-01-01
  amount = 50
  source = { document = "ifs", section = "Fees" }
"""
PAID = RULEBOOK + FEE
MEMBERSHIP = RULEBOOK[
    RULEBOOK.index('[[requirements]]\nid = "membership"') : RULEBOOK.index("[[interpretations]]")
]
FIXED = 'kind = "fixed"\nyears = 1\nends_on = 2000-12-31'
ANNIVERSARY = 'kind = "anniversary"\nyears = 1'
STATEMENTS = '\n[attestations]\nethics = "I follow the Code of Ethics"\n'
SIGNED = """
[[requirements]]
id = "ethics"
label = "Ethics"
about = "Signed"
categories = ["IFS"]
counts = "signed"
signed = ["ethics"]

  [[requirements.values]]
  from = 2000-01-01
  source = { document = "ifs", section = "Ethics" }
"""
SUBMITTED = SIGNED.replace('signed = ["ethics"]\n', "").replace("signed", "submitted")
SUBMITTED = SUBMITTED.replace('id = "ethics"', 'id = "submission"')
SIGN_WHEN = (
    "statements are signed when the renewal is submitted: add a requirement with "
    'counts = "submitted"'
)


def only(*replacements: tuple[str, str], rulebook: str = RULEBOOK) -> str:
    (found,) = problems(*replacements, rulebook=rulebook)
    return found.removeprefix("ex.toml: ")


@pytest.mark.parametrize("currency", ["", '\ncurrency = ""'])
def test_fees_need_a_currency_or_a_country(currency: str) -> None:
    spanish = ZONE, f'{ZONE}\nlocale = "es"{currency}'
    assert only(spanish, rulebook=PAID) == (
        "currency: locale 'es' has no country: write currency, such as USD"
    )
    assert problems(spanish) == []


def test_fees_are_in_the_currency_of_the_country() -> None:
    assert problems(rulebook=PAID) == []
    assert problems((ZONE, f'{ZONE}\nlocale = "es_US"'), rulebook=PAID) == []
    dollars = f'{ZONE}\nlocale = "es"\ncurrency = "USD"'
    assert problems((ZONE, dollars), rulebook=PAID) == []


def test_a_wrong_currency_is_one_error() -> None:
    wrong = f'{ZONE}\nlocale = "es"\ncurrency = "dollars"'
    assert only((ZONE, wrong), rulebook=PAID).startswith("currency: 'dollars' is not a currency")


@pytest.mark.parametrize("name", ["A/B", "EX.json"])
def test_an_id_must_fit_the_address_of_a_registry(name: str) -> None:
    renamed = 'id = "EX-AIMH"', f'id = "{name}"'
    registry = ZONE, f'{ZONE}\nregistry = {{ from = 2026-11-01, says = "Our endorsees" }}'
    assert problems(renamed) == []
    assert problems(registry) == []
    assert only(renamed, registry) == (
        f"id: the registry needs an id that can stand in its address, /registry/{name}: "
        "write one without a slash that does not end with .json"
    )


def test_one_category_cannot_have_two_membership_rules() -> None:
    other = MEMBERSHIP.replace('id = "membership"', 'id = "dues"').replace('= "any"', '= "other"')
    rule = '[memberships.other]\nsays = "X"\nany_infant_mental_health_association = true\n\n'
    second = RULEBOOK + other + rule
    assert only(rulebook=second) == (
        "renewal requirements of IFS: they name more than one membership rule"
    )
    assert problems(rulebook=second.replace(rule, "").replace('= "other"', '= "any"')) == []


def test_statements_are_signed_with_a_submission() -> None:
    signed = RULEBOOK + STATEMENTS + SIGNED
    assert only(rulebook=signed) == f"renewal requirements of IFS: ethics: {SIGN_WHEN}"
    assert problems(rulebook=signed + SUBMITTED) == []
    for_application = SIGNED.replace("id =", 'of = "application"\nid =')
    assert problems(rulebook=RULEBOOK + STATEMENTS + for_application) == []


def test_a_statement_for_what_is_missing_needs_a_submission() -> None:
    attested = 'counts = "training"', 'counts = "training"\nattested_by = "ethics"'
    found = only(attested, rulebook=RULEBOOK + STATEMENTS)
    assert found == f"renewal requirements of IFS: training: {SIGN_WHEN}"


def test_a_renewal_is_submitted_once() -> None:
    twice = RULEBOOK + SUBMITTED + SUBMITTED.replace('id = "sub', 'id = "second-sub')
    assert only(rulebook=twice) == (
        "renewal requirements of IFS: submission and second-submission all count submitted: "
        "leave one"
    )


def test_anniversary_cycles_cannot_be_cut_short() -> None:
    first = CYCLES.replace(FIXED, ANNIVERSARY)
    later = CYCLES.replace("2000-01-01", "2026-01-01")
    assert only((CYCLES, first + later)) == (
        "cycles[2].from: anniversary cycles would be cut short on 2026-01-01, and hours would be "
        "required twice: add short_cycle to the block before, which says what shortened cycles "
        "require"
    )
    short = first.replace("grace_days", 'short_cycle = "no hours"\ngrace_days')
    assert problems((CYCLES, short + later)) == []


def test_a_cycle_ends_when_the_next_block_begins() -> None:
    july = CYCLES.replace("2000-01-01", "2026-07-01").replace("2000-12-31", "2027-06-30")
    assert only((CYCLES, CYCLES + july)) == (
        "cycles[2].from: 2026-07-01 is within the cycle from 2026-01-01 to 2026-12-31, so its "
        "hours would be required twice: write 2027-01-01, or add short_cycle to the block before, "
        "which says what the shortened cycle requires"
    )
    january = CYCLES.replace("2000-01-01", "2026-01-01")
    assert problems((CYCLES, CYCLES + january)) == []


def test_the_end_of_a_cycle_fits_its_years_and_first_day() -> None:
    assert only(("ends_on = 2000-12-31", "ends_on = 2001-06-30")) == (
        "cycles[1].ends_on: 2001-06-30 does not fit years = 1 and from = 2000-01-01: write "
        "2000-12-31, or from = 1999-07-01 or 2000-07-01, or add short_cycle, which says what the "
        "shortened cycle through 2000-06-30 requires"
    )
    short = 'ends_on = 2001-06-30\nshort_cycle = "no hours"'
    assert problems(("ends_on = 2000-12-31", short)) == []


def test_a_first_cycle_exempts_each_requirement_once() -> None:
    exempts = "grace_days = 31\nfirst_cycle_exempts ="
    assert problems(("grace_days = 31", f'{exempts} ["rsc", "membership"]')) == []
    assert only(("grace_days = 31", f'{exempts} ["rsc", "rsc"]')) == (
        "cycles[1].first_cycle_exempts: 'rsc' is given more than once"
    )
    no_hours = exempts.replace(
        "first_cycle_exempts", 'first_cycle = "no hours"\nfirst_cycle_exempts'
    )
    assert problems(("grace_days = 31", f'{no_hours} ["membership"]')) == []
    assert only(("grace_days = 31", f'{no_hours} ["training"]')) == (
        "cycles[1].first_cycle_exempts: first_cycle = \"no hours\" exempts 'training' already: "
        "remove it"
    )


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        (
            "from = 2020-01-02\n  hours = 15",
            "values[1].from",
            (
                "2020-01-02 is the second day of the cycle from 2020-01-01, which therefore would "
                "not require it: write 2020-01-01, or 2021-01-01 for the next cycle"
            ),
        ),
        (
            (
                "from = 2020-01-01\n  hours = 15\n  source = SOURCE\n  [[requirements.values]]\n"
                "  from = 2025-12-31\n  asked = false"
            ),
            "values[2].from",
            (
                "2025-12-31 is the last day of the cycle from 2025-01-01, which therefore would "
                "not require it: write 2026-01-01, or 2025-01-01 for this cycle too"
            ),
        ),
    ],
)
def test_a_value_does_not_miss_a_cycle_by_a_day(value: str, key: str, reason: str) -> None:
    value = value.replace("SOURCE", '{ document = "ifs", section = "Training" }')
    changed = TRAINING.replace("from = 2000-01-01\n  hours = 15", value)
    assert only((TRAINING, changed)) == f"requirements[1].{key}: {reason}"
    of_application = changed.replace("id =", 'of = "application"\nid =')
    assert problems((TRAINING, of_application)) == []


@pytest.mark.parametrize(
    ("day", "asked"),
    [
        ("2020-01-03", "hours = 15"),
        ("2020-12-31", "hours = 15"),
        ("2021-01-01", "asked = false"),
        ("2021-01-02", "asked = false"),
        ("2021-12-30", "asked = false"),
    ],
)
def test_a_value_can_begin_on_other_days_of_a_cycle(day: str, asked: str) -> None:
    more = TRAINING[TRAINING.index("  [[") :].replace("2000-01-01", day)
    changed = TRAINING + more.replace("hours = 15", asked)
    assert problems((TRAINING, changed)) == []


def test_a_fee_does_not_miss_a_cycle_by_a_day() -> None:
    assert only(("from = 2000-01-01\n  amount", "from = 2020-01-02\n  amount"), rulebook=PAID) == (
        "fees[1].values[1].from: 2020-01-02 is the second day of the cycle from 2020-01-01, which "
        "therefore would not require it: write 2020-01-01, or 2021-01-01 for the next cycle"
    )


def test_problems_are_numbered_as_in_the_file() -> None:
    second_day = "from = 2020-01-02\n  hours = 12"
    wrong = ('label = "Training"', 'lable = "Training"')
    found = problems(wrong, ("from = 2000-01-01\n  hours = 12", second_day))
    assert [each.split(": ")[1] for each in found] == [
        "requirements[1].label",
        "requirements[1].lable",
        "requirements[2].values[1].from",
    ]


def test_months_with_sessions_fit_into_the_cycle_of_their_day() -> None:
    months = "from = 2000-01-01\n  hours = 12", "from = 2010-01-01\n  months = 13"
    assert only(months) == "requirements[2].values[1].months: 13 months do not fit into 12"
    longer = CYCLES.replace("years = 1", "years = 2").replace("2000-12-31", "2011-12-31")
    longer = longer.replace("2000-01-01", "2010-01-01")
    assert problems(months, (CYCLES, CYCLES + longer)) == []
    each_year = 'providers = "rsc"\neach_year = true'
    assert only(months, (CYCLES, CYCLES + longer), ('providers = "rsc"', each_year)) == (
        "requirements[2].values[1].months: 13 months do not fit into 12"
    )


def test_months_do_not_fit_into_missing_cycles() -> None:
    months = "from = 2000-01-01\n  hours = 12", "from = 2000-01-01\n  months = 18"
    assert only(months, (CYCLES, "")) == (
        "cycles: IFS has renewal requirements, so it needs cycles"
    )


def test_months_fit_into_the_shortest_cycles_of_their_time() -> None:
    months = "from = 2000-01-01\n  hours = 12", "from = 2000-01-01\n  months = 18"
    three = CYCLES.replace("years = 1", "years = 3").replace("2000-12-31", "2002-12-31")
    later = three.replace("2000-01-01", "2009-01-01").replace("2002-12-31", "2011-12-31")
    yearly = CYCLES.replace("2000-01-01", "2009-01-01")
    # The first cycles begin later.
    assert problems(months, (CYCLES, later)) == []
    assert problems(months, (CYCLES, three)) == []
    too_many = "requirements[2].values[1].months: 18 months do not fit into 12"
    assert only(months, (CYCLES, three + yearly)) == too_many
    assert only(months, (CYCLES, CYCLES + later)) == too_many
    source = 'source = { document = "ifs", section = "RSC" }'
    until = f"\n  {source}\n  [[requirements.values]]\n  from = 2009-01-01\n  months = 12"
    ended = months[0], f"{months[1]}{until}"
    assert problems(ended, (CYCLES, three + yearly)) == []


CAP = """
  [[requirements.caps]]
  topic = "SELF-STUDY"
  values = [{ from = 2000-01-01, hours = HOURS, source = { document = "ifs", section = "Cap" } }]
"""


@pytest.mark.parametrize(
    ("values", "day", "hours", "required"),
    [
        ("hours = 15", "2000-01-01", "15", "15"),
        ("hours = 15\n  held_years = 3", "2000-01-01", "15.5", "15"),
        ("hours = 15\n  SOURCE\n  [[requirements.values]]\n  from = 2010-01-01\n  hours = 6.5",
         "2010-01-01", "7", "6.5"),
    ],
)  # fmt: skip
def test_a_cap_is_less_than_what_is_required(
    values: str, day: str, hours: str, required: str
) -> None:
    values = values.replace("SOURCE", 'source = { document = "ifs", section = "Training" }')
    training = TRAINING.replace("hours = 15", values) + CAP
    assert only((TRAINING, training.replace("HOURS", hours))) == (
        f"requirements[1].caps[1]: on {day} it lets {hours} hours count of {required} that are "
        "required, so it limits nothing: write fewer hours, or end it on that day"
    )
    assert problems((TRAINING, training.replace("HOURS", "6"))) == []


def test_a_cap_can_limit_only_those_who_owe_most() -> None:
    more = TRAINING[TRAINING.index("  [[") :].replace("hours = 15", "hours = 30\n  held_years = 3")
    training = TRAINING + more + CAP.replace("HOURS", "20")
    assert problems((TRAINING, training)) == []
    fewer = TRAINING[TRAINING.index("  [[") :].replace("hours = 15", "hours = 10\n  held_years = 1")
    training = TRAINING + fewer + CAP.replace("HOURS", "12").replace("2000-01-01", "1999-01-01")
    assert problems((TRAINING, training)) == []


def test_a_cap_can_limit_only_one_category() -> None:
    both = TRAINING.replace('["IFS"]', '["IFS", "IFRS"]')
    more = TRAINING[TRAINING.index("  [[") :]
    more = more.replace("hours = 15", 'hours = 30\n  categories = ["IFRS"]')
    training = both + more + CAP.replace("HOURS", "20")
    assert problems((TRAINING, training)) == []


def test_a_cap_does_not_begin_on_the_second_day_of_a_cycle() -> None:
    cap = CAP.replace("2000-01-01", "2020-01-02").replace("HOURS", "6")
    assert only((TRAINING, TRAINING + cap)).startswith(
        "requirements[1].caps[1].values[1].from: 2020-01-02 is the second day of the cycle"
    )


NOTHING = 'excuses = "nothing"'
PROPORTION = 'excuses = "hours in proportion"'
ALL = 'excuses = "all that is missing"'
DAY_EXCUSES = (
    "absences[1].excuses: a day of it on the due date would excuse 3 years: write "
    '"hours in proportion", or a shortest_months of at least one year'
)


@pytest.mark.parametrize(
    ("excuses", "expected"),
    [
        (ALL, DAY_EXCUSES),
        (f"{ALL}\nshortest_months = 11", DAY_EXCUSES),
        (
            f'{PROPORTION}\nrequirements = ["membership"]',
            (
                "absences[1].requirements: 'membership' is a membership: write "
                'membership = "excused" instead'
            ),
        ),
        (
            f'{PROPORTION}\nrequirements = ["submission"]',
            (
                "absences[1].requirements: 'submission' counts 'submitted', which has no hours to "
                "reduce"
            ),
        ),
        (
            f'{PROPORTION}\nrequirements = ["rsc"]',
            (
                "absences[1].requirements: 'rsc' is not in this file; it has membership, "
                "submission, training"
            ),
        ),
    ],
)
def test_an_absence_excuses_what_can_be_excused(excuses: str, expected: str) -> None:
    assert list_absence_problems(NOTHING, excuses, more=SUBMITTED) == [expected]


@pytest.mark.parametrize(
    "excuses",
    [
        f"{ALL}\nshortest_months = 12",
        f'{ALL}\nshortest_months = 12\nrequirements = ["training", "submission"]',
        f'{PROPORTION}\nrequirements = ["training"]',
    ],
)
def test_an_absence_can_excuse_some_of_a_renewal(excuses: str) -> None:
    assert list_absence_problems(NOTHING, excuses, more=SUBMITTED) == []


def test_an_absence_excuses_all_only_in_short_cycles() -> None:
    """Until another rule begins, or from its first day on."""
    source = 'source = { document = "older", section = "Leave" }'
    second = f'[[absences]]\nkind = "leave"\nfrom = 2025-01-01\n{NOTHING}'
    assert list_absence_problems(NOTHING, f"{ALL}\n{source}\n\n{second}") == []
    late = second.replace("2025-01-01", "2028-01-01")
    assert list_absence_problems(NOTHING, f"{ALL}\n{source}\n\n{late}") == [DAY_EXCUSES]
    other = second.replace("leave", "inactive")
    assert list_absence_problems(NOTHING, f"{ALL}\n{source}\n\n{other}") == [DAY_EXCUSES]
    from_then = f"from = 2000-01-01\n{NOTHING}", f"from = 2025-01-01\n{ALL}"
    assert list_absence_problems(*from_then) == [DAY_EXCUSES]


def test_an_absence_excuses_two_years_in_proportion() -> None:
    two = ABSENCES.replace("years = 3\nends_on = 2027", "years = 2\nends_on = 2026")
    two_years = DAY_EXCUSES.replace("3 years", "2 years")
    assert list_absence_problems(NOTHING, ALL, text=two) == [two_years]


def test_an_absence_without_cycles_can_excuse_all() -> None:
    only_absences = ABSENCES[ABSENCES.index("[[absences]]") :]
    assert list_absence_problems(NOTHING, ALL, text=only_absences) == []


def test_an_absence_can_begin_with_a_block_of_cycles() -> None:
    """That is the second day of a cycle which the block before would have had."""
    first = ABSENCES.replace("grace_days", 'short_cycle = "no hours"\ngrace_days', 1)
    cycles = first.replace("2025-01-01", "2025-01-02").replace("2027-12-31", "2028-01-01")
    with_cycles = f"from = 2000-01-01\n{NOTHING}", f"from = 2025-01-02\n{NOTHING}"
    assert list_absence_problems(*with_cycles, text=cycles) == []


def test_an_absence_does_not_begin_on_the_second_day_of_a_cycle() -> None:
    second_day = f"from = 2000-01-01\n{NOTHING}", f"from = 2025-01-02\n{NOTHING}"
    assert list_absence_problems(*second_day) == [
        (
            "absences[1].from: 2025-01-02 is the second day of the cycle from 2025-01-01, whose "
            "renewals it therefore would not be about: write 2025-01-01, or 2028-01-01 for the "
            "next cycle"
        )
    ]


def test_nobody_returns_from_a_status_that_does_not_exist() -> None:
    before = "values = [{ from = 2000-01-01, hours = 15"
    returning = f'asked_of = "those who return from inactive status"\n{before}'
    nobody = [
        (
            "requirements[7].asked_of: nobody is asked: there is no inactive status without "
            "absences of that kind"
        )
    ]
    assert list_absence_problems(before, returning) == nobody
    inactive = f'kind = "inactive"\nfrom = 2000-01-01\n{NOTHING}'
    old = f'kind = "leave"\nfrom = 2000-01-01\n{NOTHING}'
    closed = f"{inactive}\nallowed = false"
    text = ABSENCES.replace(before, returning)
    no_absences = text[: text.index("[[absences]]")]
    assert list_absence_problems("", "", text=no_absences) == nobody
    assert list_absence_problems(old, inactive, text=text) == []
    assert list_absence_problems(old, closed, text=text) == nobody
    leave = returning.replace("inactive status", "leave")
    assert list_absence_problems(before, leave) == []


def test_ratings_of_one_id_are_asked_of_others_or_later() -> None:
    question = """
[[ratings]]
id = "insight"
asks = "How much?"
categories = ["IFS", "IMHS"]
scale = ["Little", "Much"]
from = 2020-01-01
until = 2026-12-31
source = { document = "ifs", section = "Ratings" }
"""
    last = "since = 2026-11-22\n"
    again = question.replace("2020-01-01", "2026-12-31").replace("until = 2026-12-31\n", "")
    assert application_problems(last, last + question + again) == [
        (
            "ratings[2].id: 'insight' is also ratings[1], which asks for IFS, IMHS on 2026-12-31: "
            "write another id, or until in one"
        )
    ]
    only_one = again.replace('"IFS", ', "")
    assert application_problems(last, last + question.replace(', "IMHS"', "") + only_one) == []
    other = again.replace('"insight"', '"warmth"')
    assert application_problems(last, last + question + other) == []
    tomorrow = again.replace("2026-12-31", "2027-01-01")
    assert application_problems(last, last + question + tomorrow) == []


def test_a_rating_can_be_asked_on_a_single_day() -> None:
    day = "from = 2020-01-01\nuntil = 2020-01-01"
    last = "since = 2026-11-22\n"
    question = f"""
[[ratings]]
id = "insight"
asks = "How much?"
categories = ["IFS"]
scale = ["Little", "Much"]
{day}
source = {{ document = "ifs", section = "Ratings" }}
"""
    assert application_problems(last, last + question) == []
    before = question.replace("until = 2020-01-01", "until = 2019-12-31")
    assert application_problems(last, last + before) == [
        "ratings[1]: until (2019-12-31) is before from (2020-01-01)"
    ]


def test_a_format_of_sessions_is_listed_once() -> None:
    counts = 'counts = "rsc"\n'
    assert problems((counts, f'{counts}formats = ["group", "peer"]\n')) == []
    assert only((counts, f'{counts}formats = ["group", "group"]\n')) == (
        "requirements[2]: formats lists something more than once"
    )


def test_a_name_of_an_empty_table_is_not_in_the_file() -> None:
    services = '\n[services]\nprevention = "Prevention services"\n'
    found = application_problems(services, "\n")
    assert found == ["requirements[2].work.services: 'prevention' is not in this file; it has none"]


def test_a_fee_is_due_with_something_that_is_required() -> None:
    of_supervisors = FEE.replace('["IFS"]', '["IFRS"]')
    assert only(rulebook=RULEBOOK + of_supervisors) == (
        "fees of IFRS: IFRS has no renewal requirements, so that no fee is ever due"
    )


def test_an_id_is_none_of_the_years_of_another() -> None:
    each_year = 'providers = "rsc"', 'providers = "rsc"\neach_year = true'
    named = 'id = "training"', 'id = "rsc.1"'
    assert problems(named) == []
    assert only(each_year, named) == (
        "renewal requirements of IFS: 'rsc.1' is given more than once"
    )


IFS = '"IFS" = { name = "Infant Family Specialist" }'
IFRS = '"IFRS" = { name = "Infant Family Reflective Supervisor" }'


def test_a_renewed_category_beside_others_ends_with_them() -> None:
    anniversary = FIXED, ANNIVERSARY
    beside = IFS, IFS.replace(" }", ', beside = ["IFRS"] }')
    assert problems(beside) == []
    assert only(anniversary, beside) == (
        "categories.IFS.beside: with anniversary cycles, a renewal of IFS would not end with that "
        "of the endorsement beside it: use fixed cycles, or require nothing of it"
    )
    # Nothing is required of supervisors.
    supervisors = IFRS, IFRS.replace(" }", ', beside = ["IFS"] }')
    assert problems(anniversary, supervisors) == []


def test_categories_do_not_last_as_long_as_each_other() -> None:
    mentor = '"MENTOR" = { name = "Mentor", beside = ["IFRS"] }'
    chain = IFRS, IFRS.replace(" }", f', beside = ["IFS"] }}\n{mentor}')
    assert problems(chain) == []
    circle = IFS, IFS.replace(" }", ', beside = ["MENTOR"] }')
    assert problems(chain, circle) == [
        f"ex.toml: categories.{name}.beside: it lasts as long as others that last as long as it "
        "does: break the circle"
        for name in ("IFS", "IFRS", "MENTOR")
    ]


def test_a_circle_of_categories_can_begin_beside_two() -> None:
    mentor = '"MENTOR" = { name = "Mentor" }'
    beside_two = IFS, IFS.replace(" }", f', beside = ["IFRS", "MENTOR"] }}\n{mentor}')
    assert problems(beside_two) == []
    circle = IFRS, IFRS.replace(" }", ', beside = ["IFS"] }')
    assert [each.split(": ")[1] for each in problems(beside_two, circle)] == [
        "categories.IFS.beside",
        "categories.IFRS.beside",
    ]


def test_a_category_does_not_become_itself() -> None:
    itself = IFS, IFS.replace(" }", ', term_years = 2, becomes = ["IFS"] }')
    assert only(itself) == "categories.IFS.becomes: IFS is the category itself"
    other = IFS, IFS.replace(" }", ', term_years = 2, becomes = ["IFRS"] }')
    assert problems(other) == []
