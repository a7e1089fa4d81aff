"""The table of docs/reliability.md: it is made from a pytest report, and no failure is hidden."""

import json
import xml.etree.ElementTree as ET

import pytest
from support.paths import ROOT

from experiments.faults import __main__ as fault_drill
from experiments.faults import table
from experiments.faults.kills import Drill
from experiments.faults.promises import KILLS, PROMISES
from experiments.faults.table import Row, keep, run_suite, summed
from vae_jax.errors import InputError
from vae_jax.system.signals import StopRequest

CASE = '<testcase classname="tests.faults.test_x" name="test_it">{}<properties>{}</properties></testcase>'


def row(inside: str = "", **properties: object) -> Row:
    told = "".join(f'<property name="{name}" value="{value}"/>' for name, value in properties.items())
    return table._row(ET.fromstring(CASE.format(inside, told)))


def test_a_passed_test_becomes_a_row_of_its_recorded_properties():
    told = row(fault="a flood", tried=5, survived=4, lost="a boat")
    assert told == Row("a flood", 5, 4, ("a boat",), ('pytest tests/faults/test_x.py -m ""',))
    assert row(fault="a flood")[:4] == ("a flood", 1, 1, ())


def test_a_failed_broken_or_skipped_test_is_reported():
    failed = row('<failure message="assert 1 == 2&#10;more"/>', fault="a flood", tried=5)
    assert failed[:4] == ("a flood", 5, 0, ("test_it: assert 1 == 2",))
    assert row('<failure message="no"/>', fault="a flood", tried=0).tried == 1
    broken = row('<error message="collection failure"/>')
    assert broken[:4] == ("test_x: test_it", 1, 0, ("test_it: collection failure",))
    assert row('<skipped message="no disk"/>', fault="a flood")[1:4] == (0, 0, ("not tried: no disk",))


def test_rows_of_the_same_fault_are_summed_in_the_order_of_the_promises():
    first, *_, last = PROMISES
    rows = [Row("new", 1, 1, (), ("a",)), Row(last, 2, 2, ("x",), ("a",)), Row(first, 1, 0, ("x",), ("b",))]
    rows.append(Row(last, 3, 1, ("x", "y"), ("a", "c")))
    assert [told.fault for told in summed(rows)] == [first, last, "new"]
    assert summed(rows)[1] == Row(last, 5, 3, ("x", "y"), ("a", "c"))


def test_measuring_one_part_again_keeps_the_other(tmp_path):
    page = tmp_path / "page.md"
    keep(page, "kills", [Row(KILLS, 100, 100, ("2 epochs",), ("python -m drill",))])
    keep(page, "tests", [Row("a | b", 3, 3, (), ("pytest x",))])
    keep(page, "tests", [Row("a | b", 4, 4, (), ("pytest x",))])
    lines = page.read_text().splitlines()
    assert f"| {KILLS} | {PROMISES[KILLS]} | 100 | 100 | 2 epochs | `python -m drill` |" in lines
    assert "| a \\| b |  | 4 | 4 | nothing | `pytest x` |" in lines
    assert json.loads(page.with_suffix(".json").read_text()).keys() == {"kills", "tests"}


def test_measuring_some_files_again_keeps_the_others(tmp_path):
    page, commands = tmp_path / "page.md", [f'pytest tests/faults/test_{name}.py -m ""' for name in "ab"]
    keep(page, "tests", [Row("a", 1, 0, (), (commands[0],)), Row("b", 1, 1, (), (commands[1],))])
    keep(page, "tests", [Row("a", 2, 2, (), (commands[0],))], ["tests/faults/test_a.py"])
    kept = json.loads(page.with_suffix(".json").read_text())["tests"]["rows"]
    assert sorted((row["fault"], row["tried"], row["survived"]) for row in kept) == [("a", 2, 2), ("b", 1, 1)]


def test_an_unknown_file_name_is_refused(tmp_path):
    with pytest.raises(InputError, match="--only=dsk: unknown; did you mean disk"):
        fault_drill.main(["--kills=0", "--only=dsk"])


def test_a_missing_pytest_is_reported_in_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    (told,) = run_suite(tmp_path, StopRequest())
    assert (told.tried, told.survived) == (1, 0)
    assert "pytest is missing" in told.lost[0]


@pytest.mark.parametrize(("survived", "problems", "code"), [(3, (), 0), (1, ("run 1: state",), 1)])
def test_the_exit_code_shows_whether_all_survived(monkeypatch, tmp_path, capsys, survived, problems, code):
    done = Drill(3, 1, 2, survived, 2, problems)
    monkeypatch.setattr(fault_drill, "drill", lambda *arguments: done)
    monkeypatch.setattr(fault_drill, "run_suite", lambda *arguments: [Row("a flood", 1, 1, (), ("pytest",))])
    assert fault_drill.main(["--kills=3", f"--output={tmp_path}/page.md"]) == code
    out = capsys.readouterr().out
    assert f"{survived} of 3  {KILLS}; lost: at most 2 epochs, trained again (a save every 2)" in out
    assert "1 of 1  a flood" in out
    assert all(problem in (tmp_path / "page.md").read_text() for problem in problems)


@pytest.mark.parametrize("flags", [["--kills=-1"], ["--kills=x"], ["--output=nowhere/page.md"], ["--output=page.txt"]])
def test_bad_flags_are_refused_before_anything_is_killed(flags):
    with pytest.raises(InputError, match=flags[0].partition("=")[0]):
        fault_drill.main(flags)


def test_the_page_is_rendered_from_the_stored_measurements():
    page = ROOT / "docs" / "reliability.md"
    assert page.read_text() == table.render(json.loads(page.with_suffix(".json").read_text()))
