"""Random command lines: each is accepted, or refused with exit code 2 and a line for every wrong word."""

import json
from pathlib import Path

import pytest
from hypothesis import strategies as st
from support.fuzzing import (
    assert_refused,
    entries,
    fitting,
    for_all,
    forced,
    garbage_texts,
    nested,
    run,
    train_two_steps,
)

from vae_jax import config as config_lib
from vae_jax import train
from vae_jax.config import command_line

VAE = "--config=configs/vae.py"
numbers = st.one_of(
    st.integers(-3, 70).map(str),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(
        [
            "0",
            "-0",
            "1e999",
            "nan",
            "-inf",
            "1e-320",
            "1e30",
            "1e38",
            "1_0",
            "0x10",
            "2**31",
            "2147483648",
            "4294967296",
            "1j",
            "١٢",
            "½",
            "1,5",
        ]
    ),
    st.sampled_from(["9" * 5000, "0x" + "f" * 5000, "1" + "0" * 400]),
)
expressions = st.one_of(
    st.lists(numbers, max_size=4).map(",".join),
    st.lists(numbers, max_size=3).map(lambda found: f"({', '.join(found)})"),
    nested.map(json.dumps),
    nested.map(repr),
    st.sampled_from(
        ["__import__('os')", "1 if 1else 2", "'\\d'", "{[]: 1}", "{1, 2}", "f'{1}'", "(1", "1)", "#", "\\", "1+2j"]
    ),
    st.sampled_from(["(" * 150 + ")" * 150, "[" * 100_000, "-" * 100_000 + "1", "1," * 20_000]),
)
garbage = numbers | expressions | garbage_texts


@st.composite
def settings(draw: st.DrawFn) -> list[str]:
    """Draw one override as words: a key or a misspelt one, a valid or invalid value or none, with or without =."""
    key = draw(st.sampled_from(config_lib.KEYS))
    name, kind = key.name, draw(st.integers(0, 9))
    if kind == 0:
        place = draw(st.integers(0, len(name)))
        name = name[:place] + draw(st.sampled_from(["", "x", ".", "_", "é"])) + name[place + 1 :]
    elif kind == 1:
        name = draw(
            st.sampled_from([f"{name}.x", f"eval.{name}", "eval", "log", "", ".", "__class__", "items"]) | garbage_texts
        )
    value = draw(fitting(key).map(str) if draw(st.integers(0, 9)) < 6 else garbage)
    form = draw(st.integers(0, 9))
    if form == 0:
        return [f"--config.{name}"]
    return [f"--config.{name}", value] if form == 1 else [f"--config.{name}={value}"]


flags = st.one_of(
    st.sampled_from(["--config", "--workdir", "--config=", "--workdir=", "--config.", "--", "-", "", "--config.=1"]).map(
        lambda word: [word]
    ),
    st.tuples(st.sampled_from(["--config", "--workdir"]), garbage_texts).map(lambda pair: ["=".join(pair)]),
    garbage_texts.map(lambda text: [text]),
    garbage_texts.filter(lambda text: text.count(",") != 2).map(lambda text: [f"--distributed={text or ','}"]),
)  # fmt: skip
lines = st.lists(st.integers(0, 19).flatmap(lambda n: flags if n == 0 else settings()), min_size=1, max_size=3).map(
    lambda groups: [word for group in groups for word in group]
)


@pytest.mark.fault("random overrides on the command line")
@pytest.mark.parametrize(("count", "trained"), [(60, 0), pytest.param(2140, 100, marks=pytest.mark.slow)])
def test_a_random_command_line_is_accepted_or_refused(count, trained, tmp_path, monkeypatch, record_property):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    accepted: list[list[str]] = []

    def check(words: list[str]) -> None:
        argv = [VAE, f"--workdir={tmp_path}/run", *words]
        ended = run(argv)
        if ended.code == 0:
            accepted.append(words)
        else:
            assert_refused(ended, words)

    before = entries(tmp_path, Path("runs"))
    with monkeypatch.context() as patch:
        patch.setattr(train, "train_and_evaluate", lambda config, workdir, *_: {})
        for_all(lines, count, check)
    assert entries(tmp_path, Path("runs")) == before
    monkeypatch.setattr(train, "conclude", lambda *given: {})  # no figures: they take most of a short run
    train_two_steps(accepted, trained, as_run, tmp_path / "runs")
    record_property("tried", count)


def as_run(words: list[str], workdir: Path) -> list[str]:
    """Return the command line of a small run in workdir."""
    argv = [VAE, *words]
    flags = command_line.parse(argv)
    config = command_line.read_file(flags.config, flags.overrides)
    return [*argv, *(f"--config.{name}={text}" for name, text in forced(config)), f"--workdir={workdir}"]
