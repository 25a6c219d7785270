"""All tests, with what they and the processes that they start have in common."""

import os

from tracker.master_key import MasterKey

# One key for all databases of tests, benches, and faults, and for the commands that they start, so
# that databases can be copied and PostgreSQL has one. Tests of the key itself unset the variable.
MASTER_KEY = os.environ.setdefault("TRACKER_MASTER_KEY", "the-master-key-of-all-tests-0123456789")
MasterKey.beside = lambda _url: MasterKey(MASTER_KEY)  # type: ignore[method-assign,assignment]
