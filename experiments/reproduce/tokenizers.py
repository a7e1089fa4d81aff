"""Tokenizers compared at equal numbers of codes: python -m experiments.reproduce.tokenizers --table=mnist [--row=NAME]

Train every row of a table, or resume it, then a learned prior of its codes, each in its own directory below --output. Each
finished row is kept in results/tokenizers/rows.json; the tables of experiments/reproduce/README.md, and the pictures side by
side, are made of that file and of the runs. --table=samples judges 1,000 samples of the row vq of the table mnist, drawn with
the uniform prior and with the learned one, by a classifier of the digits.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.reproduce import tokenizers_tables
from experiments.reproduce.conditional import judge
from experiments.reproduce.tokenizers_rows import GRID, TABLES, Table
from vae_jax import data, train
from vae_jax.commands import arguments
from vae_jax.config import command_line
from vae_jax.errors import one_of
from vae_jax.evaluation.generation import probabilities
from vae_jax.models import require_rate
from vae_jax.runs.loading import load_run
from vae_jax.runs.run import Run
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.types import Config

NUM = 1000
"""The number of samples that are judged."""
MEASURED = ("mse_mean", "psnr", "ssim", "kl", "elbo")


def parse(argv: list[str]) -> Any:
    """Parse the command line."""
    parser = arguments.Parser(__doc__)
    parser.add_argument("--table", required=True, choices=[*TABLES, "samples"], help="the table")
    parser.add_argument("--row", default="all", metavar="ROW", help="a row of the table (all)")
    parser.add_argument("--data_dir", default="", metavar="DIR", help="MNIST's four .gz files (default: download them)")
    parser.add_argument(
        "--photos", default="photos", metavar="DIR", help="a folder of photographs for --table=photos (photos)"
    )
    parser.add_argument(
        "--output", type=arguments.path, default=Path("runs/tokenizers"), metavar="DIR", help="(runs/tokenizers)"
    )
    flags = parser.parse_args(argv)
    if flags.row != "all":
        one_of("--row", flags.row, [*(TABLES[flags.table].rows if flags.table in TABLES else ()), "all"])
    return flags


def make_config(flags: Any, name: str, row: str, **changes: Any) -> Config:
    """Make the config of a row's tokenizer."""
    table = TABLES[name]
    where = {"train_dir": flags.photos} if "split" in table.keys else {"data_dir": flags.data_dir}
    keys = {**table.keys, **table.rows[row], **where, **changes}
    return command_line.read_file(table.config, tuple((key, str(value)) for key, value in keys.items()))


def make_prior_config(table: Table, row: str, parent: Path) -> Config:
    """Make the config of the learned prior of a run's codes."""
    file = "configs/density.py" if row == GRID else "configs/code_prior.py"
    return command_line.read_file(file, (("data_dir", str(parent)), ("num_epochs", str(table.prior_epochs))))


def workdir_of(output: Path, name: str, row: str, kind: str) -> Path:
    """Return the directory of a row's run; `kind` is tokenizer, prior, or the beta of a search."""
    words = "".join(c if c.isalnum() else " " for c in row).split()
    return output / f"{name}-{'-'.join(words)}-{kind}"


def tokenizer_of(output: Path, name: str, row: str) -> Path | None:
    """Return the directory of a row's finished tokenizer, None if there is none.

    For the row GRID this is the run of the beta whose validation kl is the nearest to the rate of the codes.
    """
    table = TABLES[name]
    kinds = [f"beta-{beta}" for beta in table.betas] if row == GRID else ["tokenizer"]
    found = [workdir_of(output, name, row, kind) / "results.json" for kind in kinds]
    if not all(path.is_file() for path in found):
        return None
    apart = {path.parent: abs(json.loads(path.read_text("utf-8"))["val/kl"] - table.nats) for path in found}
    return min(apart, key=apart.__getitem__)


def timed(config: Config, workdir: Path, console: Console) -> float:
    """Train a run, or resume it, and return the seconds."""
    started = time.monotonic()
    train.train_and_evaluate(config, workdir, console)
    return time.monotonic() - started


def train_row(flags: Any, name: str, row: str, console: Console) -> None:
    """Train the tokenizer and the learned prior of a row, and keep their numbers."""
    table = TABLES[name]
    choices = {f"beta-{beta}": {"beta": beta} for beta in table.betas} if row == GRID else {"tokenizer": {}}
    seconds = {}
    for kind, changes in choices.items():
        workdir = workdir_of(flags.output, name, row, kind)
        seconds[workdir] = timed(make_config(flags, name, row, **changes), workdir, console)
    parent, own = tokenizer_of(flags.output, name, row), workdir_of(flags.output, name, row, "prior")
    assert parent is not None, "all runs of the row have ended"
    of_prior = timed(make_prior_config(table, row, parent), own, console)
    first, pair = load_run(parent), load_run(own)
    saved = saved_nats(first, pair, data.load(first.config).test.images)
    results, with_prior = (json.loads((folder / "results.json").read_text("utf-8")) for folder in (parent, own))
    numbers = {key: results[f"test/{key}"] for key in MEASURED}
    numbers |= {key: results.get(f"test/{key}") for key in ("codes_used", "code_perplexity")}
    numbers |= {"learned_elbo": with_prior["test/elbo"], "saved": float(saved.mean())}
    numbers |= {"saved_error": float(saved.std(ddof=1) / np.sqrt(len(saved))), "beta": first.config.beta}
    numbers |= {"parameters": results["num_parameters"], "epochs": results["epochs"]}
    tokenizers_tables.keep(name, row, numbers, [seconds[parent], of_prior])


def saved_nats(first: Run, pair: Run, images: np.ndarray) -> np.ndarray:
    """Return the nats by which the pair's prior lowers the rate of each image: log p_pair(z) - log p_first(z) of one draw."""
    if first.model.num_codes:
        return first.kl_terms(images).sum(axis=1) - pair.kl_terms(images).sum(axis=1)
    z = first.sample_posterior(images)
    of_pair, of_first = (np.asarray(jax.jit(require_rate(run.model)[0])(run.params, z)) for run in (pair, first))
    return of_pair - of_first


def judge_samples(flags: Any, console: Console) -> None:
    """Judge samples of the two priors, and the test images, by a classifier of the digits."""
    parent, own = (load_run(workdir_of(flags.output, "mnist", "vq", kind)) for kind in ("tokenizer", "prior"))
    dataset = data.load(parent.config)
    classifier = judge(dataset, flags.output, console)
    judged = {
        "test images": dataset.test.images,
        "samples, uniform prior": parent.sample(NUM),
        "samples, learned prior": own.sample(NUM),
    }
    shares = {name: probabilities(classifier, images) for name, images in judged.items()}
    tokenizers_tables.write_samples(shares, own.sample(64), dataset.class_names)


def main(argv: list[str]) -> None:
    """Run the command."""
    flags, console = parse(argv), Console()
    if flags.table == "samples":
        judge_samples(flags, console)
        return
    for row in TABLES[flags.table].rows if flags.row == "all" else [flags.row]:
        train_row(flags, flags.table, row, console)
    runs = {row: tokenizer_of(flags.output, flags.table, row) for row in TABLES[flags.table].rows}
    tokenizers_tables.write(flags.table, {row: load_run(one) for row, one in runs.items() if one is not None})


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
