"""ONNX files, for runtimes without JAX, built from the list of layers."""

import json
from pathlib import Path

from vae_jax.artifacts.export.file import Artefact, sizes
from vae_jax.artifacts.export.graph import Graph
from vae_jax.artifacts.export.operators import chain
from vae_jax.errors import InputError
from vae_jax.models.networks import Layer
from vae_jax.runs.run import Run

LOAD = "import onnxruntime; {name} = onnxruntime.InferenceSession(PATH)  # {call}: {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """Make encoder.onnx and decoder.onnx, and prior.onnx for two stochastic layers, for any number N of images.

    encoder: x [N, H, W, C] in [0, 1] (a denoiser: any) -> mean [N, Z], and logvar [N, Z] for a model with a prior.
    decoder: z [N, Z] -> pixel_mean [N, H, W, C] in [0, 1].
    prior: noise [N, U] drawn from N(0, I) -> mean [N, Z] and logvar [N, Z] of z.

    Everything is float32. If the run computes in bfloat16, results differ by the rounding of bfloat16.

    Raises:
        InputError: the model has no list of layers.
    """
    if run.model.layers is None:
        others = "safetensors" if run.model.place is None else "stablehlo, safetensors"
        raise InputError(f"model={run.config.model}: has no list of layers for onnx; choices: {others}")
    layers, size = run.model.layers(run.params), (run.config.latent_dim,)
    outputs = ["mean"] if run.model.rate is None else ["mean", "logvar"]
    made = [
        _artefact(run, "encoder", layers.encoder, ("x", run.shape), outputs, size),
        _artefact(run, "decoder", layers.decoder, ("z", size), ["pixel_mean"], run.shape),
    ]
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
) -> Artefact:
    """Make the file of one list of layers, whose output is split into `outputs` of one shape."""
    graph = Graph()
    found = chain(graph, layers, given[0])
    parts = graph.split(found, len(outputs)) if len(outputs) > 1 else [found]
    named = {output: (part, shape) for output, part in zip(outputs, parts, strict=True)}
    facts = {
        "model": run.config.model,
        "likelihood": run.config.likelihood,
        "dataset": run.config.dataset,
        "image_shape": json.dumps(run.shape),
        "step": str(run.step),
    }
    content = graph.model(name, {given[0]: given[1]}, named, facts)
    call = f"[{', '.join(outputs)}] = {name}.run(None, {{'{given[0]}': {given[0]}}})"
    what = f"float32 {sizes(given[1])} -> {sizes(shape)}"
    return Artefact(f"{name}.onnx", content, LOAD.format(name=name, call=call, what=what))
