"""What a made-up person's file can't say, in words."""

from datetime import date

import pytest

from tests.rules.tables import Table, list_reasons
from tracker.rules.made_up_person import (
    MadeUpMembership,
    MadeUpPerson,
    MadeUpSession,
)
from tracker.rules.strict_model import StrictModel

DAY, EVE = date(2026, 6, 1), date(2026, 5, 31)
ON: Table = {"on": DAY}
PERSON: Table = {"category": "IFS", "endorsed": DAY}
ONE = "write either training or rsc, with the hours"
PROVIDER = "provider and format go with rsc: remove them from training"


@pytest.mark.parametrize(
    ("form", "table", "reasons"),
    [
        (
            MadeUpMembership,
            {"from": DAY, "until": EVE},
            ["until (2026-05-31) is before from (2026-06-01)"],
        ),
        (MadeUpMembership, {"from": DAY, "until": DAY}, []),
        (MadeUpMembership, {"from": DAY}, []),
        (MadeUpSession, ON, [ONE]),
        (MadeUpSession, {**ON, "training": 1, "rsc": 1}, [ONE]),
        (MadeUpSession, {**ON, "training": 1, "provider": "Bob"}, [PROVIDER]),
        (MadeUpSession, {**ON, "training": 1, "format": "group"}, [PROVIDER]),
        (MadeUpSession, {**ON, "rsc": 1, "provider": "Bob", "format": "group"}, []),
        (
            MadeUpSession,
            {**ON, "training": 2, "topics": {"DEIA": 1.5, "ETHICS": 1}},
            ["its topics have more than the 2 hours of the session"],
        ),
        (MadeUpSession, {**ON, "rsc": 2.5, "topics": {"DEIA": 1.5, "ETHICS": 1}}, []),
        (
            MadeUpPerson,
            {**PERSON, "applied": date(2026, 6, 2)},
            ["applied (2026-06-02) is after endorsed (2026-06-01)"],
        ),
        (MadeUpPerson, {**PERSON, "applied": DAY}, []),
        (MadeUpPerson, PERSON, []),
    ],
)
def test_terms_of_a_person_fit_together(
    form: type[StrictModel], table: Table, reasons: list[str]
) -> None:
    assert list_reasons(form, table) == reasons


def test_a_session_lasts_as_long_as_its_hours() -> None:
    sessions = [{**ON, "training": 2}, {**ON, "rsc": 1.5}]
    assert [MadeUpSession.model_validate(each).hours for each in sessions] == [2, 1.5]
