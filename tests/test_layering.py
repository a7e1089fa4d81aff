"""The walls of the house: who may import whom, and what importing the package may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vae_jax"
LEAVES = {"types"}
ALLOWED = {
    "types": set(),
    "distributions": LEAVES,
    "networks": LEAVES,
    "pixels": LEAVES,
    "likelihoods": LEAVES | {"distributions", "pixels"},
    "models": LEAVES | {"distributions", "networks", "likelihoods"},
    "objectives": LEAVES | {"estimators", "pixels"},
    "optimizers": LEAVES,
    "disk": LEAVES | {"console"},
    "memory": LEAVES | {"console", "feed"},
    "locks": LEAVES,
    "data": LEAVES | {"disk"},
    "checkpoint": LEAVES | {"disk"},
    "board": set(),
    "writer": LEAVES | {"board", "disk"},
    "console": LEAVES,
    "config": LEAVES,
    "signals": LEAVES,
    "film": LEAVES | {"disk"},
    "profiling": LEAVES,
    "processes": LEAVES | {"signals"},
    "entry": LEAVES | {"signals"},
    "arguments": LEAVES,
    "devices": LEAVES,
    "feed": {"devices"},
    "compilation": LEAVES | {"data"},
    "latents": LEAVES | {"evaluate"},
    "figures": set(),
    "workdir": LEAVES | {"checkpoint", "config", "disk", "locks"},
    "aggregate": LEAVES,
    "train_state": LEAVES,
    "estimators": LEAVES | {"feed"},
    "health": LEAVES | {"aggregate", "estimators", "evaluate"},
    "layers": {"networks", "run"},
    "report": LEAVES
    | {
        "config",
        "console",
        "data",
        "figures",
        "latents",
        "layers",
        "models",
        "objectives",
        "pixels",
        "run",
        "workdir",
        "writer",
    },
    "evaluate": LEAVES | {"aggregate", "devices", "feed", "likelihoods", "pixels", "train_state"},
}
"""Rooms that may not import all the others; those not named here stand above them."""
ONLY_IN = {"flax": {"networks"}, "matplotlib": {"figures"}, "orbax": {"checkpoint"}, "tensorflow_datasets": {"data"}}
FORBIDDEN = ("configs", "experiments", "clu", "distrax", "tensorflow", "flax.training.checkpoints")


def imports(path: Path):
    """(module, whether at the file's top level) of every import in a file."""
    tree = ast.parse(path.read_text())
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            if node.module == "vae_jax":
                yield from ((f"vae_jax.{alias.name}", id(node) in top) for alias in node.names)
            else:
                yield node.module, id(node) in top


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_the_house_allows(path):
    own = room(path)
    for module, at_top in imports(path):
        parts = module.split(".")
        assert not module.startswith(FORBIDDEN) or module.startswith("tensorflow_datasets"), f"{path} imports {module}"
        assert not any(part == "_src" for part in parts), f"{path} imports the private {module}"
        if parts[0] in ONLY_IN:
            assert own in ONLY_IN[parts[0]], f"{path} imports {module}"
        if parts[0] == "vae_jax" and len(parts) > 1 and parts[1] != own:
            assert parts[1] in ALLOWED.get(own, {parts[1]}), f"{own} imports {parts[1]}"
            assert not (parts[1] == "figures" and at_top), f"{path} imports the figures at its top"


def test_every_wall_stands_around_a_room_that_exists():
    assert set(ALLOWED) <= {room(path) for path in FILES}


def test_importing_the_package_and_its_main_loads_no_slow_library():
    code = (
        "import sys, vae_jax, vae_jax.main; vae_jax.load_run;"
        "print([m for m in ('matplotlib', 'sklearn', 'tensorflow_datasets', 'tensorboardX', 'PIL') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert out.stdout.strip() == "[]"
