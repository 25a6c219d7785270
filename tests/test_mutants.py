"""`make mutants`: its tables are about what is there, and a survivor is listed until explained."""

from tests.mutants.__main__ import ROOT, Result, is_justified, read_toml, report, select
from tests.mutants.generation import Mutant, make_mutants, undecorate

DECORATED = '''
class Fee:
    @property
    def owed(self) -> int:
        """What is left."""
        return self.due - self.paid


@lru_cache(maxsize=9)
def add(a, b):
    return a + b
'''


def test_every_module_to_change_has_tests() -> None:
    for module in read_toml("selection.toml")["first"]:
        assert (ROOT / module).is_file(), module
        for test in select(module).tests:
            assert (ROOT / test).exists(), test


def test_every_justification_is_about_code_that_is_there() -> None:
    for survivor in read_toml("justified.toml")["survivor"]:
        lines = [line.strip() for line in (ROOT / survivor["module"]).read_text().splitlines()]
        for line in survivor["was"].splitlines():
            assert line in lines, f"{survivor['module']} has no such line any more: {line}"
        assert survivor["becomes"] != survivor["was"]
        assert survivor["why"]


def test_a_survivor_is_listed_until_it_is_explained() -> None:
    module = "tracker/rules/caps.py"
    mutant = Mutant("tracker.rules.caps", "x_take__mutmut_1", "x_take", "a = 1", "a = 2", "d")
    assert not is_justified(module, mutant, [])
    explained = {"module": module, "was": "a = 1", "becomes": "a = 2"}
    assert is_justified(module, mutant, [explained])
    assert not is_justified(module, mutant, [{**explained, "becomes": "a = 3"}])
    printed = "\n".join(report([Result(module, mutants=9, survivors=[mutant])]))
    assert "x_take__mutmut_1\n- a = 1\n+ a = 2" in printed


def test_decorators_stand_below_their_functions() -> None:
    changed = undecorate(DECORATED)
    assert "@" not in changed
    assert "        return self.due - self.paid\n    owed = property(owed)\n" in changed
    assert "    return a + b\nadd = lru_cache(maxsize=9)(add)\n" in changed


def test_decorated_functions_have_mutants() -> None:
    _, mutants = make_mutants("tracker/rules/fees.py", DECORATED)
    assert {(each.was, each.becomes) for each in mutants} == {
        ("return self.due - self.paid", "return self.due + self.paid"),
        ("return a + b", "return a - b"),
    }
