"""The main result of the README on the real MNIST, if VAE_JAX_MNIST_DIR names the folder with its four files."""

import os

import pytest

from vae_jax.config import command_line
from vae_jax.train import train_and_evaluate

MNIST = os.environ.get("VAE_JAX_MNIST_DIR")


@pytest.mark.slow
@pytest.mark.skipif(not MNIST, reason="VAE_JAX_MNIST_DIR does not name a folder with the four MNIST files")
def test_the_vae_of_the_readme_reaches_its_elbo(tmp_path):
    words = ["dataset=mnist", f"data_dir={MNIST}", "latent_dim=10", "num_epochs=10", "val_fraction=12000"]
    flags = command_line.parse(["--config=configs/vae.py", *(f"--config.{word}" for word in words)])
    results = train_and_evaluate(command_line.read_file(flags.config, flags.overrides), tmp_path)
    assert results["num_images"] == {"train": 48000, "val": 12000, "test": 10000}
    assert results["val/elbo"] >= -106.5
    assert results["test/elbo"] == pytest.approx(results["val/elbo"], abs=1.5)
