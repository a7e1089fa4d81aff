"""A damaged config.json of a run, in bytes or structure: accepted, or refused in one line; never modified."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from support.fuzzing import KEYS, entries, fitting, for_all, forced, garbage_texts, nested, run, train_two_steps

from vae_jax import config as config_lib
from vae_jax import train
from vae_jax.config.table import BY_NAME

TEXT = config_lib.to_json(config_lib.defaults())
SECTIONS = ["eval", "log", "checkpoint"]
RAW = {
    "@digits": "9" * 5000,
    "@negative": "-" + "9" * 400,
    "@huge": "1e999",
    "@tiny": "1e-320",
    "@nan": "NaN",
    "@infinity": "-Infinity",
    "@deep": "[" * 100_000,
    "@closed": "[" * 900 + "]" * 900,
    "@objects": '{"a":' * 400 + "1" + "}" * 400,
    "@twice": '1, "latent_dim": 2',
}
"""{placeholder: JSON text that json.dumps does not write}."""


@st.composite
def damaged_bytes(draw: st.DrawFn) -> bytes:
    """Return the file truncated, with bits flipped, bytes inserted or removed, or in another encoding."""
    text = bytearray(TEXT.encode())
    for _ in range(draw(st.integers(1, 3))):
        place, kind = draw(st.integers(0, len(text))), draw(st.integers(0, 9))
        if kind == 0:
            del text[place:]
        elif kind <= 4 and place < len(text):
            text[place] ^= 1 << draw(st.integers(0, 7))
        elif kind <= 6:
            text[place:place] = draw(
                st.binary(min_size=1, max_size=4) | st.sampled_from([b"\0", b"\xff", b",", b"}", b'"', b"9"])
            )
        elif kind <= 8:
            del text[place : place + draw(st.integers(1, 20))]
        else:
            return TEXT.encode(draw(st.sampled_from(["utf-16", "utf-32", "utf-8-sig"])))
    return bytes(text)


@st.composite
def damaged_structure(draw: st.DrawFn) -> bytes:
    """Return the object with keys removed, renamed, nested deeper or duplicated, or with values of another type."""
    values: dict[str, Any] = json.loads(TEXT)
    for _ in range(draw(st.integers(1, 3))):
        section = values.get(draw(st.sampled_from(SECTIONS))) if draw(st.integers(0, 3)) == 0 else values
        room = section if isinstance(section, dict) and section else values
        name = draw(st.sampled_from(sorted(room) or ["eval"]))
        damage(draw, room, name)
    text = json.dumps(values)
    for word, raw in RAW.items():
        text = text.replace(f'"{word}"', raw)
    return text.encode()


def damage(draw: st.DrawFn, room: dict[str, Any], name: str) -> None:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        room.pop(name, None)
    elif kind == 1:
        new = draw(
            st.sampled_from([name + "x", name.upper(), f"eval.{name}", f"{name}.x", "", "__class__", "items"])
            | garbage_texts
        )
        room[new] = room.pop(name, None)
    elif kind == 2:
        room[name] = {name: deepcopy(room.get(name))}
    elif kind == 3:
        room[name] = draw(st.sampled_from(sorted(RAW)))
    elif kind <= 5:
        room[name] = draw(nested)
    elif name not in SECTIONS:
        key = BY_NAME.get(name) or draw(st.sampled_from(config_lib.KEYS))
        room[name] = draw(fitting(key))


documents = nested.map(lambda value: json.dumps(value).encode()) | st.sampled_from(
    [b"", b"[" * 100_000, b'{"a":' * 100_000]
)
files = st.integers(0, 9).flatmap(lambda n: documents if n == 0 else damaged_bytes() if n <= 3 else damaged_structure())


@pytest.mark.fault("config.json damaged")
@pytest.mark.parametrize(("count", "trained"), [(60, 0), pytest.param(2140, 100, marks=pytest.mark.slow)])
def test_a_damaged_config_json_is_accepted_or_refused(count, trained, tmp_path, monkeypatch, record_property):
    file = tmp_path / "config.json"
    accepted: list[bytes] = []

    def check(content: bytes) -> None:
        file.write_bytes(content)
        ended = run([f"--workdir={tmp_path}"])
        assert ended.code in (0, 2)
        for line in ended.lines:
            assert line.startswith((*KEYS, str(file))), line
        if ended.code == 0:
            accepted.append(content)
        assert entries(tmp_path) == [file]
        assert file.read_bytes() == content

    with monkeypatch.context() as patch:
        patch.setattr(train, "train_and_evaluate", lambda config, workdir, *_: {})
        for_all(files, count, check)
    monkeypatch.setattr(train, "conclude", lambda *given: {})  # no figures: they take most of a short run
    train_two_steps(accepted, trained, as_run, tmp_path / "runs")
    record_property("tried", count)


def as_run(content: bytes, workdir: Path) -> list[str]:
    """Write the config as that of a small run in workdir; return the command line that starts the run."""
    config = config_lib.from_json(content, "x")
    config = config_lib.override(config, forced(config))
    workdir.mkdir(parents=True)
    (workdir / "config.json").write_text(config_lib.to_json(config))
    return [f"--workdir={workdir}"]
