"""Console output: a progress bar on a terminal, plain lines elsewhere, aligned tables."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys

import pytest

from vae_jax.system.console import Console
from vae_jax.system.formatting import format_seconds, format_table, format_value, wrapped

LOOP = """
import sys, time
from vae_jax.system.console import Console
TERMS = {"loss": 120.0, "reconstruction": 78.125, "kl": 20.0}
with Console() as console:
    console.line("what runs")
    console.start(1000, 3, 1)
    for epoch in (2, 3):
        for _ in range(4):
            time.sleep(float(sys.argv[1]))
            console.advance(epoch, 250, TERMS)
        train = {f"train/{name}": value for name, value in TERMS.items()}
        console.epoch_line(epoch, 3, train | {"val/elbo": -101.5, "val/kl": 21.0})
    console.stop()
    console.line("the end")
print("still here", file=sys.stderr)
"""
PLAIN = """what runs
epoch 2/3  train elbo -98.12 | val elbo -101.50  kl 21.00
epoch 3/3  train elbo -98.12 | val elbo -101.50  kl 21.00
the end
"""


def in_terminal(code: str, *arguments: str, columns: int = 100) -> str:
    """Return the output of a program to a terminal of 30 lines."""
    ours, theirs = pty.openpty()
    # COLUMNS, which pytest-xdist sets for its workers, would take precedence over the terminal.
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    os.system(f"stty cols {columns} rows 30 < {os.ttyname(theirs)}")
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=theirs, env=environment)
    os.close(theirs)
    chunks = []
    try:
        while chunk := os.read(ours, 4096):
            chunks.append(chunk)
    except OSError:  # on Linux, the other end is closed
        pass
    os.close(ours)
    assert process.wait(20) == 0
    return b"".join(chunks).decode()


def screen(output: str) -> list[str]:
    """Return the lines that remain visible: a carriage return overwrites a line, an erase code cuts it."""
    lines = []
    for line in output.replace("\r\n", "\n").split("\n"):
        seen = ""
        for part in re.split("\r", line):
            part = part.removeprefix("\x1b[K") if (erased := part.startswith("\x1b[K")) else part
            seen = part if erased else part + seen[len(part) :]
        lines.append(seen.rstrip())
    return lines


@pytest.mark.parametrize("columns", [100, 56])
def test_a_terminal_shows_a_bar_and_is_clean_afterwards(columns):
    output = in_terminal(LOOP, "0.12", columns=columns)
    assert "epoch 2/3 |" in output
    assert "images/s" in output
    plain = PLAIN if columns == 100 else PLAIN.replace("epoch ", "")
    assert screen(output) == plain.split("\n")
    assert all(len(part) <= columns for part in re.split(r"[\r\n]", output) if "epoch 3/3 |" in part)
    if columns == 100:
        assert re.search(r"ETA \d\d:\d\d  elbo -98\.12", output)
        assert re.search(r" (3|4|5)\d%", output)


def test_a_terminal_says_at_once_that_jax_is_starting_and_an_error_is_wrapped_between_words():
    code = (
        "from vae_jax import main; main.run(['--config=configs/vae.py', '--config.model=a_name_that_does_not_exist'])"
    )
    first, *error = screen(
        in_terminal(code.replace("main.run", "import sys; sys.stderr = sys.stdout; main.run"), columns=60)
    )
    assert first == "starting JAX ..."
    assert error[0].startswith("error: model=a_name_that_does_not_exist: ")
    assert len(list(filter(None, error))) > 1
    assert all(len(line) <= 60 for line in error)
    assert all(line.startswith("  ") for line in error[1:] if line)
    assert screen(in_terminal("from vae_jax import main; main.run(['--help'])"))[0].startswith("usage: ")


def test_fast_epochs_are_not_drawn_at_every_chunk():
    code = LOOP.replace("range(4)", "range(2000)").replace("advance(epoch, 250", "advance(epoch, 1")
    assert in_terminal(code, "0").count("\r") < 60


def test_without_a_terminal_there_are_plain_lines():
    done = subprocess.run([sys.executable, "-c", LOOP, "0"], capture_output=True, check=True)
    assert done.stdout.decode().replace(os.linesep, "\n") == PLAIN


def test_a_closed_pipe_does_not_stop_the_program():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", LOOP, "0"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"still here\n")


def test_an_interrupted_program_removes_its_bar():
    stream = io.StringIO()
    with contextlib.suppress(KeyboardInterrupt), Console(stream, interactive=True) as console:
        console.start(100, 2)
        console.advance(1, 50, {"loss": float("nan")})
        raise KeyboardInterrupt
    assert screen(stream.getvalue()) == [""]


def test_a_count_has_a_bar_that_starts_at_the_given_number():
    stream = io.StringIO()
    with Console(stream, interactive=True) as console:
        console.start_count("log p(x)", 1000, 256)
        console.count(256)
        console.line("a line")
    assert "log p(x) |" in stream.getvalue()
    assert " 256 of 1000 " in stream.getvalue()
    assert " 512 of 1000 " in stream.getvalue()
    assert re.search(r"images/s  ETA ", stream.getvalue())
    assert screen(stream.getvalue()) == ["a line", ""]
    plain = io.StringIO()
    with Console(plain) as console:
        console.start_count("log p(x)", 1000)
        console.count(1000)
    assert plain.getvalue() == ""


def test_a_work_has_one_bar_whose_words_change_and_that_never_goes_back():
    stream = io.StringIO()
    with Console(stream, interactive=True) as console:
        console.work("refining, 20 s left", 0.25)
        console.work("annealing, 10 s left", 0.6)
        console.work("annealing, 12 s left", 0.5)
        console.line("a line")
    assert "|  25%  refining, 20 s left" in stream.getvalue().replace(" |  25%", "|  25%")
    assert " 60%  annealing, 12 s left" in stream.getvalue()
    assert " 50%" not in stream.getvalue()
    assert screen(stream.getvalue()) == ["a line", ""]
    plain = io.StringIO()
    with Console(plain) as console:
        console.work("refining, 20 s left", 0.25)
    assert plain.getvalue() == ""


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with Console(stream) as console:
        console.start(100, 2)
        console.line("a line")
    assert stream.getvalue() == "a line\n"


def epoch_lines(*epochs: tuple[int, dict[str, float], bool]) -> list[str]:
    stream = io.StringIO()
    with Console(stream) as console:
        for epoch, metrics, best in epochs:
            console.epoch_line(epoch, 200, metrics, best)
    return stream.getvalue().splitlines()


def test_epoch_lines_are_aligned_and_mark_the_best():
    vae = {
        "train/loss": 98.0,
        "train/reconstruction": 77.0,
        "train/kl": 20.0,
        "val/loss": 101.3,
        "val/elbo": -101.3,
        "val/reconstruction": 80.1,
        "val/kl": 21.2,
        "val/mse": 0.1,
    }
    first, second, third = epoch_lines(
        (9, vae, True), (10, vae | {"val/elbo": -99.9, "val/loss": 99.9}, False), (200, vae, True)
    )
    assert first == ("epoch   9/200  train elbo -97.00 | val elbo -101.30  reconstruction 80.10  kl 21.20 *")
    assert second == "epoch  10/200  train elbo -97.00 | val elbo  -99.90  reconstruction 80.10  kl 21.20"
    assert third.endswith("21.20 *")


def test_a_loss_that_is_not_minus_the_elbo_is_in_the_line():
    iwae = {"val/loss": 99.0, "val/elbo": -101.3, "val/reconstruction": 80.1, "val/kl": 21.2}
    assert epoch_lines((9, iwae, True)) == ["epoch   9/200 | val elbo -101.30  kl 21.20  loss 99.00 *"]


def test_epoch_lines_without_elbo_or_without_evaluation():
    ae = {"train/loss": 9.0, "val/loss": 9.5, "val/reconstruction": 9.5, "val/mse": 0.0123, "val/mse_mean": 0.0123}
    first, second = epoch_lines((1, ae, False), (2, {"train/loss": 8.0}, False))
    assert first == "epoch   1/200  train loss  9.00 | val loss  9.50  mse 0.01230"
    assert second == "epoch   2/200  train loss  8.00"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("elbo", -101.346, "-101.35"),
        ("test/mse_mean", 0.0123456, "0.01235"),
        ("active_units", 20.0, "20"),
        ("active_units", 19.5, "19.50"),
        ("count", 1234567, "1,234,567"),
        ("kl", float("nan"), "nan"),
        ("elbo", -1.5e9, "-1.5e+09"),
        ("elbo", None, "-"),
        ("shape", "(64, 512)", "(64, 512)"),
    ],
)
def test_values_are_printed_with_significant_digits(name, value, text):
    assert format_value(name, value) == text


def test_the_columns_of_a_table_are_aligned():
    table = format_table(["train", "test"], [("elbo", [-98.1, -101.0]), ("mse", [0.01, None])])
    assert table.split("\n") == [
        "        train     test",
        "----------------------",
        "elbo   -98.10  -101.00",
        "mse   0.01000        -",
    ]
    assert format_table(["train"], []) == "  train\n-------"


@pytest.mark.parametrize(
    ("num_epochs", "every", "printed"),
    [(100, [1, 10], 20), (1000, [3], 20), (20, [1], 20), (21, [1], 11), (50, [1, 10], 10), (30, [1, 10], 15)],
)
def test_a_terminal_shows_at_most_20_epoch_lines_the_validated_and_the_last_among_them(num_epochs, every, printed):
    stream, plain = io.StringIO(), io.StringIO()
    for console in (Console(stream, interactive=True), Console(plain, interactive=False)):
        console.start(100, num_epochs, 0, every)
        for epoch in range(1, num_epochs + 1):
            validated = epoch % every[0] == 0 or epoch == num_epochs
            metrics = {"train/loss": 1.0} | ({"val/loss": 2.0} if validated else {})
            console.epoch_line(epoch, num_epochs, metrics)
        console.stop()
    lines = [line for line in screen(stream.getvalue()) if line]
    assert len(lines) == printed
    assert all("val loss" in line for line in lines)
    assert f"{num_epochs}/{num_epochs}  train" in lines[-1]
    assert plain.getvalue().count("\n") == num_epochs


def test_long_lines_are_wrapped_between_words_on_a_terminal_alone(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = "  stopped; resume with: python -m vae_jax.main --workdir='my runs/a long name' --config.num_epochs=200"
    broken = [
        "  stopped; resume with:",
        "    python -m vae_jax.main \\",
        "      --workdir='my runs/a long name' \\",
        "      --config.num_epochs=200",
    ]
    prose = "x is one image of shape (8, 8, 1), without a batch-axis"
    for interactive, lines in ((True, broken), (False, [text])):
        stream = io.StringIO()
        console = Console(stream, interactive=interactive)
        console.line(text)
        assert stream.getvalue().splitlines() == lines
    assert wrapped(prose, 40) == "x is one image of shape (8, 8, 1),\n  without a batch-axis"
    assert wrapped(prose, 55) == prose
    resume = "stopped; resume with: vae-jax sweep --config=vae --over=latent_dim=2,8"
    expected = "stopped; resume with:\n  vae-jax sweep --config=vae \\\n    --over=latent_dim=2,8"
    assert wrapped(resume, 40) == expected
    python = 'in Python: run = vae_jax.load_run("a folder/with/a/long/name")'
    assert wrapped(python, 40) == python
    assert wrapped("beta=-1: at least 0; choices: 1, or leave out --config.beta=-1", 60).count("\\") == 0
    assert wrapped("y" * 50 + " z", 40) == "y" * 50 + "\n  z"
    assert wrapped("a\n\nb", 40) == "a\n\nb"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3600 + 125, "1 h 2 min")]
)
def test_times_are_printed_in_the_units_of_a_person(seconds, text):
    assert format_seconds(seconds) == text
