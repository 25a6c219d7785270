"""A group session changes at the moment at which its members are reminded."""

from datetime import timedelta

from sqlmodel import Session

from tests.support.cast import ALICE, BOOKS, CONFIG, DANA, NOW, Cast, acting
from tests.support.held import HELD_ON, TITLE, hold_session, name_supervisee
from tests.support.overlap import overlap
from tracker.db.engine import writing
from tracker.jobs.references import run_session_reminders
from tracker.notifications.context import open_context
from tracker.services.group_sessions import GroupSessionInput, update_group_session


def test_who_is_asked_anew_is_not_marked_as_reminded(cast: Cast) -> None:
    with writing(cast.engine) as session:
        session_id = hold_session(session, cast, DANA)
        name_supervisee(session, cast, session_id, ALICE)
    settings = cast.settings.model_copy(update={"config_dir": CONFIG})
    context, later = open_context(settings, BOOKS, cast.engine), NOW + timedelta(days=30)
    longer = GroupSessionInput(HELD_ON, 120, TITLE, ())

    def change(session: Session) -> None:
        dana = acting(session, cast, DANA, later)
        update_group_session(dana, session_id, longer, confirmed=("120", str(HELD_ON)))

    _, result = overlap(
        cast.engine, change, lambda s: run_session_reminders(context, s, "NCIMHA", later)
    )
    assert not isinstance(result, Exception)
    assert result.report == {"sessions": 1}
    assert cast.rows("group_member")[0]["reminded_at"] is None
