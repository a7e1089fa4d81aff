"""Checks of values of several keys that do not go together."""

from collections.abc import Mapping
from typing import Any

from vae_jax.data.folders.rules import split_problems


def combination_problems(c: Mapping[str, Any]) -> list[str]:
    """Return a line for each problem of a flat config whose single values are valid."""
    problems = split_problems(c)
    if c["binarize"] != "none" and c["likelihood"] != "bernoulli":
        problems.append(f"binarize={c['binarize']}: needs likelihood=bernoulli, not likelihood={c['likelihood']}")
    if c["schedule"] == "cosine" and c["schedule_epochs"] <= c["warmup_epochs"]:
        problems.append(
            f"schedule_epochs={c['schedule_epochs']:g}: schedule={c['schedule']} needs its own length, more than "
            f"warmup_epochs={c['warmup_epochs']:g} (num_epochs={c['num_epochs']}, say); extending a run must not change its past"
        )
    if c["val_fraction"] >= 1 and c["val_fraction"] != int(c["val_fraction"]):
        problems.append(f"val_fraction={c['val_fraction']:g}: from 1 on it is a count, a whole number of images")
    if c["val_fraction"] == 0 and c["dataset"] != "folder":
        problems.append(
            "val_fraction=0: the validation split would be empty; choices: a fraction below 1, or a number of images"
        )
    if not c["hidden_dims"] and c["network"] == "mlp" and c["dropout"] > 0:
        problems.append(f"dropout={c['dropout']:g}: there are no hidden units to drop, because hidden_dims=()")
    if not c["channels"] and c["network"] == "conv":
        problems.append(
            "channels=(): network=conv needs the channels of at least one convolution, such as channels=(32, 64)"
        )
    if c["kernel_init"] != "he" and c["network"] != "mlp":
        problems.append(
            f"kernel_init={c['kernel_init']}: network={c['network']} supports only one initialisation; choices: he"
        )
    return problems + _OF_OBJECTIVES.get(c["objective"], lambda c: [])(c)


def _elbo_problems(c: Mapping[str, Any]) -> list[str]:
    problems = []
    if c["kl_cycles"] > 1 and c["kl_warmup_epochs"] == 0:
        problems.append(f"kl_cycles={c['kl_cycles']}: a cycle needs its length, kl_warmup_epochs above 0")
    for name in ("free_bits", "kl_warmup_epochs"):
        if c["capacity"] > 0 and c[name] > 0:
            problems.append(
                f"{name}={c[name]:g}: capacity={c['capacity']:g} sets the KL by itself (and capacity_epochs its growth); "
                f"{name}=0, or capacity=0"
            )
    return problems


def _importance_problems(c: Mapping[str, Any]) -> list[str]:
    problems = []
    if c["num_samples"] % c["num_groups"]:
        problems.append(f"num_groups={c['num_groups']}: does not divide num_samples={c['num_samples']}")
    weighted = [name for name in ("free_bits", "kl_warmup_epochs", "capacity") if c[name]]
    if c["beta"] != 1 or weighted:
        name = (weighted or ["beta"])[0]
        problems.append(f"{name}={c[name]:g}: objective=importance has no KL to weight; choices: objective=elbo")
    return problems


def _reconstruction_problems(c: Mapping[str, Any]) -> list[str]:
    if c["checkpoint.best_metric"] == "val/elbo":
        return [f"checkpoint.best_metric=val/elbo: objective={c['objective']} has no elbo; choices: auto, val/loss"]
    return []


def _denoising_problems(c: Mapping[str, Any]) -> list[str]:
    problems = _reconstruction_problems(c)
    if c["noise_std"] == 0 and c["noise_mean"] == 0:
        problems.append("noise_std=0: objective=denoising needs noise; choices: noise_std above 0, or noise_mean not 0")
    return problems


_OF_OBJECTIVES = {
    "denoising": _denoising_problems,
    "elbo": _elbo_problems,
    "importance": _importance_problems,
    "reconstruction": _reconstruction_problems,
}
"""Checks that apply to one objective only."""
