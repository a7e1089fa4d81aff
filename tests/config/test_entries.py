"""Keys that only some entries of the registries read, keys with a new name, and the help that shows them by entries."""

import json
import re

import pytest

from vae_jax import config as config_lib
from vae_jax.config import command_line, registries, table
from vae_jax.config.common import COMMON
from vae_jax.data import DATASETS
from vae_jax.errors import InputError

NAMES = registries.names("digits")


def problem(**changes) -> str:
    """Return the one line with which a change of the default config is refused."""
    config = config_lib.nest(config_lib.flatten(config_lib.defaults()) | changes)
    with pytest.raises(InputError) as caught:
        config_lib.validate(config, NAMES)
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"objective": "importance", "beta": 2.0},
            "beta=2.0: only objective=elbo or objective=factor reads this key, and the run has objective=importance",
        ),
        (
            {"importance.num_samples": 5},
            "importance.num_samples=5: only objective=importance reads this key, and the run has objective=elbo",
        ),
        (
            {"channels": (8,)},
            "channels=(8,): only network=conv or network=resnet reads this key, and the run has network=mlp",
        ),
        (
            {"network": "conv", "mlp.kernel_init": "glorot"},
            "mlp.kernel_init=glorot: only network=mlp reads this key, and the run has network=conv",
        ),
        (
            {"gaussian.sigma": 0.5},
            "gaussian.sigma=0.5: only likelihood=gaussian reads this key, and the run has likelihood=bernoulli",
        ),
        (
            {"two_layer.upper_latent_dim": 3},
            "two_layer.upper_latent_dim=3: only model=two_layer reads this key, and the run has model=vae",
        ),
    ],
)
def test_a_key_that_no_chosen_entry_reads_is_refused_unless_it_has_its_default(changes, line):
    assert problem(**changes) == line


def test_a_key_is_unread_exactly_if_no_chosen_entry_declares_it():
    for model, network, likelihood, objective in [
        ("vae", "mlp", "bernoulli", "elbo"),
        ("ae", "conv", "gaussian", "denoising"),
        ("two_layer", "mlp", "gaussian", "importance"),
    ]:
        chosen = {"model": model, "network": network, "likelihood": likelihood, "objective": objective}
        flat = config_lib.flatten(config_lib.defaults()) | chosen
        assert dict(choice for choice in table.chosen(flat) if choice[0] in chosen) == chosen
        read = {key.name for keys in COMMON.values() for key in keys}
        read |= {key.name for choice in table.chosen(flat) for key in table.ENTRIES[choice].keys}
        assert table.unread(flat).keys() == {key.name for key in config_lib.KEYS} - (read - OF_OTHERS)


OF_OTHERS = {"data_dir", "train_dir", "val_dir", "test_dir", "split", "split_target", "background", "skip_broken"}
OF_OTHERS |= {"data_workers", "weight_decay", "schedule_epochs"}
"""Keys of other data sets, optimizers and schedules than the defaults."""


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"train_dir": "photos"},
            "train_dir=photos: only dataset=folder reads this key, and the run has dataset=digits",
        ),
        (
            {"split": (0.5, 0.5)},
            "split=(0.5, 0.5): only dataset=folder or dataset=arrays reads this key, and the run has ",
        ),
        ({"data_dir": "a"}, "data_dir=a: dataset=digits comes with scikit-learn and reads no folder"),
        ({"dataset": "mnist", "data_workers": 2}, "data_workers=2: only dataset=grain reads this key"),
        (
            {"weight_decay": 0.3},
            "weight_decay=0.3: only optimizer=adamw reads this key, and the run has optimizer=adam",
        ),
        (
            {"optimizer": "sgd", "adam_b2": 0.5},
            "adam_b2=0.5: only optimizer=adam or optimizer=adamw or optimizer=rmsprop",
        ),
        ({"schedule_epochs": 3.0}, "schedule_epochs=3.0: only schedule=cosine reads this key"),
    ],
)
def test_a_key_of_another_data_set_optimizer_or_schedule_is_refused_in_one_line(make_config, changes, line):
    with pytest.raises(InputError) as caught:
        config_lib.validate(make_config(**changes), {})
    (found,) = str(caught.value).splitlines()
    assert found.startswith(line)


def test_every_key_that_is_read_with_some_values_of_another_names_real_ones():
    for key in config_lib.KEYS:
        if key.only:
            by, *values = key.only
            known = table.BY_NAME[by].choices or DATASETS
            assert set(values) <= set(known), key.name


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_dims": (32,)},
        {"channels": (8,)},
        {"downscale": 2},
        {"gaussian.sigma": 0.5},
        {"network": "conv"},
        {"num_train": 100},
        {"split_seed": 3},
        {"beta": 2.0},
    ],
    ids=str,
)
def test_a_density_refuses_the_keys_of_networks_images_and_weights(changes):
    ((name, value),) = changes.items()
    line = problem(model="density", dataset="codes", **changes)
    assert line == f"{name}={value}: model=density does not read this key"


def test_a_choice_that_an_entry_ignores_chooses_nothing():
    flat = config_lib.flatten(config_lib.defaults()) | {"model": "density", "dataset": "codes"}
    assert dict(table.chosen(flat)) == {"model": "density", "prior": "flow", "objective": "elbo"}
    assert "flow.layers" not in table.unread(flat)


def test_every_entry_declares_keys_that_are_new_or_the_same_as_in_another():
    for choice, entry in table.ENTRIES.items():
        assert all(table.BY_NAME[key.name] is key for key in entry.keys), choice
    assert len(config_lib.KEYS) == len({key.name for key in config_lib.KEYS})


def test_unread_keys_of_a_config_are_left_at_their_defaults():
    config = config_lib.defaults()
    assert config_lib.without_unread(config) == (config, [])
    config.objective, config.beta, config.free_bits, config.latent_dim = "importance", 4.0, 0.5, 7
    without, left = config_lib.without_unread(config)
    assert sorted(left) == ["beta", "free_bits"]
    assert (without.beta, without.free_bits, without.latent_dim) == (1.0, 0.0, 7)
    assert (config.beta, config.free_bits) == (4.0, 0.5)
    kept, left = config_lib.without_unread(config, keep={"beta"})
    assert (kept.beta, kept.free_bits, left) == (4.0, 0.0, ["free_bits"])


def test_a_file_is_read_with_one_line_about_what_is_left_out_and_an_unread_override_is_refused():
    lines: list[str] = []
    file = "configs/dae.py"
    clean = command_line.read_file(file, [("objective", "reconstruction")], lines.append)
    assert clean.denoising.noise_std == 0
    assert lines == [f"{file}: left out, because nothing in this run reads them: denoising.noise_std"]
    command_line.read_file(file, (), lines.append)
    assert len(lines) == 1
    with pytest.raises(InputError, match=r"^denoising\.noise_std=0\.25: only objective=denoising reads this key"):
        command_line.read_file(file, [("objective", "reconstruction"), ("denoising.noise_std", "0.25")])


@pytest.mark.parametrize(("old", "new"), table.RENAMED.items())
def test_an_old_name_is_refused_with_the_new_one_everywhere(tmp_path, old, new):
    assert new in table.BY_NAME
    assert problem(**{old: 1}) == f"{old}=1: this key is now {new}"
    with pytest.raises(InputError, match=rf"^{old}=1: this key is now {new}$"):
        config_lib.override(config_lib.defaults(), [(old, "1")])
    (tmp_path / "mine.py").write_text(
        f"from vae_jax.config import defaults\ndef get_config():\n    c = defaults(); c.{old} = 1; return c\n"
    )
    with pytest.raises(InputError, match=rf"mine\.py: line 3: {old}: this key is now {new}$"):
        config_lib.load_file(str(tmp_path / "mine.py"))
    values = json.loads(config_lib.to_json(config_lib.defaults())) | {old: table.BY_NAME[new].default}
    with pytest.raises(InputError, match=rf"\Ahere: a run of an older version, with the key {old}, .*{new};.*\Z"):
        config_lib.from_json(json.dumps(values), "here")


def headings(text: str) -> list[str]:
    """Return the lines of a table of keys that are not keys."""
    return [line for line in text.splitlines() if line and not line.startswith("  --config.")]


def test_help_has_a_heading_per_entry_and_the_chosen_ones_come_first():
    flat = config_lib.flatten(config_lib.defaults())
    plain = headings(config_lib.key_table(NAMES, flat))
    assert plain[:3] == ["model=vae", "network=mlp", "objective=elbo"]
    assert plain[3 : 3 + len(COMMON)] == list(COMMON)
    later = plain[3 + len(COMMON) :]
    assert {"not chosen: likelihood=gaussian", "not chosen: objective=importance"} <= set(later)
    assert all(heading.startswith("not chosen: ") for heading in later)
    flat |= {"likelihood": "gaussian", "objective": "importance", "network": "conv"}
    other = headings(config_lib.key_table(NAMES, flat))
    assert other[:4] == ["model=vae", "network=conv", "likelihood=gaussian", "objective=importance"]
    assert "not chosen: objective=elbo" in other


def test_help_with_a_config_file_and_overrides_shows_their_entries_first():
    text = command_line.help_text(["--help", "--config=configs/iwae.py", "--config.likelihood=gaussian"])
    heading, table_of_keys = text.partition(command_line.ABOUT)[2].split("\n", 1)
    assert heading == ("Keys, their values in --config=configs/iwae.py --config.likelihood=gaussian, and meanings:")
    assert re.search(r"--config.latent_dim +50 ", table_of_keys)
    assert {"likelihood=gaussian", "objective=importance"} <= set(headings(table_of_keys)[:5])
    plain = command_line.help_text(["--help"])
    assert headings(plain.partition(command_line.ABOUT)[2])[:2] == ["Keys, their defaults and meanings:", "model=vae"]
    assert plain == command_line.help_text(["-h", "--workdir=anywhere"])
    for words, problem in (
        (["--config=nowhere.py"], "nowhere.py: no such"),
        (["--config=vae", "--config.beat=1"], "beat"),
    ):
        with pytest.raises(InputError, match=problem):
            command_line.help_text(["-h", *words])
