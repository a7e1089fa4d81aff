import pytest

from vae_jax import config as config_lib


@pytest.mark.parametrize(("name", "network"), [("dae", "mlp"), ("conv_dae", "conv")])
def test_a_denoisers_config_loads_and_is_valid(name, network):
    config = config_lib.validate(config_lib.load_file(f"configs/{name}.py"), {})
    assert (config.model, config.objective, config.network) == ("ae", "denoising", network)
    assert config.noise_std == 0.5
    assert config.channels == (32, 64)
