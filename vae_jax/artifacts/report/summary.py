"""The first lines of a page: a headline, and banners that warn of a model that is not what it seems."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vae_jax.artifacts.report.facts import Standing
from vae_jax.evaluation.code_usage import Usage
from vae_jax.runs.run import Run
from vae_jax.system.formatting import format_value

Drawn = Mapping[str, Any]
"""The data of the explorer, see `explorer.content`."""
Codebook = Mapping[str, Any] | None


def headline(run: Run, results: Mapping[str, Any], drawn: Drawn, codebook: Codebook) -> str:
    """Return the size of the images, the best known number and the use of z, to stand beside `facts.title` on one line."""
    height, width, channels = run.shape
    size = f"{height} x {width}{' colour' if channels == 3 else ''}"
    return " · ".join([size, _measured(results), _use_of_z(run, results, drawn, codebook)])


def _measured(results: Mapping[str, Any]) -> str:
    """Return the bound on the test split, or the squared error of a model without one."""
    for name, unit in (("elbo", "nats"), ("mse", "per pixel"), ("loss", "nats")):
        if f"test/{name}" in results:
            return f"test {name} {format_value(name, results[f'test/{name}']).replace('-', '−')} {unit}"
    return "not evaluated yet"


def _use_of_z(run: Run, results: Mapping[str, Any], drawn: Drawn, codebook: Codebook) -> str:
    if codebook is not None:
        return f"{codebook['used']:,} of {codebook['size']:,} codes used"
    active, size = _active(run, results, drawn), run.latents_size
    return f"{size:,} latent dimensions" if active is None else f"{active:,} of {size:,} latent dimensions active"


def _active(run: Run, results: Mapping[str, Any], drawn: Drawn) -> int | None:
    """Return the number of active latent dimensions on the test split; None if it is not known, or there is no rate."""
    if run.model.rate is None:
        return None
    if "columns" in run.model.traits and not drawn["reason"]:
        return sum(one["active"] for one in drawn["dimensions"])
    found = results.get("test/active_units")
    return None if found is None else int(found)


def banners(
    run: Run, stands: Standing, results: Mapping[str, Any], drawn: Drawn, codebook: Codebook
) -> list[dict[str, str]]:
    """Return {kind: "ill" or "note", text} of what a person should know before looking at the page.

    A model that is damaged or not trained is not also blamed for ignoring z.
    """
    ill = _damaged(run, drawn) or _untrained(run, stands) or _ignoring(run, results, drawn, codebook)
    found = [{"kind": "ill", "text": ill}] if ill else []
    if not stands.complete:
        found.append({"kind": "note", "text": f"{stands.text[0].upper()}{stands.text[1:]}."})
    return found


def _usage(codebook: Mapping[str, Any]) -> Usage:
    return Usage(np.array(codebook["counts"]).reshape(codebook["levels"], -1))


def _damaged(run: Run, drawn: Drawn) -> str:
    if not all(np.isfinite(leaf).all() for leaf in map(np.asarray, jax.tree.leaves(run.params))):
        return "This model is damaged: some of its parameters are not finite numbers."
    if not drawn.get("finite", True):
        return "This model is damaged: some pixels of its decoded images are not finite numbers."
    return ""


def _untrained(run: Run, stands: Standing) -> str:
    if run.step == 0:
        return "This model is not trained: its parameters are the random ones of step 0."
    return "This model is hardly trained: not one epoch is complete." if stands.epochs < 1 else ""


def _ignoring(run: Run, results: Mapping[str, Any], drawn: Drawn, codebook: Codebook) -> str:
    if codebook is not None and all(codes == codebook["maps"][0] for codes in codebook["maps"]):
        return "This model ignores its input: all images have the same codes, so all are decoded to the same picture."
    if _active(run, results, drawn) == 0:
        return (
            f"This model ignores its latent space: none of its {run.latents_size} dimensions is active, so all codes "
            f"{'given one class ' * bool(run.class_names)}are decoded to almost the same picture."
        )
    if codebook is not None and _usage(codebook).dead:
        unused = codebook["size"] - codebook["used"]
        return (
            f"Most codes of this model are dead: {unused:,} of {codebook['size']:,} stand for no place of a test image."
        )
    if drawn.get("alike", False):
        return "This model ignores its latent space: all codes are decoded to the same picture."
    return ""
