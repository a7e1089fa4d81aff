import json

import pytest

from vae_jax import config as config_lib
from vae_jax.config.table import unread
from vae_jax.errors import InputError

REGISTRIES = {
    "model": {"vae": 0, "ae": 0, "two_layer": 0},
    "dataset": {"digits": 0, "mnist": 0},
    "likelihood": {"bernoulli": 0, "gaussian": 0, "discretized_logistic": 0},
}

DESIGN_KEYS = [
    "model",
    "network",
    "hidden_dims",
    "channels",
    "activation",
    "latent_dim",
    "dropout",
    "likelihood",
    "gaussian.sigma",
    "objective",
    "beta",
    "kl_warmup_epochs",
    "free_bits",
    "denoising.noise_mean",
    "denoising.noise_std",
    "dataset",
    "data_dir",
    "train_dir",
    "val_dir",
    "test_dir",
    "split",
    "split_target",
    "val_fraction",
    "num_train",
    "split_seed",
    "image_size",
    "grayscale",
    "binarize",
    "cache_dir",
    "batch_size",
    "num_epochs",
    "learning_rate",
    "optimizer",
    "adam_b1",
    "adam_b2",
    "adam_eps",
    "schedule",
    "schedule_epochs",
    "warmup_epochs",
    "clip_norm",
    "seed",
    "steps_per_dispatch",
]


def problems(**changes) -> list[str]:
    config = config_lib.nest(config_lib.flatten(config_lib.defaults()) | changes)
    with pytest.raises(InputError) as caught:
        config_lib.validate(config, REGISTRIES)
    return str(caught.value).splitlines()


def test_the_table_has_the_expected_keys_and_its_defaults_are_valid():
    assert set(DESIGN_KEYS) <= {key.name for key in config_lib.KEYS}
    config = config_lib.validate(config_lib.defaults(), REGISTRIES)
    assert config_lib.flatten(config) == config_lib.flatten(config_lib.defaults())


def test_help_lists_every_key_once_with_default_and_description():
    table = config_lib.key_table(REGISTRIES, config_lib.flatten(config_lib.defaults()))
    lines = {line.split()[0]: line for line in table.splitlines() if line.startswith("  --config.")}
    assert table.count("\n  --config.") == len(lines) == len(config_lib.KEYS)
    for key in config_lib.KEYS:
        line = lines[f"--config.{key.name}"]
        assert key.meaning in line
        assert str(key.default) in line
        assert key.unit in line
        assert all(choice in line for choice in REGISTRIES.get(key.name, key.choices))


GAUSSIAN, IMPORTANCE = {"likelihood": "gaussian"}, {"objective": "importance"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latent_dim": 0}, ["latent_dim=0", "at least 1"]),
        ({"latent_dim": 2.5}, ["latent_dim=2.5", "whole number"]),
        ({"latent_dim": True}, ["latent_dim=True", "whole number"]),
        ({"learning_rate": 0.0}, ["learning_rate=0.0", "above 0"]),
        ({"learning_rate": float("nan")}, ["learning_rate=nan", "above 0"]),
        ({"beta": float("inf")}, ["beta=inf", "number"]),
        ({"dropout": 1.0}, ["dropout=1.0", "at most 0.95"]),
        ({"hidden_dims": (512, 0)}, ["hidden_dims=(512, 0)", "at least 1"]),
        ({"hidden_dims": (512, 1.5)}, ["hidden_dims", "whole numbers"]),
        ({"hidden_dims": 512}, ["hidden_dims=512", "tuple"]),
        ({"split": (0.5,)}, ["split=(0.5,)", "2 or 3"]),
        ({"model": "vea"}, ["model=vea", "did you mean vae?", "choices: vae, ae, two_layer"]),
        ({"dataset": "mnits"}, ["dataset=mnits", "did you mean mnist?"]),
        ({"optimizer": "adamm"}, ["optimizer=adamm", "did you mean adam?", "rmsprop"]),
        ({"binarize": "dynamic", "likelihood": "gaussian"}, ["binarize=dynamic", "likelihood=bernoulli"]),
        (
            {"binarize": "static_seeded", "likelihood": "discretized_logistic"},
            ["likelihood=bernoulli", "discretized_logistic"],
        ),
        (GAUSSIAN | {"gaussian.sigma_mode": "best"}, ["gaussian.sigma_mode=best", "given, learned, optimal"]),
        ({"kl_cycles": 4}, ["kl_cycles=4", "kl_warmup_epochs"]),
        ({"capacity": 25.0, "free_bits": 0.5}, ["free_bits=0.5", "capacity=25"]),
        ({"capacity": 25.0, "kl_warmup_epochs": 5.0}, ["kl_warmup_epochs=5", "capacity_epochs"]),
        ({"model": "ae", "objective": "denoising"}, ["denoising.noise_std=0", "denoising.noise_mean"]),
        (
            {"model": "ae", "objective": "reconstruction", "checkpoint.best_metric": "val/elbo"},
            ["checkpoint.best_metric=val/elbo", "objective=reconstruction", "auto, val/loss"],
        ),
        (
            IMPORTANCE | {"importance.num_samples": 5, "importance.num_groups": 2},
            ["importance.num_groups=2", "importance.num_samples=5"],
        ),
        (IMPORTANCE | {"importance.elbo_weight": 1.5}, ["importance.elbo_weight=1.5", "at most 1"]),
        (IMPORTANCE | {"importance.gradient": "dregs"}, ["importance.gradient=dregs", "did you mean dreg?"]),
        ({"schedule": "cosine"}, ["schedule_epochs=0", "schedule=cosine"]),
        ({"val_fraction": 0.0}, ["val_fraction=0", "empty"]),
        ({"val_fraction": 10.5}, ["val_fraction=10.5", "count"]),
        ({"held_out": "first"}, ["held_out=first", "random, last"]),
        ({"hidden_dims": (), "dropout": 0.5}, ["dropout=0.5", "hidden_dims"]),
        ({"latent_dim": 2**31}, ["latent_dim=2147483648", "at most 2147483647"]),
        ({"beta": 1e31}, ["beta=1e+31", "at most 1e+30"]),
        ({"beta": 10**400}, ["beta=1000", "(401 characters)", "number"]),
        ({"denoising.noise_mean": -1e31}, ["denoising.noise_mean=-1e+31", "at least -1e+30"]),
        ({"hidden_dims": (2**31,)}, ["hidden_dims=(2147483648,)", "at most 2147483647"]),
        ({"hidden_dims": (1 << 20_000,)}, ["hidden_dims=", "whole numbers"]),
        ({"data_dir": "a\nb"}, ["data_dir=a\\nb", "line breaks"]),
        ({"data_dir": "a\0"}, ["data_dir=a\\x00", "control characters"]),
        ({"data_dir": "\ud800"}, ["data_dir=\\ud800", "not UTF-8"]),
        ({"data_dir": "~nobody-is-called-so/x"}, ["data_dir=~nobody-is-called-so/x", "no such user"]),
        ({"data_dir": "a/" + 256 * "x"}, ["data_dir=a/xx", "(258 characters)", "longer than"]),
        ({"cache_dir": 2048 * "x/"}, ["cache_dir=x/x", "3840 bytes"]),
        ({"x\u2028" + 5000 * "x": 3}, ["x\\u2028xxx", "=3: unknown key"]),
        ({"latnet_dim": 3}, ["latnet_dim=3", "unknown key", "did you mean latent_dim?"]),
        ({"eval.every_epoch": 3}, ["eval.every_epoch=3", "did you mean eval.every_epochs?"]),
    ],
)
def test_the_error_for_a_bad_value_names_key_value_and_choices_in_one_line(changes, words):
    (line,) = problems(**changes)
    for word in words:
        assert word in line


FOLDERS = {"dataset": "folder", "train_dir": "a"}
ARRAYS = {"dataset": "arrays", "data_dir": "x.npz"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (FOLDERS, ["split=()", "--config.split=0.7,0.2,0.1"]),
        (FOLDERS | {"test_dir": "b"}, ["split=()", "two proportions", "split_target"]),
        (
            FOLDERS | {"split": (0.7, 0.2, 0.1), "held_out": "last"},
            ["held_out=last", "dataset=folder", "class by class", "choices: held_out=random"],
        ),
        (FOLDERS | {"split": (0.7, 0.2, 0.2)}, ["split=(0.7, 0.2, 0.2)", "sum to 1.1"]),
        (FOLDERS | {"split": (0.7, 0.2, 0.100002)}, ["sum to 1.000002"]),
        (FOLDERS | {"split": (0.8, 0.2, 0.0)}, ["split=(0.8, 0.2, 0.0)", "empty"]),
        (
            FOLDERS | {"split": (0.8, 0.2)},
            ["train_dir=a", "2 proportions", "split_target=test", "train_dir, val_dir and"],
        ),
        (FOLDERS | {"val_dir": "b"}, ["train_dir and val_dir with no split"]),
        (FOLDERS | {"test_dir": "b", "split": (0.7, 0.2, 0.1)}, ["train_dir and test_dir with 3"]),
        (
            FOLDERS | {"val_dir": "b", "test_dir": "c", "split": (0.5, 0.5)},
            ["train_dir and val_dir and test_dir with 2"],
        ),
        (FOLDERS | {"data_dir": "b", "split": (0.7, 0.2, 0.1)}, ["train_dir and data_dir"]),
        (FOLDERS | {"split": (0.7, 0.2, 0.1), "split_target": "test"}, ["split_target=test", "two proportions"]),
        ({"dataset": "folder"}, ["train_dir=", "data_dir", "choices: train_dir with three"]),
        ({"dataset": "arrays"}, ["data_dir=", ".npz"]),
        (ARRAYS | {"split": (0.5, 0.6)}, ["sum to 1.1"]),
        (FOLDERS | {"split": (0.7, 0.2, 0.1), "background": "red"}, ["background=red", "black, white"]),
    ],
)
def test_folders_and_proportions_that_do_not_fit_are_reported_in_one_line(changes, words):
    registries = REGISTRIES | {"dataset": {"digits": 0, "folder": 0, "arrays": 0}}
    with pytest.raises(InputError) as caught:
        config_lib.validate(config_lib.nest(config_lib.flatten(config_lib.defaults()) | changes), registries)
    (line,) = str(caught.value).splitlines()
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    "changes",
    [
        FOLDERS | {"split": (0.7, 0.2, 0.1)},
        FOLDERS | {"split": (0.7, 0.2, 0.1000005)},
        FOLDERS | {"test_dir": "b", "split": (0.7, 0.3), "split_target": "test"},
        FOLDERS | {"val_dir": "b", "test_dir": "c"},
        {"dataset": "folder", "data_dir": "a"},
        ARRAYS,
    ],
)
def test_folders_and_proportions_that_fit_are_accepted(changes):
    config = config_lib.nest(config_lib.flatten(config_lib.defaults()) | changes)
    config_lib.validate(config, {})


def test_all_problems_are_reported_at_once():
    lines = problems(latent_dim=0, model="vea", beta=-1.0, bogus=1)
    assert [line.split("=")[0] for line in sorted(lines)] == ["beta", "bogus", "latent_dim", "model"]


def test_overrides_are_parsed_by_the_type_of_their_key():
    texts = [
        ("latent_dim", "7"), ("beta", "4"), ("hidden_dims", "(64, 32)"), ("channels", "8,16"), ("dataset", "mnist"),
        ("log.parameters", "true"), ("split", "0.5,0.5"), ("hidden_dims", "[10]"), ("eval.batch_size", "12"), ("image_size", ""),
    ]  # fmt: skip
    config = config_lib.override(config_lib.defaults(), texts)
    assert (config.latent_dim, config.beta, config.hidden_dims, config.channels) == (7, 4.0, (10,), (8, 16))
    assert (config.split, config.eval.batch_size, config.image_size, config.log.parameters) == (
        (0.5, 0.5),
        12,
        (),
        True,
    )
    assert type(config.beta) is float


def test_bad_overrides_are_reported_at_once():
    texts = [("latent_dim", "ten"), ("nope", "1"), ("log.parameters", "maybe"), ("hidden_dims", "(1")]
    with pytest.raises(InputError) as caught:
        config_lib.override(config_lib.defaults(), texts)
    lines = str(caught.value).splitlines()
    assert [line.split("=")[0] for line in lines] == ["latent_dim", "nope", "log.parameters", "hidden_dims"]


@pytest.mark.parametrize(
    "text",
    [100_000 * "[", 100 * "[" + 100 * "]", "-" * 100_000 + "1", "{[]: 1}", "0x" + 5000 * "f", "'\\d'", "1if 1else 2"],
)
def test_a_value_that_python_cannot_parse_or_print_is_refused_in_one_line(text, recwarn):
    with pytest.raises(InputError) as caught:
        config_lib.validate(config_lib.override(config_lib.defaults(), [("hidden_dims", text)]), REGISTRIES)
    assert not recwarn.list
    (line,) = str(caught.value).split("\n")
    assert line.startswith("hidden_dims=")
    assert len(line) < 300
    assert line.isprintable()


def test_json_round_trips_exactly():
    config = config_lib.defaults()
    config.hidden_dims, config.learning_rate, config.image_size = (3, 2, 1), 0.1 + 0.2, (7, 3)
    back = config_lib.from_json(config_lib.to_json(config), "here")
    assert back.to_dict() == config.to_dict()
    assert {type(v) for v in config_lib.flatten(back).values()} == {
        type(v) for v in config_lib.flatten(config).values()
    }


def test_a_stored_value_that_the_run_does_not_read_is_forgotten():
    values = json.loads(config_lib.to_json(config_lib.defaults()))
    values["pixelcnn"]["features"] = 77  # as if that had been the default
    again = config_lib.from_json(json.dumps(values), "here")
    assert again.to_dict() == config_lib.defaults().to_dict()
    config_lib.validate(again, {})


def test_missing_keys_in_the_json_of_a_run_take_their_defaults():
    values = json.loads(config_lib.to_json(config_lib.defaults()))
    del values["gaussian"]
    del values["eval"]
    assert config_lib.from_json(json.dumps(values), "here").to_dict() == config_lib.defaults().to_dict()
    values["padded_latent_dim"] = 5
    with pytest.raises(InputError, match="here: padded_latent_dim=5: unknown key"):
        config_lib.from_json(json.dumps(values), "here")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a run's configuration"),
        ("[1]", "not a JSON object"),
        ("{", "not a run's configuration"),
        ("3", "not a JSON object"),
        (b"\xff\xfe{}", "not a run's configuration: 'utf-8' codec"),
        (100_000 * "[", "nested too deeply"),
        ('{"a":' * 3000 + "1" + 3000 * "}", "nested too deeply"),
        ('{"latent_dim": ' + 5000 * "9" + "}", "not a run's configuration"),
        ('{"eval": 5}', "eval=5: unknown key"),
        ('{"eval": {"batch_size": {"x": 1}}}', "eval.batch_size.x=1: unknown key"),
        ('{"latent_dim": NaN}', "latent_dim=nan: expected a whole number"),
        ('{"latent_dim": 0}', "latent_dim=0: not a whole number"),
        ('{"a\\n\\ud800": 1}', r"a\n\ud800=1: unknown key"),
    ],
)
def test_json_that_is_not_a_config_is_refused_in_one_line(text, words):
    with pytest.raises(InputError) as caught:
        config_lib.from_json(text, "here")
    (line,) = str(caught.value).split("\n")
    assert line.startswith("here: ")
    assert words in line
    assert len(line) < 300


def test_identity_ignores_keys_that_do_not_change_the_run():
    config = config_lib.defaults()
    name = config_lib.run_name(config, "vae")
    for key in config_lib.KEYS:
        other = config_lib.nest(config_lib.flatten(config) | {key.name: _another(key)})
        assert (config_lib.run_name(other, "vae") != name) == key.identity, key.name
        read = key.name not in unread(config_lib.flatten(other))
        assert [d[0] for d in config_lib.differences(config, other)] == ([key.name] if key.identity and read else [])
    assert name.startswith("vae-digits-z20-")


def _another(key: config_lib.Key):
    if key.kind is bool:
        return not key.default
    if key.kind is tuple:
        return (*key.default, 1 if key.element is int else 1.0)
    return key.default + 1 if key.kind in (int, float) else key.default + "x"


def test_checks_of_keys_that_every_run_has_apply_only_where_the_keys_do(make_config):
    folders = {"dataset": "folder", "train_dir": "a", "val_dir": "b", "test_dir": "c", "val_fraction": 0.0}
    config_lib.validate(make_config(**folders), {})


def test_a_config_file_is_loaded_and_errors_in_it_are_reported(tmp_path):
    good = tmp_path / "good.py"
    good.write_text(
        "from vae_jax.config import defaults\ndef get_config():\n    c = defaults(); c.latent_dim = 5; return c\n"
    )
    assert config_lib.load_file(str(good)).latent_dim == 5
    with pytest.raises(InputError, match=r"nowhere\.py: no such file; choices: .*vae"):
        config_lib.load_file("nowhere.py")
    for content, words in {
        b"x = (": "line 1",
        b"\xff\xfe": "codec",
        b"x\0": "null bytes",
        9999 * b"(": "too many",
    }.items():
        (tmp_path / "broken.py").write_bytes(content)
        with pytest.raises(InputError, match=rf"broken\.py: not a Python file: [^\n]*{words}"):
            config_lib.load_file(str(tmp_path / "broken.py"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(InputError, match="no function get_config"):
        config_lib.load_file(str(tmp_path / "empty.py"))
    for line, words in {
        "c.latnet_dim = 5": r"latnet_dim: unknown key; did you mean latent_dim\?",
        "c.latent_dim = 'ten'": "TypeError: .*int",
        "import nothing_of_this_name": "ModuleNotFoundError: .*nothing_of_this_name",
        "c.log.evry = 5": "evry: unknown key; --help lists the keys",
        "c.update(latent_dim=1 // 0)": "ZeroDivisionError",
    }.items():
        (tmp_path / "typo.py").write_text(
            f"from vae_jax.config import defaults\ndef get_config():\n    c = defaults()\n    {line}\n    return c\n"
        )
        with pytest.raises(InputError, match=rf"\A--config=[^\n]*typo\.py: line 4: {words}[^\n]*\Z"):
            config_lib.load_file(str(tmp_path / "typo.py"))
    (tmp_path / "wrong.py").write_text("def get_config():\n    return 3\n")
    with pytest.raises(InputError, match="int, not a ConfigDict"):
        config_lib.load_file(str(tmp_path / "wrong.py"))
    (tmp_path / "wrong.py").write_text("def get_config(size):\n    return size\n")
    with pytest.raises(InputError, match=r"wrong\.py: TypeError: get_config\(\) missing 1 required[^\n]*'size'\Z"):
        config_lib.load_file(str(tmp_path / "wrong.py"))


@pytest.mark.parametrize("name", ["vae", "ae", "conv_ae", "aevb", "conv_vae", "vae_2d", "iwae", "base"])
def test_the_projects_own_configs_are_valid(name):
    config_lib.validate(config_lib.load_file(f"configs/{name}.py"), REGISTRIES)


def test_relative_folders_become_absolute(make_config, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    config = make_config(dataset="folder", train_dir="photos", test_dir="~/b", split=(0.9, 0.1), split_target="train")
    config = config_lib.validate(config, {})
    assert (config.train_dir, config.test_dir, config.data_dir) == (f"{tmp_path}/photos", "/home/me/b", "")
    assert config_lib.validate(config, {}) == config
    mnist = make_config(dataset="mnist", data_dir="gs://bucket/a")
    assert config_lib.validate(mnist, {}).data_dir == "gs://bucket/a"
