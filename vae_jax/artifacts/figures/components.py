"""The latent space as a cloud of points, coloured by the component of a mixture prior that most probably drew them."""

import numpy as np
from jaxtyping import Float, Int
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vae_jax.artifacts.figures.colours import PALETTE, class_colours
from vae_jax.artifacts.figures.scatter import cloud, name_classes

MOST_NAMED = 2 * len(PALETTE)
"""The most components that have a colour of their own."""
OTHERS = "#999999"


def component_groups(
    components: Int[np.ndarray, " N"],
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " K"], Float[np.ndarray, "G 4"]]:
    """Group points by component: the K largest ones, at most 20, and all further ones as one group.

    Returns:
        (the group of each point, the numbers of the K components by size, the colour of each group).
    """
    numbers, counts = np.unique(components, return_counts=True)
    named = numbers[np.argsort(-counts, kind="stable")[:MOST_NAMED]]
    matches = np.asarray(components)[:, None] == named[None]
    groups = np.where(matches.any(axis=1), matches.argmax(axis=1), len(named))
    palette = class_colours(len(PALETTE))
    # A ramp would give neighbours in size, which are unrelated, almost the same colour.
    colours = np.concatenate([palette, 0.5 + 0.5 * palette])[: len(named)]
    if len(numbers) > len(named):
        colours = np.concatenate([colours, [to_rgba(OTHERS)]])
    return groups, named, colours


def fig_components(
    points: Float[np.ndarray, "N 2"],
    axis_names: tuple[str, str],
    components: Int[np.ndarray, " N"],
    num_components: int = 0,
) -> Figure:
    """Draw test images as points in two latent directions, coloured by their component of the prior, which counts from 0.

    The largest components are named at their medians, counted from 1, and the legend has their numbers of images. The title
    says how many of num_components have an image; 0: it is not known how many there are.
    """
    groups, named, colours = component_groups(components)
    sizes = np.bincount(groups, minlength=len(colours))
    used = len(np.unique(components))
    title = f"{used:,} of {num_components:,} components have test images" if num_components else f"{used:,} components"
    title = f"Test images by component of the prior\n{title}"
    figure, axes, kept = cloud(points, axis_names, colours[groups], title, quiet=groups == len(named))
    names = tuple(str(number + 1) for number in named.tolist())
    labels = [f"{name} ({size:,})" for name, size in zip(names, sizes.tolist(), strict=False)]
    labels += [f"others ({sizes[-1]:,})"] * (len(colours) > len(named))
    handles = [
        Line2D([], [], marker="o", linestyle="", color=tuple(colour), label=label)
        for colour, label in zip(colours.tolist(), labels, strict=True)
    ]
    style = {"fontsize": 9, "title_fontsize": 9, "frameon": False, "handletextpad": 0.2}
    figure.legend(handles=handles, loc="outside right center", title="component (images)", **style)
    if len(kept):  # after the legend, which narrows the axes
        within = kept[groups[kept] < len(named)]
        name_classes(figure, axes, np.asarray(points, float)[within], groups[within], names, colours)
    return figure
