"""Parameters as a safetensors file and back, bit for bit."""

import hashlib
from pathlib import Path

import jax
import numpy as np

from vae_jax.artifacts import about
from vae_jax.errors import InputError, shown
from vae_jax.models import parameter_table
from vae_jax.system.extras import extra
from vae_jax.types import Params


def as_bytes(params: Params) -> bytes:
    """Return a safetensors file's bytes with every array under a name such as `encoder/Dense_0/kernel`.

    Raises:
        InputError: the package safetensors is missing.
    """
    with extra("hub", "save_pretrained"):
        import safetensors.numpy
    return safetensors.numpy.save(about.named(params))


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read(path: Path, expected: str, template: Params) -> Params:
    """Read the parameters of a file.

    Args:
        path: the file.
        expected: its SHA-256.
        template: the shapes and types of the model's parameters.

    Raises:
        InputError: the file is missing or damaged, or holds other arrays than the model's; or safetensors is missing.
    """
    with extra("hub", "from_pretrained"):
        import safetensors.numpy
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{path.parent}: not a whole shared model, it lacks {path.name}; choices: a new copy"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if (found := digest(content)) != expected:
        raise InputError(
            f"{path}: damaged or changed: its SHA-256 is {found}, config.json says {shown(expected)}; choices: a new copy"
        )
    try:
        arrays = safetensors.numpy.load(content)
    except Exception as error:  # a class of the extension module, or what NumPy raises for a type that it lacks
        raise InputError(f"{path}: not a safetensors file: {shown(' '.join(str(error).split()))}") from None
    return _as_params(arrays, template, path)


def _as_params(arrays: dict[str, np.ndarray], template: Params, path: Path) -> Params:
    leaves, treedef = jax.tree.flatten(template)
    wanted = {name: leaf for (name, _, _), leaf in zip(parameter_table(template), leaves, strict=True)}
    problems = [f"lacks the array {name}" for name in wanted if name not in arrays]
    problems += [f"has the array {shown(name)}, which the model has not" for name in arrays if name not in wanted]
    problems += [
        f"has {name} as {_described(arrays[name])}, the model as {_described(leaf)}"
        for name, leaf in wanted.items()
        if name in arrays and _described(arrays[name]) != _described(leaf)
    ]
    if problems:
        more = f", and {len(problems) - 1} more" * (len(problems) > 1)
        raise InputError(f"{path}: not the weights of the model in config.json: {problems[0]}{more}")
    return jax.tree.unflatten(treedef, [arrays[name] for name in wanted])


def _described(array: np.ndarray | jax.ShapeDtypeStruct) -> str:
    return f"{array.dtype} {list(array.shape)}"
