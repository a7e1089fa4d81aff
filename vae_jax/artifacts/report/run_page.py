"""The page of one run: its facts, its numbers, its figures, and its latent space to explore."""

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vae_jax.artifacts.boxes import read_boxes, read_step
from vae_jax.artifacts.report import explorer, facts, measured, painter, summary
from vae_jax.artifacts.report.codebook import codebook
from vae_jax.artifacts.report.commands import commands
from vae_jax.artifacts.report.page import data_url, render
from vae_jax.evaluation import health
from vae_jax.runs import workdir as workdir_lib
from vae_jax.runs.run import Run
from vae_jax.system import disk
from vae_jax.types import Dataset

SCRIPTS = (
    "vendor/uPlot.iife.min.js",
    *(
        f"{name}.js"
        for name in ("page", "network", "curves", "engine", "pictures", "plane", "colours", "legend", "space", "tsne")
    ),
    *(f"{name}.js" for name in ("address", "walk", "drawing", "stage", "pointer", "film", "samples", "codebook")),
    *(f"{name}.js" for name in ("sliders", "walker", "pad", "explorer", "figures", "main")),
)
PAINTER_SCRIPTS = (
    "vendor/uPlot.iife.min.js",
    *(f"{name}.js" for name in ("page", "network", "curves", "engine", "pictures", "drawing", "codebook", "pad")),
    *(f"{name}.js" for name in ("code_grid", "palette", "painter", "figures", "main")),
)
"""The scripts of a page on which codes are painted, in the place of a latent space to explore."""
FIGURES = {
    "reconstructions": "Test images, above, and what the model makes of them, below",
    "errors": "How large the reconstruction error is, with the best, the median and the worst test images",
    "samples": "Drawn from the prior",
    "temperatures": "The same draws, nearer to the prior's modes and farther from them",
    "neighbours": "Are samples copies? Each is above the training image that is nearest to it in pixels",
    "manifold": "The plane of the latent space, decoded",
    "plane": "The codes of test images over the decoded plane",
    "traversal": "One latent dimension at a time, the others at 0",
    "variations": "One latent dimension at a time, the others as in a test image",
    "corners": "Between four test images, at the corners",
    "kl_per_dimension": "What each latent dimension carries",
    "activity": "How much the codes vary in each latent dimension, while the model was trained",
    "latent_scatter": "All test images in the latent space",
    "components": "All test images, coloured by the component of the prior that most probably drew them",
    "tsne": "t-SNE of the test images' latents",
    "neighbour_classes": "Which classes are confused: in each row the classes of the nearest codes",
    "sigma": "The learned standard deviation of pixels, and their error",
    "walk": "From one class or image to another",
    "qq": "Codes against the prior, dimension by dimension",
    "animation": "The latent space while it was trained",
}
"""The start of a figure's file name -> its caption, in the order of the page. Curves are drawn by the page itself."""
MOST_FIGURE_BYTES = 1_500_000
"""The most bytes of figures in the page; further ones are linked."""


def write_report(
    run: Run, dataset: Dataset, workdir: Path, path: Path, results: Mapping[str, Any] | None = None
) -> None:
    """Write the page of a run: one self-contained file for a browser.

    Args:
        run: the trained model.
        dataset: the explorer shows its test split.
        workdir: its metrics, results, health and figures are shown if they exist.
        path: the file to write.
        results: the content of results.json; None: it is read.

    Raises:
        TrainingError: the disk is full.
    """
    found = workdir_lib.read_results(workdir) if results is None else dict(results)
    stands = facts.standing(workdir, run.config, found)
    if not stands.complete:
        found = {}
    splits, table = facts.result_table(workdir, found)
    codes = codebook(run, dataset, found)
    painted = None if codes is None else painter.content(run, dataset, codes["counts"])
    drawn = explorer.content(run, dataset, workdir) if painted is None else painted
    embedded, linked = figures(workdir, path.parent, run.step, {"animation"} if drawn.get("film") else set())
    text = render(
        "report.html.j2",
        SCRIPTS if painted is None else PAINTER_SCRIPTS,
        {
            "curves": measured.without_mirrors(measured.curves(workdir)),
            "best_epoch": found.get("best_epoch"),
            "explorer": drawn if painted is None else None,
            "painter": painted,
            "codebook": codes,
            "boxes": [figure.get("boxes", []) for figure in embedded],
        },
        title=facts.title(run.config),
        name=facts.run_name(run, workdir),
        headline=summary.headline(run, found, drawn, codes),
        codebook=codes,
        banners=summary.banners(run, stands, found, drawn, codes),
        stands=stands,
        header=facts.header(run, dataset, workdir, stands, found),
        commands=commands(run, workdir),
        splits=splits,
        table=[(name, measured.unit(name), cells) for name, cells in table],
        pixels=found.get("pixels", ""),
        classes=bool(run.class_names),
        bounded=run.model.rate is not None,
        examined=health.is_examinable(run.model),
        health=measured.health(workdir, found),
        health_command=f"vae-jax health --workdir={shlex.quote(str(workdir))}",
        with_prior=run.model.prior is not None,
        network=drawn.get("network"),
        painted=None if drawn["reason"] else painted,
        config=facts.config_rows(run.config),
        figures=embedded,
        linked=linked,
        reason=drawn["reason"],
    )
    disk.write(path, text)


def figures(
    workdir: Path, folder: Path, step: int, without: Collection[str] = ()
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Return {caption, url, boxes} of the figures in the page, and {caption, url} of those that a page in `folder` links.

    boxes are the parts that show images, which a dark page does not invert; see `boxes.read_boxes`. Figures whose names are in
    `without` are left out. The caption of a figure that was drawn from another checkpoint than that of `step` says so.
    """
    embedded, linked, size = [], [], 0
    for name, caption in FIGURES.items():
        if name in without:
            continue
        for file in _files(workdir / "figures", name):
            content = file.read_bytes()
            size += len(content)
            drawn_at = read_step(content)
            other = (
                "" if drawn_at in (None, step) else f" (drawn at step {drawn_at:,}; vae-jax visualize draws it again)"
            )
            if size <= MOST_FIGURE_BYTES and file.suffix == ".png":
                picture = {"url": data_url("image/png", content), "boxes": read_boxes(content)}
                embedded.append({"caption": caption + other} | picture)
            else:
                linked.append({"caption": caption + other, "url": _address(file, folder)})
    return embedded, linked


def _files(folder: Path, name: str) -> list[Path]:
    """Return NAME.png or NAME.gif, or the pages NAME_1.png, NAME_2.png, ..."""
    pages = sorted(folder.glob(f"{name}_[0-9]*.png"), key=lambda path: (len(path.name), path.name))
    return [path for path in (folder / f"{name}.png", folder / f"{name}.gif", *pages) if path.is_file()]


def _address(file: Path, folder: Path) -> str:
    try:
        return file.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return file.resolve().as_uri()
