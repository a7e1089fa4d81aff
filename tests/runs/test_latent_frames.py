import errno
import io

import numpy as np
import pytest

from vae_jax.errors import TrainingError
from vae_jax.runs import latent_frames
from vae_jax.runs.latent_frames import LatentFrames, load_frames
from vae_jax.training.chunks import chunk_size


def frames(workdir):
    return [step for step, _ in latent_frames._frames(workdir / latent_frames.FOLDER)]


def test_frames_are_stored_at_multiples_and_deleted_beyond_the_resumed_step(tmp_path):
    def encode(params):
        return np.full((5, 3), params, np.float32)

    first = LatentFrames(tmp_path, 10, 0, encode)
    for step in (0, 5, 10, 20, 30):
        first.record(step, step)
    assert frames(tmp_path) == [0, 10, 20, 30]
    second = LatentFrames(tmp_path, 10, 15, encode)
    assert frames(tmp_path) == [0, 10]
    second.record(10, 99)  # an existing frame is kept
    second.record(20, 21)
    steps, latents, rows = load_frames(tmp_path, 5) or ([], np.zeros(0), [])
    assert steps == [0, 10, 20]
    assert latents[:, 0, 0].tolist() == [0, 10, 21]
    assert list(rows) == [0, 1, 2, 3, 4]
    assert load_frames(tmp_path, 6) is None
    LatentFrames(tmp_path / "off", 0, 0, encode).record(0, 0)
    assert not (tmp_path / "off").exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x80\x05N.", b"PK\x05\x06" + bytes(18)])
def test_a_damaged_frame_is_skipped(tmp_path, content):
    stored = LatentFrames(tmp_path, 10, 0, lambda params: np.full((5, 3), params, np.float32))
    for step in (0, 10, 20):
        stored.record(step, step)
    (tmp_path / latent_frames.FOLDER / "10.npy").write_bytes(content)
    steps, latents, _ = load_frames(tmp_path, 5) or ([], np.zeros(0), [])
    assert steps == [0, 20]
    assert latents.shape == (2, 5, 3)


def test_a_full_disk_is_reported_and_leaves_no_partial_file(tmp_path, monkeypatch):
    stored = LatentFrames(tmp_path, 10, 0, lambda params: np.zeros((5, 3), np.float32))
    stored.record(0, 0)

    class Full(io.FileIO):
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(latent_frames.Path, "open", lambda path, mode: Full(path, "w"))
    with pytest.raises(TrainingError, match=r"latents/10\.npy: cannot be written, the disk is full: 0\.2 kB needed"):
        stored.record(10, 10)
    assert [path.name for path in (tmp_path / latent_frames.FOLDER).iterdir()] == ["0.npy"]


def test_frames_contain_the_same_images_and_at_most_2000():
    rows = latent_frames.filmed_rows(10_000)
    assert len(set(rows.tolist())) == 2000
    np.testing.assert_array_equal(rows, latent_frames.filmed_rows(10_000))
    assert rows.max() > 9000


@pytest.mark.parametrize(
    ("every", "epoch", "dispatch"), [(10, 37, 37), (100, 37, 37), (7, 37, 5), (1, 9, 9), (50, 100, 1)]
)
def test_chunks_stop_at_every_frame_and_epoch_and_have_few_lengths(every, epoch, dispatch):
    step, sizes, stops = 0, set(), {0}
    while step < 20 * epoch:
        size = chunk_size(step, every, epoch - step % epoch, dispatch)
        assert 1 <= size <= min(dispatch, epoch - step % epoch)
        step += size
        sizes.add(size)
        stops.add(step)
    assert set(range(0, 20 * epoch, every)) <= stops
    assert set(range(0, 20 * epoch, epoch)) <= stops
    assert len(sizes) <= 2 + epoch.bit_length()


def test_without_frames_chunks_are_not_split():
    assert [chunk_size(step, 0, left, 10) for step, left in ((0, 37), (30, 7))] == [10, 7]
