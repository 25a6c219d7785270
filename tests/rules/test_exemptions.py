"""Which requirements of a renewal are exempt, and why."""

from datetime import date

from tests.rules.case_data import REAL
from tracker.rules.reasons import format_reason
from tracker.rules.renewal import judge_renewal
from tracker.rules.standing import Absence, Facts, Status, list_exemptions

ENDORSED = date(2024, 3, 1)
ON_LEAVE = (Absence(date(2026, 11, 1), date(2027, 1, 31)),)


def asked(day: date, **facts: object) -> tuple[dict[str, str], list[str]]:
    """What is not asked in the cycle that holds ``day``, and what the renewal lists."""
    plan = REAL.plan("NCIMHA", "IFS", ENDORSED, day)
    assert plan is not None
    values = {"subject_id": 1, "person_id": 1, "email": "", "name": "", "starts_on": ENDORSED,
              "ends_on": None, "provides_rsc": False, "minutes": {}, **facts}  # fmt: skip
    standing = judge_renewal(plan, Facts(**values), day)  # type: ignore[arg-type]
    assert standing is not None
    assert (standing.status is Status.EXCUSED) == ("leaves" in facts)
    exempt = {i: format_reason(why) for i, why in list_exemptions(plan, standing).items()}
    return exempt, [requirement.id for requirement in plan.requirements]


def test_ordinary_renewal_has_no_exemptions() -> None:
    assert asked(date(2026, 6, 1))[0] == {}


def test_only_waived_requirements_are_exempt() -> None:
    _, listed = asked(date(2026, 6, 1))
    found, _ = asked(date(2026, 6, 1), waived=(listed[0],))
    assert found == {listed[0]: "waived by the association"}


def test_leave_excuses_unmet_requirements() -> None:
    found, listed = asked(date(2026, 6, 1), leaves=ON_LEAVE, minutes={"training": 15 * 60})
    done = [one for one in listed if one not in found]
    assert set(found.values()) == {"excused while on leave"}
    assert len(done) == 1
    assert "training" in done[0]


def test_waiver_overrides_the_first_cycle_exemption() -> None:
    found, listed = asked(date(2024, 6, 1))
    why = "no hours are required in the cycle of endorsement"
    assert set(found.values()) == {why}
    waived, _ = asked(date(2024, 6, 1), waived=(listed[0],))
    assert (waived[listed[0]], waived[listed[1]]) == ("waived by the association", why)
