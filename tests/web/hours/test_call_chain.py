"""A posted session reaches the database through few files and functions of ours."""

import sys
import threading
from pathlib import Path
from types import FrameType

import pytest
from sqlalchemy import event

import tracker
from tests.support.cast import ALICE, DANA
from tests.web.client import RSC, WebClient

ROOT = str(Path(tracker.__file__).parent)
# Now and then one of them looks for maintenance.
MOST_FILES, MOST_FUNCTIONS = 38, 164
Functions = set[tuple[str, str]]


CHOSEN = {"when": "today", "length": "1.5", "day": "", "month": "", "year": "", "hours": ""}


@pytest.mark.parametrize("chosen", [{}, CHOSEN], ids=["typed", "chosen"])
def test_a_posted_session_passes_few_functions(
    sqlite_web: WebClient, chosen: dict[str, str]
) -> None:
    called: Functions = set()
    is_counting = False

    def count(frame: FrameType, kind: str, _argument: object) -> None:
        code = frame.f_code
        # Comprehensions and lambdas are parts of the functions that they stand in.
        is_function = not code.co_name.startswith("<")
        if is_counting and kind == "call" and is_function and code.co_filename.startswith(ROOT):
            called.add((code.co_filename.removeprefix(ROOT), code.co_qualname))

    # Threads that start later are counted in, so before the first request, and not in the event
    # loop of all tests.
    threading.setprofile(count)
    try:
        alice = sqlite_web.visit(ALICE)
        alice.client.portal = None
        form = RSC | {"provider": str(sqlite_web.cast.people[DANA])}
        assert alice.log(form | {"day": "19"}).status_code == 303
        # What is worked out once a process and day is there, whatever ran before.
        first = alice.post("/log", form | chosen | {"form_key": "b" * 32})
        assert first.status_code == 303
        newest = sqlite_web.cast.rows("entry")[-1]["id"]
        assert alice.post(f"/entries/{newest}/delete").status_code == 303

        def stop(_connection: object) -> None:
            nonlocal is_counting
            is_counting = False

        event.listen(sqlite_web.cast.engine, "commit", stop)
        is_counting = True
        sys.setprofile(count)
        saved = alice.post("/log", form | chosen | {"form_key": "a" * 32})
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert saved.status_code == 303
    files = sorted({file for file, _ in called})
    assert len(files) <= MOST_FILES, files
    assert len(called) <= MOST_FUNCTIONS, sorted(called)
