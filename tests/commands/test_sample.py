"""Images drawn from the prior."""

import numpy as np
import pytest
from PIL import Image

from vae_jax.commands import sample
from vae_jax.runs.loading import load_run


def test_sample_writes_images_and_a_grid(runs, call, tmp_path):
    done = call("sample", f"--workdir={runs['vae']}", "--num=5", f"--output={tmp_path / 'new'}", "--seed=3")
    assert (done.returncode, done.stderr) == (0, "")
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert files == ["grid.png", *(f"sample_{i:04}.png" for i in range(5))]
    pixels = np.asarray(Image.open(tmp_path / "new" / "sample_0004.png")) / 255
    np.testing.assert_allclose(pixels, load_run(runs["vae"]).sample(5, 3)[4, ..., 0], atol=0.5 / 255 + 1e-6)


def test_sampled_latents_have_the_posteriors_mean_and_deviation(runs):
    loaded = load_run(runs["vae"])
    x = np.zeros((2000, 8, 8, 1), np.uint8)
    posterior, z = loaded.encode(x[:1]), loaded.sample_posterior(x)
    assert z.shape == (2000, 2)
    np.testing.assert_allclose(z.std(axis=0), np.exp(posterior.logvar[0] / 2), rtol=0.1)
    np.testing.assert_allclose(z.mean(axis=0), posterior.mean[0], atol=0.1)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--workdir=AE", "--output=EMPTY"], ["model=ae", "no prior"]),
        (["--workdir=VAE", "--output=FILE/x"], ["--output", "cannot be created"]),
        (["--workdir=VAE", "--output=EMPTY", "--num=-1"], ["--num"]),
    ],
)
def test_bad_input_exits_with_code_2_and_one_line(refused, flags, words):
    error = refused(sample.main, flags)
    assert all(word in error for word in words), error
