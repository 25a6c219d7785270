"""On which line of a file an error is."""

import pytest

from tracker.rules.toml_lines import TomlLines

TEXT = """\
id = "EX-AIMH"
registry.from = 2026-11-01

[categories]
"IFS" = { name = "Infant Family Specialist" }
'IMHM-C' = { name = "Clinical" }

[documents."Guide of X"]
title = "Guide"

[[requirements]]
id = "training"
values = [
  { from = 2000-01-01, hours = 15 },
]

[[requirements]]
id = "rsc"

  [[requirements.values]]
  from = 2000-01-01

  [[requirements.values]]
  from = 2010-01-01

  [requirements.window]
  months = 12
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("id", 1),
        ("registry.from", 2),
        ("categories", 4),
        ("categories.IFS", 5),
        ("categories.IFS.name", 5),
        ("categories.IMHM-C.nam", 6),
        ("categories.other", 4),
        ("documents.Guide of X.title", 9),
        ("documents.Guide of X.file", 8),
        ("requirements", 11),
        ("requirements[1].id", 12),
        ("requirements[1].values[1].hours", 13),
        ("requirements[2]", 17),
        ("requirements[2].id", 18),
        ("requirements[2].label", 17),
        ("requirements[2].values", 20),
        ("requirements[2].values[1].from", 21),
        ("requirements[2].values[2].from", 24),
        ("requirements[2].values[2].hours", 23),
        ("requirements[2].window.months", 27),
        ("requirements[3].id", 11),
    ],
)
def test_an_error_is_on_the_nearest_line(key: str, line: int) -> None:
    assert TomlLines(TEXT).find(key) == line


@pytest.mark.parametrize("key", ["idle", "title", "cycles[1].from", "X"])
def test_what_is_not_in_the_file_has_no_line(key: str) -> None:
    assert TomlLines(TEXT).find(key) is None


def test_a_key_that_is_repeated_has_its_first_line() -> None:
    assert TomlLines("id = 1\nid = 2\n").find("id") == 1
    assert TomlLines("[documents]\nifs = 1\n[documents]\n").find("documents") == 1


def test_only_line_feeds_end_a_line() -> None:
    assert TomlLines("# One line\u2028of a comment\r\nid = 1\r\n").find("id") == 2
