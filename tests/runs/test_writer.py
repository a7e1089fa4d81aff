"""metrics.jsonl and TensorBoard files: rows are read as written, and a resumed run has every row once."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.event_files import events, scalars, write

from vae_jax.errors import InputError
from vae_jax.runs.writer import FILE, Writer, history, read_metrics


def tags(workdir: Path) -> list[str]:
    return [value.tag for event in events(workdir) for value in event.summary.value]


def test_rows_are_read_as_written(tmp_path):
    write(tmp_path, 0, range(1, 4))
    assert read_metrics(tmp_path)[1] == {"step": 2, "epoch": 1, "train/loss": 98.0, "val/elbo": -2.0}
    epochs, values = history(read_metrics(tmp_path))["train/loss"]
    np.testing.assert_array_equal(epochs, [0.5, 1, 1.5])
    np.testing.assert_array_equal(values, [99, 98, 97])
    assert read_metrics(tmp_path / "nowhere") == []


def test_a_row_is_in_the_file_as_soon_as_it_is_written(tmp_path):
    with Writer(tmp_path, 0, tensorboard=False) as writer:
        writer.write(1, 1.0, {"train/loss": np.float64(2)})
        assert (tmp_path / FILE).read_text() == '{"step": 1, "epoch": 1, "train/loss": 2.0}\n'


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_stored_as_null_and_read_as_nan(tmp_path, bad):
    with Writer(tmp_path, 0, tensorboard=True) as writer:
        writer.write(1, 1, {"train/loss": bad})
    line = (tmp_path / FILE).read_text()
    assert json.loads(line, parse_constant=pytest.fail)["train/loss"] is None
    assert np.isnan(history(read_metrics(tmp_path))["train/loss"][1]).all()
    assert scalars(tmp_path) == {}


def test_metrics_in_only_some_rows_keep_their_epochs():
    rows = [{"step": 1, "epoch": 1, "a": 1.0}, {"step": 2, "epoch": 2, "a": 2.0, "b": 3.0}]
    assert {name: epochs.tolist() for name, (epochs, _) in history(rows).items()} == {"a": [1, 2], "b": [2]}


@pytest.mark.parametrize("half", [b"", b'{"step": 6, "epo', b'{"step": 6', b"7", b"\0\0\0"])
def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path, half):
    straight, continued = tmp_path / "a", tmp_path / "b"
    write(straight, 0, range(1, 9), tensorboard=True)
    write(continued, 0, range(1, 6), tensorboard=True)
    with (continued / FILE).open("ab") as file:
        file.write(half)
    write(continued, 3, range(4, 9), tensorboard=True)
    assert (straight / FILE).read_bytes() == (continued / FILE).read_bytes()
    assert scalars(straight) == scalars(continued)
    assert len(scalars(straight)["val/elbo"]) == 8
    assert {path.name.split(".")[0] for path in continued.iterdir()} == {"metrics", "events"}


def test_a_complete_last_line_without_a_newline_is_kept(tmp_path):
    write(tmp_path, 0, range(1, 4))
    before = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(before[:-1])
    assert len(read_metrics(tmp_path)) == 3
    write(tmp_path, 3, range(0))
    assert (tmp_path / FILE).read_bytes() == before


def test_kept_lines_are_unchanged_and_an_intact_file_is_not_rewritten(tmp_path):
    odd = b'{"epoch":1,  "step":1, "val/elbo": -1.50}\n'
    (tmp_path / FILE).write_bytes(odd + b'{"step": 2, "epoch": 2}\n')
    write(tmp_path, 1, range(0))
    assert (tmp_path / FILE).read_bytes() == odd
    inode = (tmp_path / FILE).stat().st_ino
    write(tmp_path, 1, range(2, 3))
    assert (tmp_path / FILE).stat().st_ino == inode
    assert (tmp_path / FILE).read_bytes().startswith(odd)


@pytest.mark.parametrize("bad", [b"not json\n", b"[1]\n", b'{"step": 1}\n'])
def test_the_error_for_an_invalid_line_names_it(tmp_path, bad):
    (tmp_path / FILE).write_bytes(b'{"step": 1, "epoch": 1}\n' + bad + b'{"step": 2, "epoch": 2}\n')
    with pytest.raises(InputError, match="line 2 is not a row"):
        read_metrics(tmp_path)
    with pytest.raises(InputError, match="line 2"):
        Writer(tmp_path, 1, tensorboard=False)


def test_writers_opened_in_the_same_second_use_different_files(tmp_path):
    for i in range(3):
        write(tmp_path, i, range(i + 1, i + 2), tensorboard=True)
    assert len(list(tmp_path.glob("events.*"))) == 3
    assert scalars(tmp_path)["val/elbo"] == [(1, -1), (2, -2), (3, -3)]


def test_no_tensorboard_file_is_written_if_tensorboard_is_off(tmp_path):
    with Writer(tmp_path, 0, False, {"seed": 0}) as writer:
        writer.image(1, tmp_path / "samples.png")
        writer.close({"test/elbo": -1.0})
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_images_are_read_as_written(tmp_path):
    Image.new("P", (4, 5)).save(tmp_path / "samples.png")
    with Writer(tmp_path, 0, tensorboard=True) as writer:
        writer.image(7, tmp_path / "samples.png")
    (image,) = [(e.step, v.tag, v.image) for e in events(tmp_path) for v in e.summary.value]
    assert image[:2] == (7, "samples")
    assert (image[2].height, image[2].width) == (5, 4)
    assert image[2].encoded_image_string.startswith(b"\x89PNG")


def test_hyperparameters_are_written_once_per_workdir_next_to_the_scalars(tmp_path):
    flat = {
        "model": "vae",
        "hidden_dims": (512, 256),
        "beta": 1.0,
        "early_stopping": None,
        "data_dir": "a|b",
        "x": True,
    }
    for start in (0, 1, 2):
        with Writer(tmp_path, start, True, flat, ["test/elbo"]) as writer:
            writer.write(start + 1, start + 1, {"val/elbo": -1.0})
            writer.close({"test/elbo": -100.0 - start})
    assert sum(tag.startswith("_hparams_/session_start_info") for tag in tags(tmp_path)) == 1
    assert tags(tmp_path).count("config/text_summary") == 1
    assert scalars(tmp_path)["test/elbo"] == [(1, -100), (2, -101), (3, -102)]
    assert all(path.is_file() for path in tmp_path.iterdir())
    (text,) = [v.tensor.string_val[0].decode() for e in events(tmp_path) for v in e.summary.value if "config" in v.tag]
    assert "| hidden_dims | (512, 256) |" in text
    assert "a\\|b" in text


def test_importing_the_writer_imports_no_tensorboard():
    code = "import sys, vae_jax.runs.writer; sys.exit('tensorboardX' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
