"""Making the mutants of a module: mutmut changes its functions, also those that are decorated."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import ndiff

from mutmut.mutation.file_mutation import mutate_file_contents

# Mutmut sees through these by itself.
_SEEN_THROUGH = {"staticmethod", "classmethod"}


@dataclass(frozen=True)
class Mutant:
    """One change: lines taken out and put in, without their indentation.

    ``module`` is its name in Python; ``function`` is what mutmut calls the function, and ``digest``
    stands for all of it, as changed.
    """

    module: str
    name: str
    function: str
    was: str
    becomes: str
    digest: str


def make_mutants(module: str, source: str) -> tuple[str, list[Mutant]]:
    """The code of a module in which any mutant can be turned on, and its mutants."""
    made = mutate_file_contents(module, undecorate(source))
    lines = made.code.splitlines()
    texts = {
        name: lines[span.start - 1 : span.end]
        for name, span in made.line_span_by_function_name.items()
    }
    dotted = module.removesuffix(".py").replace("/", ".")
    mutants = []
    for name in made.mutant_names:
        function, _, _ = name.partition("__mutmut_")
        before = [
            each.replace(f"{function}__mutmut_orig", "f")
            for each in texts[f"{function}__mutmut_orig"]
        ]
        after = [each.replace(name, "f") for each in texts[name]]
        changes = [line for line in ndiff(before, after) if line[:1] in "+-"]
        was = "\n".join(line[1:].strip() for line in changes if line[0] == "-")
        becomes = "\n".join(line[1:].strip() for line in changes if line[0] == "+")
        digest = hashlib.sha256("\n".join([dotted, function, *after]).encode()).hexdigest()[:16]
        mutants.append(Mutant(dotted, name, function, was, becomes, digest))
    return made.code, mutants


def undecorate(source: str) -> str:
    """A module in which ``@cache`` above ``def f`` has become ``f = cache(f)`` below it.

    Mutmut leaves out decorated functions. Lines inside a function stay as they are. A property with
    a setter is left alone, as its name stands for two functions.
    """
    lines = source.splitlines()
    for function in reversed([*_list_decorated(ast.parse(source))]):
        expression = function.name
        for decorator in reversed(function.decorator_list):
            expression = f"{ast.unparse(decorator)}({expression})"
        indent = " " * function.col_offset
        lines.insert(function.end_lineno or 0, f"{indent}{function.name} = {expression}")
        del lines[function.decorator_list[0].lineno - 1 : function.lineno - 1]
    return "\n".join(lines) + "\n"


def _list_decorated(module: ast.Module) -> Iterator[ast.FunctionDef]:
    """The decorated functions and methods that can be written so, from the first to the last."""
    for statement in module.body:
        inside = statement.body if isinstance(statement, ast.ClassDef) else [statement]
        for each in inside:
            if isinstance(each, ast.FunctionDef) and each.decorator_list:
                names = {ast.unparse(decorator) for decorator in each.decorator_list}
                has_setter = any(name.endswith((".setter", "overload")) for name in names)
                if not has_setter and (names - _SEEN_THROUGH or len(names) > 1):
                    yield each
