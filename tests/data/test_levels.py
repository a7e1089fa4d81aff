"""The number of grey levels of a data set."""

import numpy as np
import pytest

from vae_jax import config as config_room
from vae_jax import data
from vae_jax.data import levels
from vae_jax.data.levels import levels_of
from vae_jax.data.spec import spec_of
from vae_jax.errors import InputError
from vae_jax.types import Dataset, Split


def make_config(number=0, **changes):
    config = config_room.defaults()
    config.update({"likelihood": "levels", **changes})
    config.levels.number = number
    return config


def dataset(*values: list[int]) -> Dataset:
    """Return splits that hold these pixel values."""
    splits = [Split(np.array(own, np.uint8).reshape(-1, 1, 1, 1), np.zeros(len(own), np.int32)) for own in values]
    return Dataset(splits[0], splits[1], splits[2])


def stored(number: int) -> set[int]:
    return {round(255 * k / (number - 1)) for k in range(number)}


def test_digits_have_17_levels_binary_pixels_2_and_bytes_256():
    digits = data.load(make_config())
    assert levels_of(digits, make_config()) == 17
    assert levels_of(data.load(make_config(dataset="textbook_digits")), make_config()) == 17
    assert levels_of(data.load(make_config(image_size=(12, 16))), make_config()) == 256
    assert levels_of(dataset([0, 255], [0], [255]), make_config()) == 2
    assert levels_of(dataset([0], [0], [0]), make_config()) == 2
    assert levels_of(dataset(list(range(256)), [0], [0]), make_config()) == 256
    assert (spec_of(digits).levels, spec_of(digits, 17).levels) == (0, 17)


@pytest.mark.parametrize("split", range(3))
def test_every_split_is_looked_at(split):
    values = [[0, 255, 128]] * 3
    assert levels_of(dataset(*values), make_config()) == 3
    values[split] = [0, 255, 64, 128]
    assert levels_of(dataset(*values), make_config()) == 5
    values[split] = list(range(256))
    assert levels_of(dataset(*values), make_config()) == 256


def test_the_number_is_the_smallest_whose_stored_values_contain_the_pixels(monkeypatch):
    monkeypatch.setattr(levels, "_BLOCK", 2)  # several blocks a split
    rng = np.random.default_rng(0)
    for number in (2, 3, 4, 6, 16, 17, 33, 52, 86, 128, 200, 255, 256):
        values = sorted(stored(number))
        found = levels_of(dataset(values, values[:1], values[:2]), make_config())
        assert found == min(other for other in range(2, 257) if stored(other) >= set(values)) <= number
        few = rng.choice(values, 3).tolist()
        assert levels_of(dataset(few[:1], few[1:2], few[2:]), make_config()) == min(
            other for other in range(2, 257) if stored(other) >= set(few)
        )


@pytest.mark.parametrize("number", [17, 33, 256])
def test_a_larger_number_that_contains_the_pixels_is_accepted_and_the_datas_own_is_returned(number):
    assert levels_of(dataset(sorted(stored(17)), [0], [255]), make_config(number)) == 17


@pytest.mark.parametrize(
    ("values", "number", "choices"),
    [
        (range(256), 17, "0 (as many as the data), 256"),
        (sorted(stored(17)), 5, "0 (as many as the data), 17, 33, 49, ..., 256"),
    ],
)
def test_levels_that_do_not_contain_the_pixels_are_refused_in_one_line(values, number, choices):
    with pytest.raises(InputError) as caught:
        levels_of(dataset([0], [255], list(values)), make_config(number))
    message = str(caught.value)
    assert message.startswith(f"levels.number={number}: ")
    assert message.endswith(f"choices: {choices}")
    assert "\n" not in message
    for word in ("likelihood=levels", "dataset=digits"):
        assert word in message
