"""`make mutants`: its tables are about what is there, and a survivor is listed until explained."""

from tests.mutants.__main__ import ROOT, Result, Survivor, read_toml, report, select_tests


def test_every_module_to_change_has_tests() -> None:
    for module in read_toml("selection.toml")["first"]:
        assert (ROOT / module).is_file(), module
        for test in select_tests(module):
            assert (ROOT / test).exists(), test


def test_every_justification_is_about_code_that_is_there() -> None:
    for survivor in read_toml("justified.toml")["survivor"]:
        lines = [line.strip() for line in (ROOT / survivor["module"]).read_text().splitlines()]
        for line in survivor["was"].splitlines():
            assert line in lines, f"{survivor['module']} has no such line any more: {line}"
        assert survivor["becomes"] != survivor["was"]
        assert survivor["why"]


def test_a_survivor_is_listed_until_it_is_explained() -> None:
    survivor = Survivor("tracker/rules/caps.py", "x_take__mutmut_1", "a = 1", "a = 2")
    assert not survivor.is_justified([])
    explained = {"module": survivor.module, "was": "a = 1", "becomes": "a = 2"}
    assert survivor.is_justified([explained])
    assert not survivor.is_justified([{**explained, "becomes": "a = 3"}])
    printed = "\n".join(report([Result(survivor.module, mutants=9, survivors=[survivor])]))
    assert "x_take__mutmut_1\n- a = 1\n+ a = 2" in printed
