"""An open question about a session, straight into the tables."""

from sqlalchemy import insert
from sqlmodel import Session

from tests.support.cast import CAROL, NOW
from tracker.db.tables import METADATA


def ask(session: Session, entry_id: int, text: str, association: str = "NCIMHA") -> int:
    """A question that waits for the person of a session; its id."""
    question, message = METADATA.tables["entry_question"], METADATA.tables["entry_message"]
    values = {"entry_id": entry_id, "association": association, "state": "open"}
    asked = {"asked_at": NOW, "asked_by": CAROL}
    connection = session.connection()
    new = insert(question).values(**values, **asked).returning(question.c.id)
    number = int(connection.execute(new).scalar_one())
    own = {"question_id": number, "entry_id": entry_id, "is_answer": False, "text": text}
    connection.execute(insert(message).values(**own, written_at=NOW, written_by=CAROL))
    return number
