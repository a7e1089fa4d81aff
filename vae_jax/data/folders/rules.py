"""The folders, files and proportions that may be given together (dataset=folder and dataset=arrays)."""

from collections.abc import Mapping
from typing import Any

from vae_jax.data.allotment import SPLIT_RULES

_RULES: dict[tuple[str, ...], tuple[int, ...]] = {
    ("train_dir",): (3,),
    ("train_dir", "test_dir"): (2,),
    ("train_dir", "val_dir", "test_dir"): (0,),
    ("data_dir",): (0, 2),  # train/, val/ and test/ below it, or train/ and test/
}
"""The given folders -> the allowed numbers of proportions."""


def split_problems(c: Mapping[str, Any]) -> list[str]:
    """Return a line for each problem of a flat config that can be found without reading the disk."""
    if c["dataset"] not in ("folder", "arrays"):
        return []
    split, problems = c["split"], []
    if split and abs(sum(split) - 1) > 1e-6:
        problems.append(f"split={split}: the proportions sum to {sum(split):.7g}, not to 1")
    if 0 in split:
        problems.append(f"split={split}: a split would be empty; every proportion is above 0")
    if c["split_target"] == "test" and len(split) != 2:
        problems.append(f"split_target=test: goes with two proportions, not with split={split}")
    if c["dataset"] == "arrays":
        return problems if c["data_dir"] else [*problems, "data_dir=: dataset=arrays needs the .npz or .npy file"]
    if c["held_out"] != "random":
        problems.append(f"held_out={c['held_out']}: dataset=folder reads class by class; choices: held_out=random")
    return problems + _folder_problems(c, split)


def _folder_problems(c: Mapping[str, Any], split: tuple[float, ...]) -> list[str]:
    given = tuple(name for name in ("train_dir", "val_dir", "test_dir", "data_dir") if c[name])
    if given == ("train_dir",) and not split:
        return ["split=(): one folder needs three proportions, such as --config.split=0.7,0.2,0.1"]
    if given == ("train_dir", "test_dir") and not split:
        return [
            "split=(): train_dir and test_dir need two proportions, such as --config.split=0.8,0.2, and split_target"
        ]
    if not given:
        return [f"train_dir=: dataset=folder needs a folder; choices: {SPLIT_RULES}; data_dir with train/ and test/"]
    if len(split) not in _RULES.get(given, ()):
        proportions = f"{len(split)} proportions in split" if split else "no split"
        return [
            f"{given[0]}={c[given[0]]}: {' and '.join(given)} with {proportions}; choices: {SPLIT_RULES}; data_dir in the "
            "folders' place, with train/, test/ and perhaps val/"
        ]
    return []
