"""Whatever is sent, the API answers as its description says, and never with an error of ours.

`TRACKER_TEST_EXAMPLES=2000 python -m pytest tests/web/api/test_any_call.py` runs the long form.
"""

import os
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, CheckFunction, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.cast import ALICE
from tests.web.api.calling import make
from tests.web.client import WebClient

EXAMPLES = int(os.environ.get("TRACKER_TEST_EXAMPLES", "10"))
# That a day has 24 hours, and who is endorsed, stands in no schema: a body of the right shape may
# be refused all the same.
NOT_IN_THE_SHAPE: list[CheckFunction] = [positive_data_acceptance]
OPERATIONS = [
    ("GET", "/standings"),
    ("GET", "/standings/{endorsement_id}"),
    ("GET", "/entries"),
    ("GET", "/entries/{entry_id}"),
    ("POST", "/entries"),
]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda m: m.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_described(
    sqlite_web: WebClient, method: str, path: str, mode: GenerationMode
) -> None:
    token = {"Authorization": f"Bearer {make(sqlite_web)}"}
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", sqlite_web.app)
    operation = schema[path][method]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def any_call(case: Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body["email"] = ALICE
        case.call_and_validate(headers=token, excluded_checks=NOT_IN_THE_SHAPE)

    any_call()


def test_every_operation_is_tried(sqlite_web: WebClient) -> None:
    api = TestClient(sqlite_web.app).get("/api/v1/openapi.json").json()
    found = [(method.upper(), path) for path, item in api["paths"].items() for method in item]
    assert sorted(found) == sorted(OPERATIONS)
