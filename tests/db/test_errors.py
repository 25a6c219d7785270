"""What errors of the database mean: who is to blame, and whether they pass."""

import pytest
from psycopg import Error, OperationalError, errors

from tracker.db.errors import is_passing, is_unavailable


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("the connection is closed"),
        errors.AdminShutdown(),
        errors.CannotConnectNow(),
        errors.ConnectionFailure(),
        errors.DiskFull(),
        errors.IdleInTransactionSessionTimeout(),
        errors.IoError(),
        errors.ReadOnlySqlTransaction(),
        errors.TooManyConnections(),
    ],
)
def test_what_anybody_would_meet_is_the_databases_trouble(error: Error) -> None:
    assert is_unavailable(error)
    assert is_passing(error)


@pytest.mark.parametrize(
    "error", [errors.ProgramLimitExceeded(), errors.UniqueViolation(), errors.DataException()]
)
def test_what_one_row_causes_is_not_the_databases_trouble(error: Error) -> None:
    assert not is_unavailable(error)
    assert not is_passing(error)
