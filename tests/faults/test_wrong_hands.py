"""Files that someone else made: none of them is executed, none is written outside its place, and every output is whole."""

import ast
import functools
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, environment
from fuzzing import run

from vae_jax import config as config_lib
from vae_jax import film
from vae_jax.nll import record

SOURCES = sorted(path for folder in ("vae_jax", "configs", "experiments") for path in (ROOT / folder).rglob("*.py"))
EXECUTING_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "yaml", "runpy", "imp"}
EXECUTING_CALLS = {"eval", "exec", "compile", "__import__", "import_module", "system", "popen", "unsafe_load"}
CONFIG_FILES = {("vae_jax/config/validation.py", "exec"), ("vae_jax/config/validation.py", "compile")}
"""The one place: a config file is Python, by ml_collections' convention, and README.md says whose to run."""
IN_PLACE = {
    "vae_jax/data/arrays.py": "into the cache's scratch folder, moved when whole",
    "vae_jax/data/cache.py": "into the cache's scratch folder, moved when whole",
    "vae_jax/data/idx.py": "into memory",
    "vae_jax/data/rows.py": "into the cache's scratch folder, moved when whole",
    "vae_jax/figures/animation.py": "into memory",
    "vae_jax/figures/export.py": "into memory",
    "vae_jax/nll/record.py": "into memory",
    "vae_jax/checkpoint/manifest.py": "to a temporary name, renamed",
    "vae_jax/film.py": "to a temporary name, renamed",
    "vae_jax/workdir.py": "to a temporary name, renamed",
    "vae_jax/writer.py": "metrics.jsonl only grows, row by row; cut, it is renamed",
    "vae_jax/train.py": "/dev/null",
    "vae_jax/population/training.py": "/dev/null",
    "experiments/benchmarks/train_speed.py": "/dev/null",
    "experiments/benchmarks/nll_contenders.py": "images for another process, into a scratch folder",
    "experiments/benchmarks/peers.py": "images for other processes, into a scratch folder",
    "experiments/benchmarks/point.py": "the answer of a process, read when it has ended well",
    "experiments/benchmarks/peers_code/common.py": "the answer of a process, read when it has ended well",
    "experiments/benchmarks/peers_code/nll_with_pythae.py": "the answer of a process, read when it has ended well",
    "experiments/benchmarks/peers_code/processes.py": "a log, read by people",
    "experiments/benchmarks/peers_code/contestants.py": "a note that is made again unless it is whole",
}
"""Sources that write a file by other means than workdir.write, and why they may."""


class Payload:
    """What runs a command of its own when it is unpickled: it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path) -> Path:
    """What the payload would make; it would, where someone let it."""
    pickle.loads(pickle.dumps(Payload(tmp_path / "executed")))
    (tmp_path / "executed").rmdir()
    return tmp_path / "executed"


@functools.cache
def nodes() -> list[tuple[str, ast.AST]]:
    """(source, node) of everything in the sources."""
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    return [(source, node) for source, tree in trees.items() for node in ast.walk(tree)]


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """(source, name of what is called, the call) of every call."""
    for source, node in nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield source, node.func.id if isinstance(node.func, ast.Name) else node.func.attr, node


def keywords(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@pytest.mark.fault("files that carry code")
def test_no_source_executes_what_it_reads_but_config_files(record_property):
    found = set()
    for source, name, call in calls():
        bare = isinstance(call.func, ast.Name) or ast.unparse(call.func).startswith(("os.", "importlib.", "yaml."))
        if (bare and name in EXECUTING_CALLS) or "shell" in keywords(call):
            found.add((source, name))
        if ast.unparse(call.func) in ("np.load", "numpy.load", "torch.load") or "allow_pickle" in keywords(call):
            assert keywords(call).get("allow_pickle") == "False", f"{source}: {ast.unparse(call)}"
    assert found == CONFIG_FILES
    for source, node in nodes():
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {module.partition(".")[0] for module in modules} & EXECUTING_MODULES, source
    record_property("tried", len(SOURCES))


@pytest.mark.fault("files that carry code")
def test_the_readme_says_once_whose_config_files_to_run():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert text.count("Config files are Python: run only those that you trust.") == 1


def pickled(mark: Path) -> dict[str, bytes]:
    """Names of files -> contents that NumPy would unpickle where it is let."""
    array = np.array([Payload(mark)], object)
    files = {"bare.npy": pickle.dumps(Payload(mark)), "bare.npz": pickle.dumps(Payload(mark))}
    for name, save in {
        "array.npy": lambda file: np.save(file, array, allow_pickle=True),
        "images.npz": lambda file: np.savez(file, images=array),
        "labels.npz": lambda file: np.savez(file, images=np.zeros((30, 4, 4), np.uint8), labels=array),
        "fields.npz": lambda file: np.savez(file, **dict.fromkeys(record.FINGERPRINT, array)),
    }.items():
        buffer = io.BytesIO()
        save(buffer)
        files[name] = buffer.getvalue()
    return files


@pytest.mark.fault("files that carry code")
def test_a_pickle_is_refused_and_not_run(tmp_path, mark, record_property):
    for name, content in pickled(mark).items():
        (tmp_path / name).write_bytes(content)
        given = [
            f"--config.data_dir={tmp_path / name}",
            f"--config.cache_dir={tmp_path}/cache",
            f"--workdir={tmp_path}/run",
        ]
        ended = run(["--config=configs/vae.py", "--config.dataset=arrays", *given])
        if name != "fields.npz":
            assert ended.code == 2
            assert "pickled Python objects are never loaded" in ended.lines[0]
        assert record.read(tmp_path / name) is None
        frame = tmp_path / film.FOLDER / "0.npy"
        frame.parent.mkdir(exist_ok=True)
        frame.write_bytes(content)
        assert film.load_film(tmp_path, 1) is None
        assert not mark.exists(), name
    record_property("tried", 3 * len(pickled(mark)))


@pytest.mark.fault("paths that lead outside")
def test_no_name_in_an_archive_leads_outside(tmp_path, record_property):
    names = ["../images", "../../images", "/tmp/vae_jax_images", "a/../../images", "images/../../x", "..\\images"]
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((30, 4, 4), np.uint8))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", buffer.getvalue())
    given = [f"--config.data_dir={tmp_path}/x.npz", f"--config.cache_dir={tmp_path}/a/b/cache"]
    ended = run(["--config=configs/vae.py", "--config.dataset=arrays", *given, f"--workdir={tmp_path}/run"])
    assert ended.code == 2
    assert "no array named images" in ended.lines[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "x.npz"]
    assert not Path("/tmp/vae_jax_images.npy").exists()
    record_property("tried", len(names))


@pytest.mark.slow
@pytest.mark.fault("files that carry code")
def test_nothing_in_a_workdir_is_executed(tmp_path, mark, record_property):
    config = config_lib.defaults()
    config.update({"num_train": 64, "batch_size": 32, "num_epochs": 1, "hidden_dims": (8,), "latent_dim": 2})
    config.log.latent_every_steps = 1
    workdir = tmp_path / "run"
    (workdir / film.FOLDER).mkdir(parents=True)
    (workdir / "config.json").write_text(config_lib.to_json(config))
    modules = [
        "config",
        "get_config",
        "conftest",
        "sitecustomize",
        "usercustomize",
        "json",
        "jax",
        "numpy",
        "vae_jax",
        "__init__",
    ]
    for module in [*modules, "__main__", "setup"]:
        (workdir / f"{module}.py").write_text(f"import os\nos.makedirs({str(mark)!r}, exist_ok=True)\n")
    (workdir / "evil.pth").write_text(f"import os; os.makedirs({str(mark)!r})\n")
    for name, content in pickled(mark).items():
        for place in (workdir / name, workdir / "nll.npz", workdir / "results.json", workdir / film.FOLDER / "0.npy"):
            place.write_bytes(content)
    tried = (["vae_jax.main"], ["experiments.visualize", "--only=animation"], ["experiments.nll", "--samples=2"])
    for module, *flags in tried:
        command = [sys.executable, "-m", module, f"--workdir={workdir}", *flags]
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert not mark.exists(), command
    assert json.loads((workdir / "results.json").read_text())["step"] == 2
    record_property("tried", len(tried))


@pytest.mark.fault("a stop while a file is written")
def test_every_output_is_written_to_a_temporary_name_and_renamed(record_property):
    writing = {"write_text", "write_bytes", "savefig", "savez", "savez_compressed", "tofile", "imsave", "copyfileobj"}
    found = set()
    for source, name, call in calls():
        words = [ast.unparse(argument) for argument in call.args] + list(keywords(call).values())
        opened = name == "open" and any(word.strip("'\"")[:1] in ("w", "a", "x") and len(word) < 6 for word in words)
        saved = name in ("save", "dump") and ast.unparse(call.func).partition(".")[0] not in (
            "record",
            "checkpoints",
            "manager",
        )
        if name in writing or opened or (saved and isinstance(call.func, ast.Attribute)):
            found.add(source)
    assert found == set(IN_PLACE)
    record_property("tried", len(SOURCES))
