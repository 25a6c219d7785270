"""Whether what was acknowledged is stored, and judged as a full evaluation judges it."""

from collections.abc import Sequence

from sqlalchemy import Engine, select

from tests.bench.load import Answers
from tests.bench.work import CONFIG, NIGHT
from tracker.db.engine import open_engine, reading, writing
from tracker.db.tables import METADATA
from tracker.rulebooks import load_rulebooks
from tracker.services.evaluation import evaluate_people


def lost(url: str, answers: Sequence[Answers]) -> int:
    """How many sessions that were acknowledged are not stored."""
    engine = open_engine(url)
    saved = {int(path.rpartition("/")[2]) for a in answers for _, path in a.locations}
    sent = sum(len(a.locations) for a in answers)
    with reading(engine) as session:
        stored = set(session.scalars(select(METADATA.tables["entry"].c.id)))
        audit = METADATA.tables["audit_event"]
        audited = set(session.scalars(select(audit.c.row_id).where(audit.c.table_name == "entry")))
    engine.dispose()
    return sent - len(saved & stored & audited)


def wrongly_judged(url: str, people: Sequence[int]) -> int:
    """How many stored standings a full evaluation changes."""
    engine = open_engine(url)
    before = _standings(engine)
    with writing(engine) as session:
        evaluate_people(session, load_rulebooks(CONFIG), people, NIGHT)
    after = _standings(engine)
    engine.dispose()
    return len(before ^ after)


def _standings(engine: Engine) -> set[tuple[object, ...]]:
    with reading(engine) as session:
        return {
            tuple(row) for row in session.connection().execute(select(METADATA.tables["standing"]))
        }
