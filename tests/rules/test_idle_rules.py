"""What a rulebook has without effect, whole: unused names, odd days, and hours within hours."""

from datetime import date, timedelta

import pytest

from tests.rules.test_cycle_dates import FIXED
from tests.rules.test_cycle_dates import problems as cycle_problems
from tests.rules.test_parse import CYCLES, RULEBOOK, TRAINING, problems
from tests.rules.test_silent_errors import TOPIC, YEARLY

DOCUMENT = 'ifs = { file = "000", title = "IFS" }\n'
SOURCE = '{ document = "ifs", section = "Certificates" }'
CERTIFICATE = f"""
[[certificates]]
from = 2020-01-01
issuer = "Example, Inc."
signatory = "Kai"
title = "Coordinator"
wording = "is endorsed as"
source = {SOURCE}
"""
FORMS = '\n[attestations]\nethics = "Code of Ethics"\nother = "Another"\n'
SIGNED = """
[[requirements]]
of = "application"
id = "ethics"
label = "Ethics"
about = "Signed"
categories = ["IFS"]
counts = "signed"
signed = ["ethics"]
values = [{ from = 2000-01-01, source = { document = "ifs", section = "Ethics" } }]
"""
APPLICATION = """
[[requirements]]
of = "application"
id = "ID"
label = "RSC"
about = "Hours"
categories = ["IFS"]
counts = "rsc"
providers = "rsc"
TERMS
values = [{ from = 2000-01-01, hours = HOURS, source = { document = "ifs", section = "RSC" } }]
"""
IDLE = "nothing in this file uses it:"
CENTURY = timedelta(days=36_600)


def find(text: str, *replacements: tuple[str, str]) -> list[str]:
    """Each problem without the file's name."""
    return [each.removeprefix("ex.toml: ") for each in problems(*replacements, rulebook=text)]


def of_application(name: str, hours: float, terms: str = "") -> str:
    text = APPLICATION.replace("ID", name).replace("HOURS", str(hours))
    return text.replace("TERMS\n", f"{terms}\n" if terms else "")


@pytest.mark.parametrize(
    ("text", "key", "advice"),
    [
        (
            RULEBOOK.replace(DOCUMENT, f'{DOCUMENT}other = {{ file = "1", title = "Other" }}\n'),
            "documents.other",
            "cite it as the document of a source",
        ),
        (
            RULEBOOK
            + '\n[providers.other]\nsays = "X"\n'
            + f"accepts = [{{ vetted = true, source = {SOURCE} }}]\n",
            "providers.other",
            'name it as the providers of a requirement that counts "rsc"',
        ),
        (
            RULEBOOK
            + '\n[memberships.other]\nsays = "X"\nany_infant_mental_health_association = true\n',
            "memberships.other",
            'name it as the membership of a requirement that counts "membership"',
        ),
        (
            RULEBOOK + SIGNED + FORMS,
            "attestations.other",
            'name it in signed, in a requirement that counts "signed", or in attested_by',
        ),
        (
            RULEBOOK + '\n[topic_names]\nother = "Others"\n',
            "topic_names.other",
            "name it as the topic of a requirement",
        ),
    ],
)
def test_a_name_that_nothing_uses_is_refused(text: str, key: str, advice: str) -> None:
    assert find(text) == [f"{key}: {IDLE} {advice}, or remove it"]


def test_a_misspelled_name_hides_only_its_own_table() -> None:
    misspelled = 'document = "ifs", section = "Training"', 'document = "isf", section = "Training"'
    assert find(RULEBOOK + SIGNED + FORMS, misspelled) == [
        "requirements[1].values[1].source.document: 'isf' is not in this file: did you mean ifs?",
        (
            f"attestations.other: {IDLE} name it in signed, in a requirement that counts "
            '"signed", or in attested_by, or remove it'
        ),
    ]
    unused = DOCUMENT, f'{DOCUMENT}other = {{ file = "1", title = "Other" }}\n'
    assert len(find(RULEBOOK + SIGNED + FORMS, misspelled, unused)) == 2


def test_topics_of_training_need_no_words() -> None:
    topic = TOPIC.replace("hours = 16", "hours = 5")
    assert find(RULEBOOK + topic) == []
    assert find(f'{RULEBOOK}{topic}\n[topic_names]\nDEIA = "Diversity"\n') == []
    besides = TRAINING.replace("id =", 'of = "application"\nbesides = ["DEIA"]\nid =')
    assert find(f'{RULEBOOK}{besides}\n[topic_names]\nDEIA = "Diversity"\n') == []


@pytest.mark.parametrize(
    ("day", "is_far"),
    [
        (date(2000, 1, 1) + CENTURY, False),
        (date(2000, 1, 1) + CENTURY + timedelta(days=1), True),
        (date(2000, 1, 1) - CENTURY, False),
        (date(2000, 1, 1) - CENTURY - timedelta(days=1), True),
    ],
)
def test_a_day_more_than_a_century_away_is_refused(day: date, *, is_far: bool) -> None:
    found = find(RULEBOOK, ("until = 2027-12-21", f"from = {day}"))
    far = (
        f"providers.rsc.accepts[1].from: {day} is more than a century from 2000-01-01: write the "
        "year that is meant"
    )
    assert found == ([far] if is_far else [])


@pytest.mark.parametrize("key", ["continues_from = 2026-01-01", "continues_within_days = 31"])
def test_terms_of_continuing_go_with_continues(key: str) -> None:
    first = CYCLES.replace("grace_days", f'continues = ["other category"]\n{key}\ngrace_days')
    second = CYCLES.replace("2000-01-01", "2020-01-01").replace("grace_days", f"{key}\ngrace_days")
    name = key.partition(" ")[0]
    assert find(RULEBOOK, (CYCLES, first + second)) == [
        (
            f"cycles[2].{name}: goes with continues, which is missing here: write continues, or "
            "remove it"
        )
    ]


def test_a_certificate_is_for_categories_that_renew() -> None:
    of_supervisors = CERTIFICATE.replace("from", 'categories = ["IFRS"]\nfrom')
    later = of_supervisors.replace("2020-01-01", "2021-01-01")
    assert find(RULEBOOK + CERTIFICATE) == []
    assert find(RULEBOOK + later.replace('"IFRS"', '"IFRS", "IFS"')) == []
    assert find(RULEBOOK + of_supervisors.replace("from", "first = true\nfrom")) == []
    assert find(RULEBOOK + CERTIFICATE + later) == [
        (
            "certificates[2]: no renewal of IFRS can be accepted, so nobody gets a certificate: "
            "name a category with renewal requirements, or write first = true"
        )
    ]
    unknown = of_supervisors.replace('"IFRS"', '"ECFS"')
    assert find(RULEBOOK + unknown) == [
        "certificates[1].categories: 'ECFS' is not in this file; it has IFRS, IFS"
    ]


def test_certificates_are_numbered_as_in_the_file() -> None:
    of_supervisors = CERTIFICATE.replace("from", 'categories = ["IFRS"]\nfrom')
    wrong = CERTIFICATE.replace("2020-01-01", "2019-01-01").replace("wording", "words")
    found = find(RULEBOOK + wrong + of_supervisors)
    assert [each.partition(":")[0] for each in found] == [
        "certificates[1].wording",
        "certificates[1].words",
        "certificates[2]",
    ]


def test_a_topic_is_no_larger_than_its_whole() -> None:
    too_large = [
        (
            "requirements[4].values[2].hours: from 2026-01-01 on it would be 16 of the 15 hours of "
            "'training', which it is a part of: write at most 15, or more hours there"
        )
    ]
    assert find(RULEBOOK + TOPIC) == too_large
    assert find(RULEBOOK + TOPIC, ("hours = 16", "hours = 15")) == []
    # Both categories share both requirements.
    both = ('categories = ["IFS"]\ncounts = "training"', '["IFS"]', '["IFS", "IFRS"]')
    shared = (RULEBOOK + TOPIC).replace(both[0], both[0].replace(both[1], both[2]))
    assert find(shared) == too_large
    each_year = 'counts = "training"\ntopic', 'counts = "training"\neach_year = true\ntopic'
    assert find(RULEBOOK + TOPIC, each_year) == [
        (
            "requirements[4].values[2].hours: from 2026-01-01 on 16 hours in each year of a cycle "
            "of 1 year would be 16 of the 15 hours of 'training', which they are a part of: write "
            "at most 15, or more hours there"
        )
    ]
    yearly_whole = 'counts = "training"\n\n', 'counts = "training"\neach_year = true\n\n'
    assert find(RULEBOOK + TOPIC, yearly_whole) == []


def test_hours_beside_others_are_no_part_of_them() -> None:
    training = TRAINING.replace("id =", 'of = "application"\nid =')
    beside = training.replace("id =", 'besides = ["DEIA"]\nid =')
    topic = TOPIC.replace("id =", 'of = "application"\nid =', 1)
    others = RULEBOOK.replace(TRAINING, "")
    assert len(find(others + training + topic)) == 1
    assert find(others + beside + topic) == []


def test_a_part_of_rsc_is_no_larger_than_its_whole() -> None:
    names = '\n[topic_names]\nGIVEN = "RSC given"\n'
    inside = 'topic = "GIVEN"\ninside = "rsc"'
    text = RULEBOOK + of_application("rsc", 50)
    assert find(text + of_application("rsc.giving", 50, inside) + names) == []
    assert find(text + of_application("rsc.giving", 50.5, inside) + names) == [
        (
            "requirements[5].values[1].hours: from 2000-01-01 on it would be 50.5 of the 50 hours "
            "of 'rsc', which it is a part of: write at most 50, or more hours there"
        )
    ]
    apart = inside.partition("\n")[0]
    assert find(text + of_application("rsc.giving", 51, apart) + names) == []


def test_hours_by_years_held_are_compared_for_each() -> None:
    fewer = TRAINING[TRAINING.index("  [[") :].replace("= 15", "= 10\n  held_years = 9")
    text = RULEBOOK.replace(TRAINING, TRAINING + fewer) + TOPIC.replace("= 16", "= 15")
    assert find(text) == [
        (
            "requirements[4].values[1].hours: from 2000-01-01 on it would be 15 of the 10 hours of "
            "'training', which it is a part of: write at most 10, or more hours there"
        )
    ]


THREE = RULEBOOK.replace("years = 1\nends_on = 2000-12-31", "years = 3\nends_on = 2002-12-31")


@pytest.mark.parametrize(("hours", "total"), [("5", "15"), ("4.5", "13.5")])
def test_hours_of_all_years_fit_into_the_cycle(hours: str, total: str) -> None:
    assert find(THREE + YEARLY.replace("HOURS", hours)) == [
        (
            f"requirements[4].values[1].hours: from 2000-01-01 on {hours} hours in each year of a "
            f"cycle of 3 years would be {total} of the 12 hours of 'rsc', which they are a part "
            "of: write at most 4, or more hours there"
        )
    ]
    assert find(THREE + YEARLY.replace("HOURS", "4")) == []


def test_the_most_hours_of_a_year_can_be_written() -> None:
    """A third of ten hours is no number of two decimals that is whole minutes."""
    ten = THREE.replace("hours = 12", "hours = 10")
    (found,) = find(ten + YEARLY.replace("HOURS", "5"))
    assert found.endswith("which they are a part of: write at most 3.3, or more hours there")
    assert find(ten + YEARLY.replace("HOURS", "3.3")) == []


@pytest.mark.parametrize(
    "change",
    [
        ("each_year = true", 'each_year = true\nformats = ["group"]'),
        ("each_year = true\n", ""),
    ],
)
def test_hours_of_some_sessions_are_no_part_of_others(change: tuple[str, str]) -> None:
    """Of a year or of a format: neither is more than the cycle's hours of all formats."""
    yearly = YEARLY.replace("HOURS", "5").replace(*change)
    of_peers = ('providers = "rsc"\n', 'providers = "rsc"\nformats = ["peer"]\n')
    assert find(THREE + yearly, of_peers) == []


def test_hours_of_a_format_are_part_of_all_formats() -> None:
    groups = YEARLY.replace("HOURS", "5").replace("each_year", 'formats = ["group"]\neach_year')
    assert len(find(THREE + groups)) == 1
    same = ('providers = "rsc"\n', 'providers = "rsc"\nformats = ["group", "peer"]\n')
    assert len(find(THREE + groups, same)) == 1
    only_groups = ('providers = "rsc"\n', 'providers = "rsc"\nformats = ["group"]\n')
    assert len(find(THREE + groups, only_groups)) == 1
    assert find(THREE + YEARLY.replace("HOURS", "5"), same) == []


def test_yearly_training_about_a_topic_is_part_of_the_training() -> None:
    yearly = TOPIC.replace("hours = 16", "hours = 15").replace("topic", "each_year = true\ntopic")
    (found,) = find(THREE + yearly)
    assert found == (
        "requirements[4].values[1].hours: from 2000-01-01 on 15 hours in each year of a cycle of 3 "
        "years would be 45 of the 15 hours of 'training', which they are a part of: write at most "
        "5, or more hours there"
    )
    about_other = ('counts = "training"\n\n', 'counts = "training"\ntopic = "OTHER"\n\n')
    assert find(THREE + yearly, about_other) == []


def test_years_are_those_of_the_cycles_of_the_day() -> None:
    """Four hours a year are not too many in the first cycles, but in those of four years."""
    later = CYCLES.replace("years = 1", "years = 4").replace("2000-01-01", "2003-01-01")
    later = later.replace("2000-12-31", "2006-12-31")
    text = THREE.replace("[providers.rsc]", f"{later}[providers.rsc]", 1)
    yearly = YEARLY.replace("HOURS", "4")
    assert find(text + yearly) == []
    more = yearly[yearly.index("  [[") :].replace("2000-01-01", "2003-01-01")
    (found,) = find(text + yearly + more)
    assert found.startswith(
        "requirements[4].values[2].hours: from 2003-01-01 on 4 hours in each year of "
    )


def test_topics_without_words_hide_no_words_without_a_topic() -> None:
    topic = TOPIC.replace("hours = 16", "hours = 5")
    words = '\n[topic_names]\nOTHER = "Others"\n'
    unused = f"topic_names.OTHER: {IDLE} name it as the topic of a requirement, or remove it"
    assert find(RULEBOOK + topic + words) == [unused]
    assert cycle_problems(FIXED + "grace_days = 31", words) == [unused]


def test_a_misspelled_topic_of_rsc_is_reported_once() -> None:
    giving = of_application("rsc.giving", 5, 'topic = "GIVN"\ninside = "rsc"')
    names = '\n[topic_names]\nGIVEN = "RSC given"\n'
    assert find(RULEBOOK + of_application("rsc", 50) + giving + names) == [
        "requirements[5].topic: 'GIVN' is not in this file: did you mean GIVEN?"
    ]


def test_days_are_compared_with_the_middle_of_all() -> None:
    old = RULEBOOK.replace("  from = 2000-01-01", "  from = 1890-01-01")
    far = "1890-01-01 is more than a century from 2000-01-01: write the year that is meant"
    assert find(old) == [f"requirements[{n}].values[1].from: {far}" for n in (1, 2, 3)]


def test_values_for_one_category_are_compared() -> None:
    for_one = "hours = 16", 'hours = 16\n  categories = ["IFS"]'
    (found,) = find(RULEBOOK + TOPIC.replace(*for_one))
    assert found.startswith("requirements[4].values[2].hours: from 2026-01-01 on it would be 16 of")
    yearly = YEARLY.replace("hours = HOURS", 'hours = 5\n  categories = ["IFS"]')
    (found,) = find(THREE + yearly)
    assert found.startswith("requirements[4].values[1].hours: from 2000-01-01 on 5 hours in each")


def test_years_of_cycles_with_an_error_are_not_compared() -> None:
    later = CYCLES.replace("2000-01-01", "2003-01-01").replace("grace_days", "grase_days")
    text = THREE.replace("[providers.rsc]", f"{later}[providers.rsc]", 1)
    (found,) = find(text + YEARLY.replace("HOURS", "5"))
    assert found.startswith("cycles[2].grase_days: ")


def test_hours_are_compared_for_new_endorsees() -> None:
    """More is required of those who have held the endorsement for a year."""
    value = TRAINING[TRAINING.index("  [[") :]
    more = value.replace("hours = 15", "hours = 20\n  held_years = 1")
    (found,) = find(RULEBOOK + TOPIC, (TRAINING, TRAINING + more))
    assert found.startswith("requirements[4].values[2].hours: from 2026-01-01 on it would be 16 of")
    of_rsc = value.replace("15", "12").replace("Training", "RSC")
    more = of_rsc.replace("hours = 12", "hours = 20\n  held_years = 1")
    (found,) = find(THREE + YEARLY.replace("HOURS", "5"), (of_rsc, of_rsc + more))
    assert found.startswith("requirements[4].values[1].hours: from 2000-01-01 on 5 hours in each")


def test_hours_are_no_part_of_months() -> None:
    in_months = RULEBOOK.replace("hours = 15", "months = 3")
    assert find(in_months + TOPIC) == []
    in_months = THREE.replace("hours = 12", "months = 3")
    assert find(in_months + YEARLY.replace("HOURS", "5")) == []


def test_hours_with_other_providers_are_no_part() -> None:
    """That they name other providers is the only error."""
    others = RULEBOOK[RULEBOOK.index("[providers.rsc]") : RULEBOOK.index("[memberships.any]")]
    yearly = YEARLY.replace("HOURS", "5").replace('providers = "rsc"', 'providers = "others"')
    assert find(THREE + others.replace("providers.rsc", "providers.others") + yearly) == [
        "renewal requirements of IFS: they name more than one provider rule"
    ]


def test_hours_within_hours_are_numbered_as_in_the_file() -> None:
    found = find(RULEBOOK + TOPIC, ('id = "rsc"\nlabel', 'id = "rsc"\nlable'))
    assert [each.partition(":")[0] for each in found] == [
        "requirements[2].label",
        "requirements[2].lable",
        "requirements[4].values[2].hours",
    ]
