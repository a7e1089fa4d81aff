"""What the fuzz tests share: a command line run in process, watched for what may never happen, and hypothesis made repeatable."""

import contextlib
import io
import json
import signal
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
from hypothesis import strategies as st

from vae_jax import config as config_lib
from vae_jax import main
from vae_jax.config import registries
from vae_jax.config.table import unread
from vae_jax.errors import shown

garbage_texts = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(max_codepoint=31), min_size=1, max_size=4),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Lo"]), max_size=4),
    st.sampled_from(["", " ", "=", "a\nb", "a\r\nerror: b", "\x1b[2J", "\0", "\ud800", "\udcff", "\x85", "~nobody/x"]),
    st.integers(200, 20_000).map(lambda length: "x" * length),
)
nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | garbage_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
REGISTRIES = {name: list(names) for name, names in registries.names("digits").items()}
KEYS = [key.name for key in config_lib.KEYS]
FORCED = {
    "dataset": "digits", "num_train": "64", "batch_size": "32", "num_epochs": "1", "hidden_dims": "8", "channels": "4",
    "latent_dim": "2", "two_layer.upper_latent_dim": "2", "two_layer.upper_hidden_dims": "8", "importance.num_samples": "2",
    "importance.num_groups": "1", "eval.batch_size": "64", "cache_dir": "", "log.profile": "false",
    "log.tracker": "none",
}  # fmt: skip
"""Small and quick, on the digits that are inside scikit-learn, nothing written outside the workdir."""
SECONDS = 60
"""Of one example: no more than a guard against a hang."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    lines: list[str]
    """Of stderr, without their `error: `."""


def for_all(strategy: Any, count: int, check: Callable[[Any], None]) -> None:
    """Check `count` examples of a strategy, the same ones at every call; the smallest failing one is told."""

    @hypothesis.settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
    )
    @hypothesis.given(strategy)
    def each(example: Any) -> None:
        with no_longer_than(SECONDS):
            check(example)

    each()


@contextlib.contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """A context that raises TimeoutError where it hangs."""

    def hung(signum: int, frame: Any) -> None:
        raise TimeoutError(f"still busy after {seconds} s")

    previous = signal.signal(signal.SIGALRM, hung)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def run(argv: list[str]) -> Ended:
    """Run a command line in process: no exception leaves it, no warning is told, every line of stderr is an error's.

    What is told is printable: a control character would do something to the reader's terminal.
    """
    stderr = io.StringIO()
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stderr(stderr):
        warnings.simplefilter("always")
        code = main.run(argv)
    assert not warned, warned[0]
    lines = stderr.getvalue().split("\n")
    assert lines.pop() == "", "a half line"
    assert all(line.startswith("error: ") and line.isprintable() for line in lines), lines
    assert (code == 0) == (not lines), (code, lines)
    return Ended(code, [line.removeprefix("error: ") for line in lines])


def fitting(key: config_lib.Key) -> st.SearchStrategy[Any]:
    """Values that the key takes, mostly."""
    names = REGISTRIES.get(key.name, key.choices)
    if names:
        return st.sampled_from(list(names))
    if key.kind is tuple:
        return st.lists(st.integers(1, 64), max_size=3)
    return {int: st.integers(1, 64), float: st.floats(0, 1), bool: st.booleans(), str: st.text(max_size=8)}[key.kind]


def entries(*folders: Path) -> list[Path]:
    """All that lies in folders."""
    return sorted(path for folder in folders for path in folder.rglob("*"))


def forced(config: Any) -> list[tuple[str, str]]:
    """Return the pairs of FORCED whose keys the config's entries read."""
    left = unread(config_lib.flatten(config_lib.defaults()) | config_lib.flatten(config))
    return [(name, text) for name, text in FORCED.items() if name not in left]


def assert_refused(ended: Ended, words: list[str]) -> None:
    """Exit code 2, and every line begins with a key or with a word that was given."""
    given = {shown(word.partition("=")[0].removeprefix("--config.")) for word in words} - {""}
    assert ended.code == 2, ended
    for line in ended.lines:
        assert line.startswith((*KEYS, "--config", "--workdir", "--distributed", "an empty word", *given)), line


def train_two_steps(accepted: list[Any], count: int, start: Callable[[Any, Path], list[str]], folder: Path) -> None:
    """Train two steps with so many of what was accepted; others may be refused when the data are there.

    Args:
        accepted: of each, `start` makes a command line for a workdir, with FORCED in it.
        count: how many shall train; evenly spaced, the others in their place where these are refused.
        start: (what was accepted, workdir) -> the command line.
        folder: where workdirs may lie.
    """
    spacing, trained = max(1, len(accepted) // max(1, count)), 0
    order = sorted(range(len(accepted)), key=lambda i: (i % spacing, i))
    for i in order[: 2 * count]:
        workdir = folder / f"run{i}"
        argv = start(accepted[i], workdir)
        before = entries(workdir)
        with no_longer_than(SECONDS):
            ended = run(argv)
        if ended.code == 0:
            assert json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 2
            trained += 1
        else:
            assert ended.code == 1 or entries(workdir) == before, ended
            assert len(ended.lines) <= 2, ended
        if trained == count:
            break
    assert trained == count, f"only {trained} of {len(accepted)} accepted command lines trained"
