"""Imagined rulebooks with changes, and with nothing but one requirement of an application."""

from datetime import date
from pathlib import Path
from typing import Any

from tracker.rules.model import Rulebook
from tracker.rules.parse import parse_rulebook
from tracker.rules.plan import PlannedRequirement, plan_application

FOLDER = Path(__file__).parents[1] / "rulebooks/rulebooks"
FIRST = date(2000, 1, 1)
_NAMES = "prevention", "rsc", "leadership", "supervisor", "rsc-provider", "colleague", "student"


def change_rulebook(name: str, *changes: tuple[str, str]) -> Rulebook:
    """An imagined rulebook, in which the first of each old text has become a new one."""
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    rulebook, errors = parse_rulebook(text, f"{name}.toml")
    assert rulebook is not None, errors
    return rulebook


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
