"""How a file is read, and where each of its errors is: the requirement, and the line."""

import tomllib

import pytest

from tests.rules.planned import FOLDER
from tests.rules.test_contradictions import FEE, PAID, SIGNED, STATEMENTS
from tests.rules.test_parse import CYCLES, INTERPRETATION, RULEBOOK, TRAINING, lines, problems
from tests.rules.test_silent_errors import TOPIC
from tracker.rules.made_up_person import MadeUpPerson
from tracker.rules.parse import check_rulebook, parse, parse_organizations, parse_rulebook

ORGANIZATION = '[[organizations]]\nid = "X"\nname = "One"\n'
PAYMENT = SIGNED.replace('signed = ["ethics"]', 'fee = "renewal"').replace('"signed"', '"paid"')
PAYMENT_KEY = "ex.toml: renewal requirements of IFS: ethics.fee"
NO_FEE = f"{PAYMENT_KEY}: 'renewal' is no fee of this category; it has"


def list_lines(text: str) -> list[str]:
    return [str(problem) for problem in parse_rulebook(text, "ex.toml")[1]]


def test_organizations_are_read() -> None:
    found, wrong = parse_organizations(ORGANIZATION, "organizations.toml")
    assert found is not None
    assert [(each.id, each.name) for each in found.organizations] == [("X", "One")]
    assert wrong == []


def test_organizations_that_are_no_toml_are_refused() -> None:
    found, (wrong,) = parse_organizations("[[organizations", "organizations.toml")
    assert found is None
    assert str(wrong).startswith("organizations.toml: the whole file: is not TOML: ")


def test_an_unknown_key_of_an_organization_is_found() -> None:
    text = ORGANIZATION.replace("name", "nmae")
    _, (_, wrong) = parse_organizations(text, "organizations.toml")
    assert str(wrong) == (
        "organizations.toml: organizations[1].nmae: is not a key here: did you mean name? "
        "(found 'One') (line 3)"
    )


def test_dates_that_contradict_name_the_whole_file() -> None:
    text = 'category = "IFS"\nendorsed = 2026-05-31\napplied = 2026-06-01'
    _, (wrong,) = parse(MadeUpPerson, text, "person.toml")
    assert str(wrong) == (
        "person.toml: the whole file: applied (2026-06-01) is after endorsed (2026-05-31)"
    )


def test_other_errors_come_with_that_of_a_provider() -> None:
    found = problems(('says = "IFRS"', 'say = "IFRS"'), ('membership = "any"', 'membership = "an"'))
    assert [each.split(": ")[1] for each in found] == [
        "providers.rsc.says",
        "providers.rsc.say",
        "requirements[3].membership",
    ]


def test_another_reading_may_leave_names_unused() -> None:
    text = f"{RULEBOOK}{STATEMENTS}"
    found, wrong = check_rulebook(tomllib.loads(text), "ex.toml")
    assert (found is not None, wrong) == (True, [])
    found, wrong = check_rulebook(tomllib.loads(text), "ex.toml", text)
    assert (found, len(wrong)) == (None, 1)


@pytest.mark.parametrize(("levels", "is_too_deep"), [(19, False), (20, True)])
def test_values_are_nested_up_to_twenty_levels(levels: int, *, is_too_deep: bool) -> None:
    found = list_lines(f"x = {'[' * levels}{']' * levels}\n{RULEBOOK}")
    reason = "x: is not a key here"
    if is_too_deep:
        reason = "the whole file: is nested too deeply: write lists within lists at most three deep"
    assert [each.startswith(f"ex.toml: {reason}") for each in found] == [True]


def test_a_list_is_not_too_short_by_its_errors() -> None:
    found = problems(("hours = 15", "huors = 15"), ("hours = 12", "huors = 12"))
    assert [each.split(": ")[1] for each in found] == [
        "requirements[1].values[1].huors",
        "requirements[2].values[1].huors",
    ]


def test_an_unknown_key_of_an_optional_table_is_found() -> None:
    registry = 'registry = { from = 2026-11-01, says = "Ours", contakt = "a@example.org" }\n'
    assert problems(('time_zone = "', f'{registry}time_zone = "')) == [
        (
            "ex.toml: registry.contakt: is not a key here: did you mean contact? (found "
            "'a@example.org')"
        )
    ]


def test_an_interpretation_must_be_in_the_file() -> None:
    assert problems((INTERPRETATION, "")) == [
        "ex.toml: cycles[1].interpretation: 'calendar-year' is not in this file; it has none"
    ]


def test_cycles_are_numbered_as_in_the_file() -> None:
    later = CYCLES.replace("2000-01-01", "2026-01-01").replace("2000-12-31", "2026-06-30")
    found = problems((CYCLES, CYCLES.replace("grace_days", "grase_days") + later))
    assert [each.split(": ")[1] for each in found] == ["cycles[1].grase_days", "cycles[2].ends_on"]


def test_a_payment_is_of_a_fee_that_is_asked() -> None:
    assert problems(rulebook=RULEBOOK + PAYMENT) == [f"{NO_FEE} none"]
    assert problems(rulebook=PAID + PAYMENT) == []
    other = PAID.replace('"renewal"', '"dues"')
    assert problems(rulebook=other + PAYMENT) == [f"{NO_FEE} dues"]
    late = "from = 2000-01-01\n  amount", "from = 2010-01-01\n  amount"
    not_asked = f"{PAYMENT_KEY}: the fee 'renewal' is not asked on 2000-01-01, when its payment is"
    assert problems(late, rulebook=PAID + PAYMENT) == [f"{not_asked} required"]


def test_only_payments_of_a_fee_follow_from_its_error() -> None:
    wrong = FEE.replace("amount", "amuont")
    (found,) = problems(rulebook=RULEBOOK + wrong + PAYMENT)
    assert found.startswith("ex.toml: fees[1].values[1].amuont: ")
    other = wrong.replace('"renewal"', '"dues"')
    assert problems(rulebook=RULEBOOK + other + PAYMENT)[1:] == [f"{NO_FEE} none"]


def test_a_fee_of_a_category_is_given_once() -> None:
    assert problems(rulebook=PAID + FEE) == [
        "ex.toml: fees of IFS: 'renewal' is given more than once"
    ]


def test_a_requirement_without_an_id_is_named_by_its_line() -> None:
    found = lines(('id = "training"\n', ""))
    assert found == ["ex.toml: requirements[1].id: is missing: add it (line 33)"]


def test_what_is_no_requirement_is_named_by_its_line() -> None:
    data = tomllib.loads(RULEBOOK) | {"requirements": ["training"]}
    (_, (wrong,)) = check_rulebook(data, "ex.toml", RULEBOOK)
    assert str(wrong) == (
        "ex.toml: requirements[1]: write a table: its keys with their values, in braces (found "
        "'training') (line 33)"
    )


def test_a_requirement_with_a_period_in_its_id_is_found() -> None:
    topic = TOPIC.partition("  [[requirements.values]]\n  from = 2026")[0]
    attested = topic.replace('topic = "DEIA"', 'topic = "DEIA"\nattested_by = "ethics"')
    (found,) = list_lines(RULEBOOK + STATEMENTS + attested)
    start = (RULEBOOK + STATEMENTS + attested).split("\n").index('id = "training.deia"')
    assert found == (
        "ex.toml: renewal requirements of IFS: training.deia: statements are signed when the "
        'renewal is submitted: add a requirement with counts = "submitted" '
        f"(requirement 'training.deia' in line {start})"
    )


def test_a_wrong_key_of_a_requirement_names_its_line() -> None:
    """The name before the last period is an id, which may have periods too."""
    (found,) = list_lines(RULEBOOK + PAYMENT)
    start = RULEBOOK.count("\n") + 2
    assert found == f"{NO_FEE} none (requirement 'ethics' in line {start})"
    (found,) = list_lines(RULEBOOK + PAYMENT.replace('id = "ethics"', 'id = "fee.renewal"'))
    assert found.endswith(f"(requirement 'fee.renewal' in line {start})")


def test_a_requirement_is_found_among_those_of_its_purpose() -> None:
    """The application has one of the same id, which is not meant."""
    for_application = TRAINING.replace("id =", 'of = "application"\nid =')
    (found,) = list_lines(RULEBOOK + for_application + for_application)
    start = RULEBOOK.count("\n") + 1
    assert found.endswith(
        f"(requirement 'training' in line {start}, "
        f"requirement 'training' in line {start + for_application.count(chr(10))})"
    )


def test_requirements_of_a_reinstatement_are_found() -> None:
    text = (FOLDER / "removing.toml").read_text("utf-8")
    start = text.index('[[requirements]]\nof = "reinstatement"')
    block = text[start : text.index("[[requirements]]", start + 1)]
    found = list_lines(text.replace(block, block + block))
    first = text[:start].count("\n") + 1
    second = first + block.count("\n")
    assert found[0] == (
        "ex.toml: reinstatement requirements of IFS: 'back.training' is given more than once "
        f"(requirement 'back.training' in line {first}, "
        f"requirement 'back.training' in line {second})"
    )
