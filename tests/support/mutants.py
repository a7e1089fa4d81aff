"""Put small faults into a tree and count those that the fast tests catch: python tests/support/mutants.py --old=DIR --new=DIR

Each fault changes one expression: a comparison, an operator, a constant, a condition. Faults are drawn from the older tree by a
seed and put into the same expression of the newer one; those without a counterpart are skipped and counted. A fault that the
newer tests miss is put into the older tree too: the older tests must miss it as well. Results are appended to --output, a
JSON line each, and the same command continues with the next fault.
"""

import argparse
import ast
import copy
import difflib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

SWAPPED = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
}
SKIPPED = (ast.JoinedStr, ast.arg, ast.AnnAssign, ast.Raise, ast.Assert)
"""Not changed: texts, annotations, and what checks the program itself."""


class Fault(NamedTuple):
    """A changed expression."""

    file: str
    function: str
    statement: str
    before: str
    after: str
    place: tuple[int, int, int, int]
    """First line, first byte, last line, byte after the last."""


def change(node: ast.AST) -> ast.AST | None:
    """Return the node with one fault in it, or None if it has none to offer."""
    node = copy.deepcopy(node)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPPED:
        node.ops[0] = SWAPPED[type(node.ops[0])]()
    elif isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in SWAPPED:
        node.op = SWAPPED[type(node.op)]()
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        return node.operand
    elif isinstance(node, ast.IfExp):
        node.body, node.orelse = node.orelse, node.body
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        node.value = node.value + 1 if isinstance(node.value, int) else 2 * node.value + 1
    else:
        return None
    return node


def faults(root: Path) -> Iterator[Fault]:
    """Yield every fault that the functions of vae_jax offer."""
    for path in sorted((root / "vae_jax").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for statement in function.body:
                    yield from _inside(str(path.relative_to(root)), function.name, statement, statement)


def _inside(file: str, function: str, statement: ast.stmt, node: ast.AST) -> Iterator[Fault]:
    if isinstance(node, (*SKIPPED, ast.FunctionDef)):
        return
    if isinstance(node, ast.stmt):
        statement = node
    changed = change(node) if isinstance(node, ast.expr) else None
    if isinstance(node, ast.expr) and changed is not None:
        head = ast.unparse(statement).splitlines()[0]
        place = (node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0)
        yield Fault(file, function, head, ast.unparse(node), f"({ast.unparse(changed)})", place)
    for child in ast.iter_child_nodes(node):
        yield from _inside(file, function, statement, child)


def counterpart(fault: Fault, others: list[Fault]) -> Fault | None:
    """Return the fault of another tree in the same expression of the most similar statement."""
    same = [other for other in others if (other.before, other.after) == (fault.before, fault.after)]

    def likeness(other: Fault) -> float:
        alike = difflib.SequenceMatcher(None, fault.statement, other.statement).ratio()
        # Of equal expressions in one statement, the one in the same place.
        return alike + (fault.function == other.function) / 2 - 1e-6 * abs(fault.place[1] - other.place[1])

    best = max(same, key=likeness, default=None)
    return best if best and likeness(best) >= 0.9 else None


def put(fault: Fault, root: Path) -> str:
    """Write the fault into its file, and return the file's text before."""
    path = root / fault.file
    text = path.read_text()
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    row, column, last, end = fault.place
    lines[row - 1 : last] = [lines[row - 1][:column] + fault.after.encode() + lines[last - 1][end:]]
    path.write_bytes(b"".join(lines))
    return text


def first_failure(root: Path, file: str, cache: Path) -> str:
    """Return the first test that fails, "" if none does; the tests nearest to the file are run first."""
    parts = file.removesuffix(".py").split("/")[1:]
    named = [str(path) for name in parts[::-1] for path in (root / "tests").rglob(f"test_{name}.py")]
    folders = [str(folder) for folder in (root / "tests" / name for name in parts[:1]) if folder.is_dir()]
    # JAX's cache is kept from fault to fault; conftest.py makes a new one except in a worker.
    settings = {"PYTEST_XDIST_WORKER": "gw0", "JAX_COMPILATION_CACHE_DIR": str(cache)}
    settings |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    for tests in filter(None, (named, folders, ["tests"])):
        command = [sys.executable, "-m", "pytest", "-qx", "-rfE", "-n0", "-p", "no:cacheprovider", "--tb=no", *tests]
        try:
            done = subprocess.run(
                command, cwd=root, env=os.environ | settings, timeout=1500, capture_output=True, text=True, check=False
            )
        except subprocess.TimeoutExpired:
            return "no end"
        if done.returncode not in (0, 5):
            failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            return failed[0] if failed else done.stdout[-300:] + done.stderr[-300:]
    return ""


def examine(fault: Fault | None, tree: Path, work: Path, cache: Path) -> str:
    """Return the test that catches the fault in a copy of the tree at `work`; None: the first test that fails without one."""
    if not work.is_dir():
        shutil.copytree(tree, work)
    if fault is None:
        return first_failure(work, "", cache)
    text = put(fault, work)
    try:
        return first_failure(work, fault.file, cache)
    finally:
        (work / fault.file).write_text(text)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("old", "new", "work", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name, default in (("seed", 17), ("count", 40), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    flags = parser.parse_args()
    drawn, others = list(faults(flags.old)), list(faults(flags.new))
    random.Random(flags.seed).shuffle(drawn)
    pairs, skipped = [], 0
    for fault in drawn:
        other = counterpart(fault, others)
        skipped += other is None
        pairs += [(fault, other)] if other else []
        if len(pairs) == flags.count:
            break
    print(f"{len(drawn)} faults to draw from; {skipped} of {skipped + len(pairs)} drawn have no counterpart")
    for tree, name in ((flags.new, "new0"), (flags.old, "old0")):
        assert not (failed := examine(None, tree, flags.work / name, flags.work / "cache")), (
            f"without a fault: {failed}"
        )
    done = flags.output.read_text().count("\n") if flags.output.is_file() else 0

    def run(worker: int) -> None:
        for i in range(done + worker, len(pairs), flags.workers):
            old, new = pairs[i]
            by_new = examine(new, flags.new, flags.work / f"new{worker}", flags.work / "cache")
            by_old = "" if by_new else examine(old, flags.old, flags.work / f"old{worker}", flags.work / "cache")
            record = {"i": i, "new": by_new, "old": by_old, "fault": new._asdict(), "older": old._asdict()}
            with flags.output.open("a") as file:
                file.write(json.dumps(record) + "\n")

    with ThreadPoolExecutor(flags.workers) as pool:
        list(pool.map(run, range(flags.workers)))


if __name__ == "__main__":
    main()
