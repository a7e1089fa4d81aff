"""Runs in unusual environments: no home, no terminal, another locale, clocks set back, unusual paths."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import FAMILIES, ROOT, TINY, digest, environment, execute, results_of

from vae_jax import main
from vae_jax.runs.writer import read_metrics

pytestmark = pytest.mark.fault("odd surroundings: clock, locale, paths, no HOME, no terminal, closed stdout")
FLAGS = ["--config.num_epochs=2", "--config.checkpoint.every_epochs=1"]
NAMES = {
    "spaces and quotes": "a 'run' with \"quotes\" and  spaces",
    "non-ASCII": "Läufe/模型/прогон/🜂",
    "long": "/".join(["x" * 250] * 10),
    "shell": "$(touch nothing); `ls` & # *",
}


def arguments(workdir: Path, *flags: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "vae_jax.main",
        f"--config={FAMILIES['ae']}",
        *TINY,
        *FLAGS,
        f"--workdir={workdir}",
        *flags,
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """Return a run that every other run in this file must equal."""
    workdir = tmp_path_factory.mktemp("plain") / "run"
    execute(workdir, FAMILIES["ae"], *FLAGS)
    return workdir


def assert_same(workdir: Path, plain: Path) -> None:
    assert digest(workdir) == digest(plain)
    assert (workdir / "metrics.jsonl").read_bytes() == (plain / "metrics.jsonl").read_bytes()
    assert results_of(workdir) == results_of(plain)
    assert sorted(path.name for path in (workdir / "figures").iterdir()) == sorted(
        path.name for path in (plain / "figures").iterdir()
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_any_path_can_be_the_workdir(tmp_path, plain, name):
    workdir = tmp_path / NAMES[name]
    execute(workdir, FAMILIES["ae"], *FLAGS)
    assert_same(workdir, plain)
    out = execute(workdir, None)
    assert "complete: 2 epochs" in out
    command = (
        out.splitlines()[-1].removeprefix("train further: ").replace("--config.num_epochs=4", "--config.num_epochs=2")
    )
    again = subprocess.run(
        command, shell=True, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert "complete: 2 epochs" in again.stdout, again.stderr
    assert not (ROOT / "nothing").exists()


SURROUNDINGS = {
    "locale C": {"LC_ALL": "C", "LANG": "C"},
    "ASCII output": {"PYTHONIOENCODING": "ascii"},
    "optimised": {"PYTHONOPTIMIZE": "1"},
    "no home": {"HOME": None, "XDG_CACHE_HOME": None, "USER": None, "LOGNAME": None},
    "home that cannot be": {"HOME": "/dev/null/home", "XDG_CACHE_HOME": None, "MPLCONFIGDIR": None},
    "dumb terminal": {"TERM": "dumb", "COLUMNS": "1"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_run_is_the_same_in_any_environment(tmp_path, plain, name):
    given = environment() | SURROUNDINGS[name]
    env = {key: value for key, value in given.items() if value is not None}
    done = subprocess.run(
        arguments(tmp_path / "Läufe"), cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"Traceback" not in done.stderr
    assert_same(tmp_path / "Läufe", plain)


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["| head -1", "| head -1 2>&1", "> /dev/full", ">&-", ">&- 2>&-", "| true"])
def test_a_closed_pipe_does_not_stop_a_run(tmp_path, plain, streams):
    """The exit code of the run is written to a file, because the pipe would hide it."""
    words = " ".join(f'"{word}"' for word in arguments(tmp_path / "run"))
    script = f"{{ {words}; echo $? > {tmp_path}/code; }} {streams}"
    subprocess.run(["bash", "-c", script], cwd=ROOT, env=environment(), capture_output=True, timeout=120, check=False)
    assert (tmp_path / "code").read_text() == "0\n"
    assert_same(tmp_path / "run", plain)


def test_help_can_be_piped_to_a_reader_that_closes_early(tmp_path):
    script = f"{sys.executable} -m vae_jax.main --help | head -1"
    done = subprocess.run(script, shell=True, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("usage: ")
    assert done.stderr == ""


def test_help_on_a_full_disk_is_an_error_of_one_line():
    script = f"{sys.executable} -m vae_jax.main --help > /dev/full"
    done = subprocess.run(script, shell=True, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write the output of this command")
    assert len(done.stderr.splitlines()) == 1


CLOCK = """
import time
_time, _time_ns = time.time, time.time_ns
time.time, time.time_ns = (lambda: _time() - 3e8), (lambda: _time_ns() - int(3e17))
"""


@pytest.mark.slow
def test_a_clock_that_is_set_back_neither_drops_nor_duplicates_rows(tmp_path, plain):
    """The second half of the run has a clock ten years before the first."""
    execute(tmp_path / "run", FAMILIES["ae"], *FLAGS, "--config.num_epochs=1", "--config.log.tensorboard=true")
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(CLOCK)
    env = environment() | {"PYTHONPATH": f"{tmp_path / 'clock'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    subprocess.run(arguments(tmp_path / "run"), cwd=ROOT, env=env, check=True, capture_output=True, timeout=120)
    assert digest(tmp_path / "run") == digest(plain)
    assert [row["step"] for row in read_metrics(tmp_path / "run")] == [row["step"] for row in read_metrics(plain)]


@pytest.mark.parametrize(
    ("place", "words"),
    [("x" * 256, "longer"), ("y/" * 3000, "longer"), ("new/" + "x" * 300, "longer"), ("nul\0", "control characters")],
)
def test_an_impossible_path_is_reported_in_one_line(tmp_path, capsys, place, words):
    assert main.run([f"--config={ROOT}/configs/vae.py", f"--workdir={tmp_path}/{place}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --workdir=")
    assert words in line
    assert list(tmp_path.iterdir()) == []


def test_a_path_in_another_encoding_is_reported_in_one_line(tmp_path):
    """Latin-1 in a UTF-8 locale; in an ASCII locale this concerns every other letter."""
    *words, _ = arguments(tmp_path)
    place = b"--workdir=" + os.fsencode(tmp_path) + b"/L\xe4ufe"
    done = subprocess.run(
        [*map(os.fsencode, words), place], cwd=ROOT, env=environment(), capture_output=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: --workdir=")
    assert b"bytes that are not UTF-8" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
