"""Checks of values of several keys that do not go together."""

from collections.abc import Mapping
from typing import Any

from vae_jax.config.table import ENTRIES, chosen
from vae_jax.data.folders.rules import split_problems

OF_BINARY = ("bernoulli", "pixelcnn")
"""The likelihoods of binarised pixels."""


def combination_problems(c: Mapping[str, Any]) -> list[str]:
    """Return a line for each problem of a flat config whose single values are valid."""
    return split_problems(c) + problems_without_folders(c)


def problems_without_folders(c: Mapping[str, Any]) -> list[str]:
    """Return a line for each problem of a flat config, but for those of the folders of its images."""
    problems = []
    if c["binarize"] != "none" and c["likelihood"] not in OF_BINARY:
        choices = " or ".join(f"likelihood={name}" for name in OF_BINARY)
        problems.append(f"binarize={c['binarize']}: needs {choices}, not likelihood={c['likelihood']}")
    if c["dataset"] == "codes" and c["model"] != "density":
        problems.append(
            f"model={c['model']}: dataset=codes has the codes of a run in place of images; choices: model=density"
        )
    if c["dataset"] == "codes" and c["binarize"] != "none":
        problems.append(f"binarize={c['binarize']}: dataset=codes has no pixels; choices: binarize=none")
    if c["dataset"] == "grain" and c["binarize"] == "static_seeded":
        problems.append(
            "binarize=static_seeded: dataset=grain reads its training images as it needs them, and keeps none; choices: "
            "binarize=none, dynamic"
        )
    if c["schedule"] == "cosine" and c["schedule_epochs"] <= c["warmup_epochs"]:
        problems.append(
            f"schedule_epochs={c['schedule_epochs']:g}: schedule={c['schedule']} needs its own length, more than "
            f"warmup_epochs={c['warmup_epochs']:g} (num_epochs={c['num_epochs']}, say); extending a run must not change its past"
        )
    if c["val_fraction"] >= 1 and c["val_fraction"] != int(c["val_fraction"]):
        problems.append(f"val_fraction={c['val_fraction']:g}: from 1 on it is a count, a whole number of images")
    if c["val_fraction"] == 0 and c["dataset"] not in ("folder", "grain"):
        problems.append(
            "val_fraction=0: the validation split would be empty; choices: a fraction below 1, or a number of images"
        )
    for choice in chosen(c):
        problems += ENTRIES[choice].problems(c)
    return problems
