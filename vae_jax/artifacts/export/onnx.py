"""ONNX files, for runtimes without JAX, built from the list of layers."""

import json
from pathlib import Path

import numpy as np

from vae_jax.artifacts.export.file import Artefact, sizes
from vae_jax.artifacts.export.graph import Graph
from vae_jax.artifacts.export.operators import chain
from vae_jax.errors import InputError
from vae_jax.models.networks import Layer, Layers
from vae_jax.runs.run import Run

LOAD = "import onnxruntime; {name} = onnxruntime.InferenceSession(PATH)  # {call}: {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """Make encoder.onnx and decoder.onnx, and prior.onnx for two stochastic layers, for any number N of images.

    encoder: x [N, H, W, C] in [0, 1] (a denoiser: any) -> mean [N, Z] and logvar [N, Z] of a diagonal Gaussian; only mean
    without a prior; z [N, Z], the noise-free z, of another posterior. There is no file if that needs more than layers.
    decoder: z [N, Z] -> pixel_mean [N, H, W, C] in [0, 1].
    A discrete z is `codes`, int32 [N, h, w] on the grid of a convolutional network, [N, T] without one, and [N, h, w, R] with R
    codes at each place.
    Of a conditional model encoder and decoder take `label` [N, Y] too: 1 for the class of each row, 0 for the others.
    prior: noise [N, U] drawn from N(0, I) -> mean [N, Z] and logvar [N, Z] of z.

    Everything else is float32. If the run computes in bfloat16, results differ by the rounding of bfloat16.

    Raises:
        InputError: the model has no list of layers.
    """
    if run.model.layers is None:
        others = "stablehlo, safetensors" if run.model.place or run.model.from_codes else "safetensors"
        raise InputError(f"{_named(run)}: has no list of layers for onnx; choices: {others}")
    layers = run.model.layers(run.params)
    if run.model.num_codes:
        return _of_codes(run, layers)
    size, classes, made = (run.latents_size,), len(run.class_names), []
    if layers.encoder:
        gaussian = layers.encoder[-1].output == (2 * size[0],)
        outputs = ["mean", "logvar"] if gaussian else ["mean"] if run.model.rate is None else ["z"]
        made.append(_artefact(run, "encoder", layers.encoder, ("x", run.shape), outputs, size, classes))
    made.append(_artefact(run, "decoder", layers.decoder, ("z", size), ["pixel_mean"], run.shape, classes))
    if layers.prior:
        flat = [*layers.prior, Layer("reshape", (2 * size[0],))]
        noise = layers.prior[0].arrays["kernel"].shape[:1]
        made.append(_artefact(run, "prior", flat, ("noise", noise), ["mean", "logvar"], size))
    return made


def _named(run: Run) -> str:
    if run.draws_pixels:
        return f"likelihood={run.config.likelihood}"
    conditional = "" if run.config.condition == "none" else f" with condition={run.config.condition}"
    return f"model={run.config.model}{conditional}"


def _of_codes(run: Run, layers: Layers) -> list[Artefact]:
    """Make the files of a discrete model, whose codes have the shape of its grid."""
    grid = run.model.grid
    encoder = [*layers.encoder, Layer("reshape", grid)]
    decoder = [Layer("reshape", layers.encoder[-1].output), *layers.decoder]
    return [
        _artefact(run, "encoder", encoder, ("x", run.shape), ["codes"], grid),
        _artefact(run, "decoder", decoder, ("codes", grid), ["pixel_mean"], run.shape),
    ]


def _artefact(
    run: Run,
    name: str,
    layers: list[Layer],
    given: tuple[str, tuple[int, ...]],
    outputs: list[str],
    shape: tuple[int, ...],
    num_classes: int = 0,
) -> Artefact:
    """Make the file of one list of layers, whose output is split into `outputs` of one shape.

    With num_classes the input's last axis is joined with the label of the row, [N, num_classes].
    """
    graph, inputs = Graph(), dict([given])
    x = given[0]
    if num_classes:
        inputs["label"] = (num_classes,)
        around = given[1][:-1]
        label = graph.reshape("label", (*[1] * len(around), num_classes)) if around else "label"
        planes = graph.add("Mul", label, np.ones((1, *around, num_classes), np.float32)) if around else label
        x = graph.add("Concat", x, planes, axis=-1)
    found = chain(graph, layers, x)
    parts = graph.split(found, len(outputs)) if len(outputs) > 1 else [found]
    named = {output: (part, shape) for output, part in zip(outputs, parts, strict=True)}
    facts = {
        "model": run.config.model,
        "likelihood": run.config.likelihood,
        "dataset": run.config.dataset,
        "image_shape": json.dumps(run.shape),
        "step": str(run.step),
    }
    if num_classes:
        facts["classes"] = json.dumps(run.class_names)
    if run.model.num_codes:
        facts |= {"num_codes": str(run.model.num_codes)}
    content = graph.model(name, inputs, named, facts, ("codes",))
    arguments = ", ".join(f"'{key}': {key}" for key in inputs)
    call = f"[{', '.join(outputs)}] = {name}.run(None, {{{arguments}}})"
    dtype = "int32" if "codes" in inputs else "float32"
    what = f"{dtype} {' and '.join(map(sizes, inputs.values()))} -> {sizes(shape)}"
    return Artefact(f"{name}.onnx", content, LOAD.format(name=name, call=call, what=what))
