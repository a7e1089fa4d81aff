"""The plan of the house: the one order of imports, what may be imported where, and what importing the package may cost."""

import ast
import subprocess
import sys

import pytest
from support.paths import ROOT

PACKAGE = ROOT / "vae_jax"
ORDER = (
    *("errors", "types", "keys", "randomness"),  # the vocabulary
    *("system", "data", "models", "objectives"),  # the machine; the science
    *("config", "runs", "evaluation", "artifacts"),  # the laboratory
    *("training", "train", "sweeps", "commands", "main", "__main__"),
)
"""A file imports from its own room and from rooms to the left of it."""
ONLY_IN = {
    "flax": "models/networks",
    "grain": "data/records",
    "huggingface_hub": "artifacts/pretrained/hub",
    "matplotlib": "artifacts/figures",
    "mlflow": "system/trackers/mlflow",
    "onnx": "artifacts/export",
    "optuna": "sweeps/search",
    "orbax": "runs/checkpoint",
    "ray": "sweeps/launchers/ray_cluster",
    "safetensors": "artifacts/export artifacts/pretrained/weights",
    "sklearn": "artifacts/arrays data/digits evaluation/health",
    "submitit": "sweeps/launchers/slurm",
    "tensorboardX": "runs/tensorboard",
    "tensorflow_datasets": "data/tfds data/records",
    "trackio": "system/trackers/trackio",
    "wandb": "system/trackers/wandb",
}
"""Third-party package -> the only files that import it, by the beginning of their path."""
FORBIDDEN = ("configs", "experiments", "clu", "distrax", "tensorflow", "flax.training.checkpoints")


def imports(path):
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


def room(path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_the_order_names_every_room_once():
    assert sorted({room(path) for path in FILES}) == sorted(ORDER)
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert (len(folders), len(ORDER) - len(folders)) == (11, 7)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_stands_to_its_left(path):
    own, place = room(path), path.relative_to(PACKAGE).as_posix()
    for module, at_top in imports(path):
        first, *rest = module.split(".")
        assert not module.startswith(FORBIDDEN) or module.startswith("tensorflow_datasets"), f"{place} imports {module}"
        assert "_src" not in rest, f"{place} imports the private {module}"
        if first in ONLY_IN:
            assert place.startswith(tuple(ONLY_IN[first].split())), f"{place} imports {module}"
        if first == "vae_jax" and rest and rest[0] != own:
            assert ORDER.index(rest[0]) < ORDER.index(own), f"{place} imports {module}"
        if "figures" in rest and not place.startswith("artifacts/figures"):
            assert not at_top, f"{place} imports the figures at its top, and with them matplotlib"


def test_the_figures_import_nothing_of_ours_but_themselves():
    for path in (PACKAGE / "artifacts" / "figures").glob("*.py"):
        ours = {module for module, _ in imports(path) if module.startswith("vae_jax")}
        assert all(module.startswith("vae_jax.artifacts.figures") for module in ours), (path, ours)


def test_importing_the_package_and_its_main_loads_no_slow_library():
    slow = (
        "matplotlib",
        "sklearn",
        "scipy",
        "jinja2",
        "tensorflow_datasets",
        "tensorboardX",
        "PIL",
        "trackio",
        "wandb",
        "mlflow",
    )
    code = (
        "import sys, vae_jax, vae_jax.main, vae_jax.train; from vae_jax.config import command_line; vae_jax.load_run;"
        f"print([name for name in {slow} if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "[]"
