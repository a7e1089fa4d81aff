"""ONNX files, for runtimes without JAX, built from the list of layers."""

import json
from pathlib import Path

import numpy as np

from vae_jax.artifacts.export.file import Artefact, sizes
from vae_jax.artifacts.export.graph import Graph
from vae_jax.artifacts.export.operators import chain
from vae_jax.errors import InputError
from vae_jax.models.networks import Layer
from vae_jax.runs.run import Run

LOAD = "import onnxruntime; {name} = onnxruntime.InferenceSession(PATH)  # {call}: {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """Make encoder.onnx and decoder.onnx, and prior.onnx for two stochastic layers, for any number N of images.

    encoder: x [N, H, W, C] in [0, 1] (a denoiser: any) -> mean [N, Z] and logvar [N, Z] of a diagonal Gaussian; only mean
    without a prior; z [N, Z], the noise-free z, of another posterior. There is no file if that needs more than layers.
    decoder: z [N, Z] -> pixel_mean [N, H, W, C] in [0, 1].
    Of a conditional model encoder and decoder take `label` [N, Y] too: 1 for the class of each row, 0 for the others.
    prior: noise [N, U] drawn from N(0, I) -> mean [N, Z] and logvar [N, Z] of z.

    Everything is float32. If the run computes in bfloat16, results differ by the rounding of bfloat16.

    Raises:
        InputError: the model has no list of layers.
    """
    if run.model.layers is None:
        others = "safetensors" if run.model.place is None else "stablehlo, safetensors"
        key = "likelihood" if run.draws_pixels else "model"
        raise InputError(f"{key}={run.config[key]}: has no list of layers for onnx; choices: {others}")
    layers, size, classes = run.model.layers(run.params), (run.latents_size,), len(run.class_names)
    made = []
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
    content = graph.model(name, inputs, named, facts)
    arguments = ", ".join(f"'{key}': {key}" for key in inputs)
    call = f"[{', '.join(outputs)}] = {name}.run(None, {{{arguments}}})"
    what = f"float32 {' and '.join(map(sizes, inputs.values()))} -> {sizes(shape)}"
    return Artefact(f"{name}.onnx", content, LOAD.format(name=name, call=call, what=what))
