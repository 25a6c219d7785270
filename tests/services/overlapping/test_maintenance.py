"""Two operators turn maintenance on or off at the same moment."""

from datetime import timedelta

from tests.support.cast import NOW, Cast
from tests.support.overlap import overlap
from tracker.db.engine import writing
from tracker.services.maintenance import end_maintenance, start_maintenance


def test_maintenance_turned_on_twice_keeps_its_beginning(cast: Cast) -> None:
    later = NOW + timedelta(minutes=1)
    overlap(
        cast.engine,
        lambda s: start_maintenance(s, NOW, None, "Moving"),
        lambda s: start_maintenance(s, later, None, "Moving on"),
    )
    [row] = cast.rows("maintenance")
    assert (row["since"], row["message"]) == (NOW, "Moving on")


def test_maintenance_is_turned_off_once(cast: Cast) -> None:
    with writing(cast.engine) as session:
        start_maintenance(session, NOW, None, "Moving")
    is_off = overlap(cast.engine, end_maintenance, end_maintenance)
    assert is_off == (True, False)
