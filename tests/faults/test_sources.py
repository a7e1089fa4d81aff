"""Rules for the sources: no input is executed, and no output is written in a way that a stop leaves incomplete."""

import ast
import functools
from collections.abc import Iterator

import pytest
from support.commands import ROOT

SOURCES = sorted(path for folder in ("vae_jax", "configs", "experiments") for path in (ROOT / folder).rglob("*.py"))
EXECUTING_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "yaml", "runpy", "imp"}
EXECUTING_CALLS = {"eval", "exec", "compile", "__import__", "import_module", "system", "popen", "unsafe_load"}
CONFIG_FILES = {("vae_jax/config/reading.py", "exec"), ("vae_jax/config/reading.py", "compile")}
OUR_OWN = {("vae_jax/__init__.py", "import_module"), ("vae_jax/commands/__init__.py", "import_module")}
"""CONFIG_FILES is the only exception: a config file is Python, as usual with ml_collections, and README.md warns about it."""
IN_PLACE = {
    "experiments/faults/started.py": "what a started process prints, into a scratch folder",
    "vae_jax/data/array_file.py": "into the cache's scratch folder, moved when whole",
    "vae_jax/data/cache.py": "into the cache's scratch folder, moved when whole",
    "vae_jax/data/codes.py": "into memory",
    "vae_jax/data/images.py": "into memory",
    "vae_jax/data/mapped.py": "into the cache's scratch folder, moved when whole",
    "vae_jax/artifacts/figures/animation.py": "into memory",
    "vae_jax/artifacts/figures/files.py": "into memory",
    "vae_jax/evaluation/nll/record.py": "into memory",
    "vae_jax/system/locks.py": "the lock itself",
    "vae_jax/runs/latent_frames.py": "into memory",
    "vae_jax/system/disk.py": "to a temporary name, renamed",
    "vae_jax/runs/writer.py": "metrics.jsonl only grows, row by row",
    "vae_jax/train.py": "/dev/null",
    "vae_jax/sweeps/launchers/task.py": "a log, read by people",
    "vae_jax/sweeps/population/loop.py": "/dev/null",
    "experiments/benchmarks/nll_contenders.py": "images for another process, into a scratch folder",
    "experiments/benchmarks/peers.py": "images for other processes, into a scratch folder",
    "experiments/benchmarks/point.py": "the answer of a process, read when it has ended well",
    "experiments/benchmarks/pythae_loop.py": "/dev/null",
    "experiments/benchmarks/peers_code/common.py": "the answer of a process, read when it has ended well",
    "experiments/benchmarks/peers_code/nll_with_pythae.py": "the answer of a process, read when it has ended well",
    "experiments/benchmarks/peers_code/processes.py": "a log, read by people",
    "experiments/benchmarks/peers_code/contestants.py": "a note that is made again unless it is whole",
}
"""{source that writes a file without `disk.write`: the reason why it may}."""


@functools.cache
def nodes() -> list[tuple[str, ast.AST]]:
    """Return (source, node) for every node in the sources."""
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    return [(source, node) for source, tree in trees.items() for node in ast.walk(tree)]


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield (source, name of the function, call) for every call."""
    for source, node in nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            yield source, node.func.id if isinstance(node.func, ast.Name) else node.func.attr, node


def is_bare(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) or ast.unparse(call.func).startswith(("os.", "importlib.", "yaml."))


def keywords(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@pytest.mark.fault("files that carry code")
def test_only_config_files_are_executed(record_property):
    found = set()
    for source, name, call in calls():
        named = {keyword.arg for keyword in call.keywords}
        if (name in EXECUTING_CALLS and is_bare(call)) or "shell" in named:
            found.add((source, name))
        loads = name == "load" and ast.unparse(call.func) in ("np.load", "numpy.load", "torch.load")
        if loads or "allow_pickle" in named:
            assert keywords(call).get("allow_pickle") == "False", f"{source}: {ast.unparse(call)}"
    assert found == CONFIG_FILES | OUR_OWN
    for source, node in nodes():
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {module.partition(".")[0] for module in modules} & EXECUTING_MODULES, source
    record_property("tried", len(SOURCES))


@pytest.mark.fault("files that carry code")
def test_the_readme_warns_once_about_untrusted_config_files():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert text.count("Config files are Python code: run only files that you trust.") == 1


@pytest.mark.fault("a stop while a file is written")
def test_every_output_is_written_to_a_temporary_name_and_renamed(record_property):
    writing = {"write_text", "write_bytes", "savefig", "savez", "savez_compressed", "tofile", "imsave", "copyfileobj"}
    found = set()
    for source, name, call in calls():
        words = [ast.unparse(argument) for argument in call.args] + list(keywords(call).values())
        opened = name == "open" and any(word.strip("'\"")[:1] in ("w", "a", "x") and len(word) < 6 for word in words)
        # Checkpoints are written by orbax, which renames; an image and safetensors are written to memory.
        owners = ("record.", "checkpoints.", "_store.", "_open()", "picture.", "safetensors.")
        saved = name in ("save", "dump") and not any(owner in ast.unparse(call.func) for owner in owners)
        if name in writing or opened or (saved and isinstance(call.func, ast.Attribute)):
            found.add(source)
    assert found == set(IN_PLACE)
    record_property("tried", len(SOURCES))
