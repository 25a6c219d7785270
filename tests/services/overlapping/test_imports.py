"""Imports are applied, or swept away, at the moment at which somebody else takes them up."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session

from tests.support.cast import BOOKS, CAROL, NOW, Cast
from tests.support.overlap import overlap
from tracker.db.engine import writing
from tracker.db.imports import ImportPlanRecord, ImportPlanRow
from tracker.importer.plan_states import forget_old_imports
from tracker.importer.plans import plan_again, start_applying
from tracker.services.context import Actor, ServiceContext


def carol(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)


@pytest.fixture
def plan_id(cast: Cast) -> int:
    """A plan with one row, which nobody has touched for a month."""
    then = NOW - timedelta(days=30)
    with writing(cast.engine) as session:
        plan = ImportPlanRecord(
            association="NCIMHA",
            state="planned",
            created_at=then,
            created_by=CAROL,
            changed_at=then,
            changed_by=CAROL,
            files="[]",
        )
        session.add(plan)
        session.flush()
        place: dict[str, Any] = {"plan_id": plan.id, "number": 1, "file": "a.csv", "line": 2}
        row: dict[str, Any] = {"kind": "people", "email": "", "outcome": "added", "cells": "{}"}
        session.add(ImportPlanRow(**place, **row))
        return plan.id


def test_applying_a_plan_twice_is_once(cast: Cast, plan_id: int) -> None:
    _, error = overlap(
        cast.engine,
        lambda s: start_applying(carol(s), plan_id),
        lambda s: start_applying(carol(s), plan_id),
    )
    assert error is None
    assert cast.rows("import_plan")[0]["state"] == "applying"


def test_a_plan_taken_up_keeps_its_rows(cast: Cast, plan_id: int) -> None:
    _, forgotten = overlap(
        cast.engine,
        lambda s: plan_again(carol(s), plan_id),
        lambda s: forget_old_imports(s, NOW),
    )
    assert forgotten == 0
    assert len(cast.rows("import_plan_row")) == 1
