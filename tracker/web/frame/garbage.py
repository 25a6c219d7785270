"""How often Python looks for garbage in a process that answers requests."""

import gc

# Of things made and not yet dropped; Python's own 700 are no more than one request is made of.
_YOUNG = 20_000
_ROUNDS = 20


def collect_rarely() -> None:
    """Leave all that there is by now out of the search, and search less often for the rest.

    Rulebooks, templates and libraries stay for as long as the process does. To look through them
    again and again took a third of the time of a save, and each time all other requests waited.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _ROUNDS, _ROUNDS)
