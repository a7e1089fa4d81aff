"""ONNX files, for runtimes without JAX, built from the list of layers."""

import json
from pathlib import Path

from vae_jax.artifacts.export.file import Artefact, sizes
from vae_jax.artifacts.export.graph import Graph
from vae_jax.artifacts.export.operators import LABEL, chain
from vae_jax.errors import InputError
from vae_jax.models.networks import Layer, Layers
from vae_jax.runs.pair import PAIR, first_folder
from vae_jax.runs.run import Run

LOAD = "import onnxruntime; {name} = onnxruntime.InferenceSession(PATH)  # {call}: {what}"


def make(run: Run, workdir: Path) -> list[Artefact]:
    """Make encoder.onnx and decoder.onnx, and prior.onnx for two stochastic layers, for any number N of images.

    encoder: x [N, H, W, C] in [0, 1] (a denoiser: any) -> mean [N, Z] and logvar [N, Z] of a diagonal Gaussian; only mean
    without a prior; z [N, Z], the noise-free z, of another posterior. There is no file if that needs more than layers.
    decoder: z [N, Z] -> pixel_mean [N, H, W, C] in [0, 1].
    A discrete z is `codes`, int32 [N, h, w] on the grid of a convolutional network, [N, T] without one, and [N, h, w, R] with R
    codes at each place.
    Of a conditional model encoder and decoder take `label` [N, Y] too, see `operators.LABEL`.
    prior: noise [N, U] drawn from N(0, I) -> mean [N, Z] and logvar [N, Z] of z.

    Everything else is float32. If the run computes in bfloat16, results differ by the rounding of bfloat16.

    Raises:
        InputError: the model has no list of layers.
    """
    if run.model.layers is None:
        others = ["stablehlo"] * bool(run.model.place or run.model.from_codes)
        others.append(
            "safetensors" if PAIR not in run.model.traits else f"safetensors of --workdir={first_folder(run)}"
        )
        raise InputError(f"{_named(run)}: has no list of layers for onnx; choices: {', '.join(others)}")
    layers = run.model.layers(run.params)
    if run.model.num_codes:
        return _of_codes(run, layers)
    size, made = (run.latents_size,), []
    if layers.encoder:
        gaussian = layers.encoder[-1].output == (2 * size[0],)
        outputs = ["mean", "logvar"] if gaussian else ["mean"] if run.model.rate is None else ["z"]
        made.append(_artefact(run, "encoder", layers.encoder, ("x", run.shape), outputs, size))
    made.append(_artefact(run, "decoder", layers.decoder, ("z", size), ["pixel_mean"], run.shape))
    if layers.prior:
        flat = [*layers.prior, Layer("reshape", (2 * size[0],))]
        noise = layers.prior[0].arrays["kernel"].shape[:1]
        made.append(_artefact(run, "prior", flat, ("noise", noise), ["mean", "logvar"], size))
    return made


def _named(run: Run) -> str:
    if run.draws_pixels:
        return f"likelihood={run.config.likelihood}"
    return f"model={run.config.model}"


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
) -> Artefact:
    """Make the file of one list of layers, whose output is split into `outputs` of one shape."""
    graph, inputs = Graph(), dict([given])
    if classes := [layer.numbers["classes"] for layer in layers if layer.kind == "label"]:
        inputs[LABEL] = tuple(classes)
    found = chain(graph, layers, given[0])
    parts = graph.split(found, len(outputs)) if len(outputs) > 1 else [found]
    named = {output: (part, shape) for output, part in zip(outputs, parts, strict=True)}
    facts = {
        "model": run.config.model,
        "likelihood": run.config.likelihood,
        "dataset": run.config.dataset,
        "image_shape": json.dumps(run.shape),
        # The step of a pair is that of its density.
        **({"prior": "learned afterwards, not in this file"} if PAIR in run.model.traits else {"step": str(run.step)}),
    }
    if LABEL in inputs:
        facts["classes"] = json.dumps(run.class_names)
    if run.model.num_codes:
        facts |= {"num_codes": str(run.model.num_codes)}
    content = graph.model(name, inputs, named, facts, ("codes",))
    arguments = ", ".join(f"'{key}': {key}" for key in inputs)
    call = f"[{', '.join(outputs)}] = {name}.run(None, {{{arguments}}})"
    taken = [f"{'int32' if key == 'codes' else 'float32'} {sizes(own)}" for key, own in inputs.items()]
    what = f"{' and '.join(taken)} -> {sizes(shape)}"
    return Artefact(f"{name}.onnx", content, LOAD.format(name=name, call=call, what=what))
