"""The cast's rulebooks with other rules about leave and inactive status."""

from datetime import date
from typing import Any

from tests.support.cast import BOOKS
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.model import Rulebook

_FROM = {"from": date(2000, 1, 1), "interpretation": "leave-on-due-date"}


def with_absences(*absences: dict[str, Any]) -> Rulebooks:
    """The cast's rulebooks, with these absences at NCIMHA from 2000 on."""
    data = BOOKS.associations["NCIMHA"].model_dump(by_alias=True, exclude_unset=True)
    rules = [{**_FROM, **absence} for absence in absences]
    return with_rulebook(BOOKS, Rulebook.model_validate({**data, "absences": rules}))
