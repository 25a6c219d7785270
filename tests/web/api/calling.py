"""A program that calls the API with a token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

from tests.support.cast import ALICE, DANA
from tests.web.client import WebClient
from tracker.db.engine import writing
from tracker.services.api_tokens import SCOPES, create_token

SESSION: Mapping[str, Any] = {
    "email": ALICE,
    "activity": "rsc",
    "held_on": "2026-11-20",
    "minutes": 60,
    "title": "RSC by telephone",
    "provider_email": DANA,
    "format": "individual",
}


def make(web: WebClient, association: str = "NCIMHA", *scopes: str, **more: Any) -> str:  # noqa: ANN401 - what create_token takes
    """A token's secret."""
    with writing(web.cast.engine) as session:
        _, secret = create_token(
            session,
            association=association,
            name="Member database",
            scopes=scopes or SCOPES,
            now=web.now,
            **more,
        )
    return secret


@dataclass
class Program:
    """Calls with one token."""

    web: WebClient
    secret: str
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = TestClient(self.web.app, headers={"Authorization": f"Bearer {self.secret}"})

    def get(self, path: str) -> Response:
        return self.client.get(f"/api/v1{path}")

    def log(self, key: str, **changes: object) -> Response:
        body = {name: value for name, value in {**SESSION, **changes}.items() if value is not None}
        headers = {"Idempotency-Key": key} if key else {}
        return self.client.post("/api/v1/entries", json=body, headers=headers)
