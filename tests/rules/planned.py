"""One requirement of an application, as a rulebook with nothing else in it has it."""

from datetime import date
from typing import Any

from tracker.rules.model import Rulebook
from tracker.rules.plan import PlannedRequirement, plan_application

FIRST = date(2000, 1, 1)
_NAMES = "prevention", "rsc", "leadership", "supervisor", "rsc-provider", "colleague", "student"


def plan_one(counts: str, terms: dict[str, Any], **amount: Any) -> PlannedRequirement:  # noqa: ANN401
    """The requirement whose ``counts`` has ``terms``, and asks ``amount`` (``years=2``)."""
    unit = amount.pop("unit", None)
    requirement = {
        "id": counts,
        "of": "application",
        "label": counts,
        "about": counts,
        "categories": ["IFS"],
        "counts": counts,
        counts: terms,
        "unit": unit,
        "values": [{"from": FIRST, "source": {"document": "d", "section": "s"}, **amount}],
    }
    rulebook = Rulebook.model_validate(
        {
            "id": "A",
            "name": "A",
            "time_zone": "America/New_York",
            "categories": {name: {"name": name} for name in ("IFS", "IMHS", "IFRS")},
            "documents": {"d": {"file": "imagined", "title": "D"}},
            "services": dict.fromkeys(_NAMES, "said"),
            "roles": dict.fromkeys(_NAMES, "said"),
            "requirements": [requirement],
        }
    )
    (planned,) = plan_application(rulebook, "IFS", FIRST).requirements
    return planned
