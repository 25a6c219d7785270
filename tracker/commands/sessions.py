"""`tracker sessions end-all`: after a restored backup, or when something was seen by others."""

import sys

from tracker import clock
from tracker.commands.opening import opened
from tracker.records.sign_in.ending_access import end_all_access
from tracker.records.store.engine import writing

_WHO = "tracker sessions"


def end_all(*, calendars: bool, tokens: bool) -> None:
    """Sign everybody out, void all codes and links, and say how many of each."""
    with opened() as tracker, writing(tracker.engine) as connection:
        now = clock.now()
        ended = end_all_access(connection, _WHO, now, calendars=calendars, tokens=tokens)
    lines = [f"Signed-in browsers ended: {ended.sessions}", f"Sign-in codes voided: {ended.codes}"]
    lines += [f"Calendar addresses ended: {ended.calendars}"] if calendars else []
    lines += [f"API tokens revoked: {ended.tokens}"] if tokens else []
    sys.stdout.write("".join(f"{line}\n" for line in lines))
