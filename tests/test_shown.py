"""What users are promised has tests, and they are there: tests/shown.toml names them."""

import ast
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHOWN: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (ROOT / "tests" / "shown.toml").read_text("utf-8")
)
LINES = [line for lines in SHOWN.values() for line in lines]


def test_every_test_that_is_named_is_there() -> None:
    missing = []
    for name in {name for line in LINES for name in line["tests"]}:
        path, _, function = name.partition("::")
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        if function not in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}:
            missing.append(name)
    assert missing == []


def test_every_promise_names_its_tests() -> None:
    assert {kind: len(lines) for kind, lines in SHOWN.items()} == {
        "page": 10,
        "desk": 3,
        "mail": 5,
        "takeaway": 1,
        "safety": 9,
        "operator": 6,
    }
    for line in LINES:
        assert line["tests"], line["says"]
        for command in line.get("long", ()):
            called = re.search(r"python -m (\S+)(?: (tests/\S+))?", command)
            assert called is not None, command
            assert find_spec(called[1]) is not None, command
            assert called[2] is None or (ROOT / called[2]).is_file(), command
