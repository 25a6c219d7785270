"""An application of Alice's at an association that asks for references, and its referees."""

from dataclasses import replace
from datetime import date, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import BOOKS
from tracker.db.tables import METADATA
from tracker.rulebooks import load_rulebooks

_IMAGINED = load_rulebooks(Path(__file__).parents[1] / "rulebooks")
REF = "REF"
# The real rulebooks and an imagined one, whose IFS asks for three references.
REF_BOOKS = replace(
    BOOKS,
    associations={**BOOKS.associations, REF: _IMAGINED.associations[REF]},
    organizations={**BOOKS.organizations, REF: _IMAGINED.organizations[REF]},
)
PAT = {"name": "Pat Doe", "email": "pat@example.org", "role": "supervisor"}
ANSWER = {
    "role_confirmed": "yes",
    "relationship": "I have led their programme since 2022",
    "endorsed": "yes",
    "endorsed_by": REF,
    "endorsed_as": "IMHS",
    "rating-work": "Good",
    "signed_as": "Pat Doe",
}


def apply(session: Session, person_id: int, *, category: str = "IFS", **values: object) -> int:
    """Store an application; its id."""
    row = {
        "person_id": person_id,
        "association": REF,
        "category": category,
        "opened_on": date(2024, 1, 2),
        "state": "open",
        **values,
    }
    table = METADATA.tables["application"]
    return int(
        session.connection().execute(insert(table).values(row).returning(table.c.id)).scalar_one()
    )


def decided(day: datetime) -> dict[str, object]:
    """What makes an application a decided one."""
    return {"state": "endorsed", "decided_on": day.date()}


def text_part(body: bytes) -> str:
    """The text of a stored mail."""
    part: Any = message_from_bytes(body, policy=policy.default).get_body(("plain",))
    return str(part.get_content()).replace("\r\n", "\n")
