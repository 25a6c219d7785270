"""A person to erase: with files, and named in other people's rows and in free texts."""

import json
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from typer.testing import CliRunner, Result

from tests.support.backups import Kept
from tests.support.cast import ALICE, BOB, NOW, Cast, fill
from tracker.cli.main import app
from tracker.db.audit import Change, record_changes
from tracker.db.certificates import Certificate
from tracker.db.desk import DeskChange
from tracker.db.desk_tasks import DeskTask, DeskTaskPiece
from tracker.db.engine import reading, writing
from tracker.db.imports import ImportPlanRecord
from tracker.db.ledgers import Outbox, RunFailure
from tracker.db.lists import SavedFilter
from tracker.db.payments import Payment
from tracker.db.signing_keys import body_cipher
from tracker.db.tables import METADATA

NAME = "Zoë Moreno-Fay"
SECOND = "alice@home.example"
SIMILAR = "malice@example.org"


def erase(email: str, *options: str) -> Result:
    arguments = ["person", "erase", email, "--reason", "Asked for it", "--yes", *options]
    return CliRunner().invoke(app, arguments)


def find_traces(engine: Engine, *words: str) -> list[tuple[str, str, str]]:
    """Each table, column, and value that has one of the words, as text, JSON, packed, or coded."""
    spellings = {form.lower() for word in words for form in (word, json.dumps(word)[1:-1])}
    found = []
    with reading(engine) as session:
        cipher = body_cipher(session)

        def read(table: str, row: Any, value: object) -> str:  # noqa: ANN401 - a row of any table
            if isinstance(value, bytes) and table == "outbox":
                value = cipher.decrypt(row["message_id"], value) or b""
            elif isinstance(value, bytes) and table == "import_plan":
                value = zlib.decompress(value)
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

        for table in METADATA.sorted_tables:
            for row in session.connection().execute(select(table)).mappings():
                for column, value in row.items():
                    plain = read(table.name, row, value)
                    if any(word in plain.lower() for word in spellings):
                        found.append((table.name, column, plain[:80]))
    return found


def open_kept(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """The cast, with what names Alice in other people's rows and in free texts."""
    cast = fill(url)
    kept = Kept(cast, folder, "")
    kept.prove()
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    monkeypatch.setenv("TRACKER_EVIDENCE_DIR", str(kept.evidence))
    plant(cast)
    yield kept
    cast.engine.dispose()


def plant(cast: Cast) -> None:
    alice, texts = cast.people[ALICE], f"{NAME} <{ALICE.upper()}>, not {SIMILAR}"
    with writing(cast.engine) as session:
        rename = text("UPDATE person SET name = :name WHERE id = :id")
        session.connection().execute(rename, {"name": NAME, "id": alice})
        session.connection().execute(
            text("UPDATE outbox SET state = 'sent', body = :b"), {"b": b""}
        )
        cipher = body_cipher(session)
        packed = zlib.compress(json.dumps([{"cells": [[ALICE, NAME]]}]).encode())
        session.add_all(
            [
                DeskChange(
                    association="NCIMHA", title=f"Waive RSC for {NAME}", reason=texts,
                    made_at=NOW, made_by="carol@example.org",
                ),
                ImportPlanRecord(
                    association="NCIMHA", state="mapping", created_at=NOW, created_by="x",
                    changed_at=NOW, changed_by="x", files="[]", mapping="{}", summary="",
                    problem="", sheets=packed,
                ),
                DeskTask(
                    association="NCIMHA", kind="certificates", about_id=0, arguments="[1]",
                    asked_at=NOW, asked_by="carol@example.org", state="done", done=1, total=1,
                    ended_at=NOW, file_name="certificates.zip",
                ),
                RunFailure(
                    job="digest", association="NCIMHA", subject=ALICE, error=texts, attempts=1,
                    first_failed_at=NOW, last_failed_at=NOW,
                ),
                SavedFilter(
                    owner="carol@example.org", association="NCIMHA", name="one", query=f"q={ALICE}",
                    saved_at=NOW,
                ),
                Payment(
                    association="NCIMHA", form_key="x", paid_on=date(2026, 1, 5), amount_cents=1,
                    payer=NAME, reference="1", note=texts, recorded_at=NOW, recorded_by="x",
                ),
                Certificate(
                    endorsement_id=cast.endorsements[ALICE], kind="endorsement",
                    cycle_starts_on=date(2026, 1, 1), number="AAAA-BBBB-CCCC-DDDD", name=NAME,
                    valid_from=date(2026, 1, 1), valid_through=date(2026, 12, 31), issued_at=NOW,
                ),
            ]
        )  # fmt: skip
        session.flush()
        session.add(DeskTaskPiece(task_id=1, name=f"{NAME}.pdf", number=0, content=NAME.encode()))
        for number, (recipient, person_id) in enumerate(((ALICE, alice), (BOB, cast.people[BOB]))):
            message_id = f"<{number}@erasing>"
            session.add(
                Outbox(
                    dedupe_key=f"x:{number}:{ALICE}", message_id=message_id, kind="notices",
                    person_id=person_id, recipient=recipient, subject="x", body=b"", state="sent",
                    created_at=NOW, next_attempt_at=NOW,
                    text=cipher.encrypt(message_id, texts.encode()),
                )
            )  # fmt: skip
        record_changes(
            session,
            [
                Change(ALICE, NOW, "entry", cast.entries["rsc"], None, {"title": texts}),
                Change("x", NOW, "waiver", 7, None, {"reason": texts}),
            ],
        )
