"""Printing what may be long."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any


def print_json_list(elements: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON list, an element a line as they come: a million need no memory.

    Days and instants are written in ISO form.
    """
    between = "["
    for element in elements:
        sys.stdout.write(f"{between}\n{json.dumps(element, default=str)}")
        between = ","
    sys.stdout.write("[]\n" if between == "[" else "\n]\n")
