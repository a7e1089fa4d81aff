"""The codes of a run's images as a file."""

import numpy as np
import pytest

from vae_jax.commands import codes
from vae_jax.runs.loading import load_run


def test_codes_are_written_beside_the_run_and_said_in_a_line(runs, capsys, tmp_path):
    codes.main([f"--workdir={runs['vae']}", f"--output={tmp_path}"])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(
        f"{tmp_path}/codes.npz: latents, 2 means and log variances at each of 1 x 1 places, train/val/test"
    )
    with np.load(tmp_path / "codes.npz") as file:
        assert file["test_codes"].shape == (len(file["test_labels"]), 1, 1, 4)
    assert load_run(runs["vae"]).config.latent_dim == 2


def test_the_codes_of_an_autoencoder_are_numbers_without_noise(runs, capsys, tmp_path):
    codes.main([f"--workdir={runs['ae']}", f"--output={tmp_path}"])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path}/codes.npz: points, 3 numbers at each of 1 x 1 places, train/val/test")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--workdir=EMPTY"], ["not a run"]),
        (["--workdir=VAE", "--output=FILE/x"], ["--output", "cannot be created"]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line(refused, flags, words):
    error = refused(codes.main, flags)
    assert all(word in error for word in words), error
