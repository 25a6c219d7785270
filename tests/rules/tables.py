"""Tables of rulebooks as Python has them, and why one is refused."""

from datetime import date
from typing import Any

from pydantic import ValidationError

from tracker.rules.strict_model import StrictModel

Table = dict[str, Any]
FIRST, LATER = date(2020, 1, 1), date(2026, 1, 1)
SOURCE = {"document": "ifs", "section": "Renewal"}
NO_HOURS: Table = {"hours": None}
WORK: Table = {"counts": "work", "work": {"services": ["prevention"]}}
RSC: Table = {"counts": "rsc", "providers": "rsc"}
MEMBERSHIP: Table = {"counts": "membership", "membership": "own"}
SIGNED: Table = {"counts": "signed", "signed": ["ethics"]}


def value(starts_from: date = FIRST, **terms: Any) -> Table:  # noqa: ANN401 - what TOML has
    """What is required from a day on: 15 hours, with other terms; None leaves a key out."""
    terms = {"hours": 15, **terms}
    given = {key: term for key, term in terms.items() if term is not None}
    return {"from": starts_from, "source": SOURCE, **given}


def require(*values: Table, **terms: Any) -> Table:  # noqa: ANN401
    """A requirement of 15 hours of training, with other terms."""
    return {
        "id": "training",
        "label": "Training",
        "about": "Each year",
        "categories": ["IFS", "IMHS"],
        "counts": "training",
        "values": values or (value(),),
        **terms,
    }


def list_reasons(form: type[StrictModel], table: Table) -> list[str]:
    """Why a table is refused."""
    try:
        form.model_validate(table)
    except ValidationError as error:
        return [each["msg"].removeprefix("Value error, ") for each in error.errors()]
    return []
