"""The structure and the style of the code, checked on the code itself."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from radon.complexity import cc_visit

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tracker"
MIGRATIONS = PACKAGE / "db" / "migrations"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_bundled" not in path.parts)
# A migration is never changed, whatever it looks like.
MEASURED = [path for path in FILES if MIGRATIONS not in path.parents]
# Commands import what they need when they run, so that `tracker --help` is quick.
LAZY = (PACKAGE / "cli",)

# What each layer may import besides itself. Other packages (cli, checks, demo) are at the top: they
# may import everything, and nothing may import them.
BASE = {
    "addresses",
    "branding",
    "clock",
    "database_urls",
    "errors",
    "far_days",
    "master_key",
    "settings",
    "formatting",
    "overrides",
    "plain_text",
    "secret_files",
    "refusal_text",
    "renewal_refusals",
    "rulebooks",
    "spreadsheet_csv",
}
LAYERS = {
    "clock": set[str](),
    "far_days": set[str](),
    "formatting": set[str](),
    "plain_text": set[str](),
    "absence_text": {"formatting"},
    "refusal_text": {"absence_text", "formatting", "renewal_refusals"},
    "renewal_refusals": set[str](),
    "addresses": set[str](),
    "branding": set[str](),
    "database_urls": set[str](),
    "master_key": {"database_urls", "errors"},
    "overrides": set[str](),
    "secret_files": {"errors"},
    "setting_errors": set[str](),
    "setting_times": set[str](),
    "settings": {
        "addresses",
        "branding",
        "database_urls",
        "errors",
        "master_key",
        "overrides",
        "secret_files",
        "setting_errors",
        "setting_times",
    },
    "spreadsheet_csv": set[str](),
    "errors": {"database_urls"},
    "rules": {"addresses", "far_days", "formatting", "overrides"},
    "rulebooks": {"errors", "rules", "settings", "formatting"},
    "db": {"rules", *BASE},
    "services": {"db", "rules", *BASE},
    "mail": {"services", "db", "rules", *BASE},
    "notifications": {"mail", "services", "db", "rules", *BASE},
    "importer": {"notifications", "mail", "services", "db", "rules", *BASE},
    "jobs": {"importer", "notifications", "mail", "services", "db", "rules", *BASE},
    "exports": {"importer", "services", "db", "rules", *BASE},
    "web": {
        "jobs",
        "notifications",
        "importer",
        "exports",
        "mail",
        "services",
        "db",
        "rules",
        *BASE,
    },
}
CLOCK_READS = {
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("date", "today"),
    *(("time", name) for name in ("time", "time_ns", "monotonic", "monotonic_ns")),
    *(("time", name) for name in ("perf_counter", "perf_counter_ns", "localtime", "gmtime")),
}

# Translated-sounding English. Write a subject, a verb, and the ordinary noun.
QUAINT = re.compile(
    r"\b(whoever|whomever|one's|of which (?:none|nothing)|who has \w+ed|days of grace|nobody but"
    r"|asked of|told of)\b",
    re.IGNORECASE,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imported(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Each module of ours that a file imports, as its full name."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            whole = [f"{base}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else base for name in whole]
        else:
            continue
        for name in names:
            if name == "tracker" or name.startswith("tracker."):
                yield name, node


def layer(name: str) -> str:
    """`tracker.rules.model` -> `rules`."""
    return [*name.split("."), ""][1]


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree(path)):
        if isinstance(node, Function):
            yield node


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def code_literals(path: Path) -> Iterator[ast.Constant]:
    """Every literal of a file but its docstrings."""
    root = tree(path)
    bare = {id(node.value) for node in ast.walk(root) if isinstance(node, ast.Expr)}
    for node in ast.walk(root):
        if isinstance(node, ast.Constant) and id(node) not in bare:
            yield node


def rulebook_words() -> set[str]:
    """Ids of associations and categories, as the rulebooks name them."""
    texts = [path.read_text("utf-8") for path in (ROOT / "config" / "rulebooks").glob("*.toml")]
    rulebooks = [tomllib.loads(text) for text in texts]
    return {word for rulebook in rulebooks for word in (rulebook["id"], *rulebook["categories"])}


def test_imports_point_down_only() -> None:
    wrong = [
        f"{place(path, node)}: {layer(module_name(path))} imports {name}"
        for path in FILES
        if (own := layer(module_name(path))) in LAYERS
        for name, node in imported(path)
        if layer(name) not in {own, "", *LAYERS[own]}
    ]
    assert wrong == []


def test_rules_do_no_input_or_output() -> None:
    outside = {"sqlalchemy", "sqlmodel", "smtplib", "socket", "subprocess", "logging", "structlog"}
    wrong = [
        place(path, node)
        for path in (PACKAGE / "rules").rglob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([getattr(node, "module", None)] + [alias.name for alias in node.names])
        if name and name.split(".")[0] in outside
    ]
    assert wrong == []


def test_no_imports_are_circular() -> None:
    graph = {
        name: {target for target, _ in imported(path) if target in MODULES} - {name}
        for name, path in MODULES.items()
    }
    while leaves := [name for name, targets in graph.items() if not targets & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert graph == {}, "these modules lie on a cycle, or lead into one"


def test_only_the_clock_reads_the_time() -> None:
    wrong = [
        place(path, node)
        for path in FILES
        if path != PACKAGE / "clock.py"
        for node in ast.walk(tree(path))
        if reads_the_clock(node)
    ]
    assert wrong == []


def reads_the_clock(node: ast.AST) -> bool:
    """Whether a node is `datetime.now`, `date.today`, `from time import time` or the like."""
    if isinstance(node, ast.ImportFrom):
        return any((node.module, alias.name) in CLOCK_READS for alias in node.names)
    if not isinstance(node, ast.Attribute):
        return False
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return (name, node.attr) in CLOCK_READS


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "x = date.today",
        "time.monotonic()",
        "from time import time",
    ],
)
def test_clock_reads_are_found(line: str) -> None:
    assert any(reads_the_clock(node) for node in ast.walk(ast.parse(line)))


def test_no_import_is_inside_a_function() -> None:
    wrong = [
        place(path, node)
        for path in FILES
        if path not in LAZY and not set(LAZY) & set(path.parents)
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert wrong == []


def test_code_names_no_association_or_category() -> None:
    words = rulebook_words()
    assert words, "the rulebooks name no association: this test would find nothing"
    named = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(words)))})(?![\w-])")
    wrong = [
        f"{place(path, node)}: {node.value!r}"
        for path in FILES
        for node in code_literals(path)
        if isinstance(node.value, str) and named.search(node.value)
    ]
    assert wrong == []


def test_code_contains_no_year() -> None:
    # 2000 and 2048 are sizes.
    year = re.compile(r"(?<!\d)20(?!00|48)\d\d(?!\d)")
    wrong = [
        f"{place(path, node)}: {node.value!r}"
        for path in MEASURED
        for node in code_literals(path)
        if type(node.value) in {int, str} and year.search(str(node.value))
    ]
    assert wrong == []


def line_counts() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in MEASURED
    }


def test_no_file_has_more_than_600_lines() -> None:
    assert {name: count for name, count in line_counts().items() if count > 600} == {}


def test_few_files_have_more_than_400_lines() -> None:
    counts = line_counts()
    long = [name for name, count in counts.items() if count > 400]
    assert len(long) <= 0.07 * len(counts), long


def test_nine_of_ten_functions_have_at_most_25_lines() -> None:
    lengths = sorted(body_lines(function) for path in MEASURED for function in functions(path))
    assert lengths[int(len(lengths) * 0.9)] <= 25


def test_public_functions_have_a_docstring() -> None:
    public = [
        (path, function)
        for path in MEASURED
        for function in functions(path)
        if not function.name.startswith("_")
    ]
    bare = [f"{place(path, f)} {f.name}" for path, f in public if not ast.get_docstring(f)]
    assert len(bare) <= 0.05 * len(public), bare


def complexities() -> dict[str, int]:
    """Cyclomatic complexity by radon of every function and method."""
    found = {}
    for path in MEASURED:
        for block in cc_visit(path.read_text(encoding="utf-8")):
            for function in getattr(block, "methods", [block]):
                found[f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"] = (
                    function.complexity
                )
    return found


def test_no_function_is_complex() -> None:
    found = complexities()
    assert {name: count for name, count in found.items() if count > 10} == {}
    # The aim is 2.6. It was 3.57 before rulebooks and files were checked in full, which branches.
    assert sum(found.values()) / len(found) <= 3.65


def test_public_class_names_are_unique() -> None:
    places = defaultdict(list)
    for path in MEASURED:
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(place(path, node))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_text_has_no_quaint_phrases() -> None:
    templates = [
        path for path in (ROOT / "templates").rglob("*") if path.suffix in {".html", ".txt"}
    ]
    wrong = []
    for path in [*MEASURED, *templates]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if QUAINT.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert wrong == []


def test_the_linter_limits_branches_to_10() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lint = settings["tool"]["ruff"]["lint"]
    exempt = [code for codes in lint["per-file-ignores"].values() for code in codes]
    assert lint["mccabe"]["max-complexity"] == 10
    assert lint["select"] == ["ALL"]
    assert not {"C901", "C90", "C"} & {*lint["ignore"], *exempt}
