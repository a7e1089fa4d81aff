"""The study of priors and posteriors: its rows are valid and on one protocol, and its tables are made of stored numbers."""

import json
import math

import pytest

from experiments.benchmarks import record
from experiments.reproduce import priors, priors_figures, priors_tables
from experiments.reproduce.priors_rows import TABLES
from vae_jax.config import differences, flatten
from vae_jax.errors import InputError
from vae_jax.models import init_shapes, make_model, num_parameters
from vae_jax.types import Spec

ROWS = [(name, row) for name, table in TABLES.items() for row in table.rows]


@pytest.mark.parametrize("name", TABLES)
def test_the_rows_of_a_table_differ_by_their_own_keys_alone(name):
    table = TABLES[name]
    first, *others = table.rows
    base = priors.make_config(table, first, 1, "")
    for row in others:
        changed = {key for key, _, _ in differences(base, priors.make_config(table, row, 1, ""))}
        given = set(table.rows[row])
        assert changed == (given if "spline" in row else given - {"flow.kind"})
    if name != "digits":
        flat = flatten(base)
        protocol = ("mnist", "dynamic", "last", 10000.0, 100, 5e-4)
        assert tuple(flat[key] for key in PROTOCOL) == protocol


PROTOCOL = ("dataset", "binarize", "held_out", "val_fraction", "batch_size", "learning_rate")


def test_the_wide_row_has_as_many_parameters_as_that_of_the_flow():
    table, spec = TABLES["short"], Spec((28, 28, 1), num_train=50_000)
    wide = next(row for row in table.rows if row.startswith("standard, "))
    counts = []
    for row in (wide, "flow RealNVP"):
        model = make_model(priors.make_config(table, row, 0, ""), spec)
        counts.append(num_parameters(init_shapes(model, spec)))
    assert counts[0] == pytest.approx(counts[1], rel=0.005)


def test_every_run_has_a_directory_of_its_own(tmp_path):
    folders = {priors.workdir_of(tmp_path, name, row, seed) for name, row in ROWS for seed in (0, 1)}
    assert len(folders) == 2 * len(ROWS)


APART = {"kl_to_prior": {"low": 2.0, "high": 6.0}, "num_images": 10_000, "gaussian_gain": {"value": 0.25, "error": 0.1}}


def numbers(nll, gain=None, **changes):
    own = {
        "elbo": -nll - 5,
        "kl": 25.0,
        "nll": nll,
        "image_error": 0.3,
        "aggregate": APART,
        "parameters": 1234567,
    }
    own |= {"gain": gain and {"difference": gain, "error": 0.04}, "epochs": 100}
    return own | changes


def test_a_table_is_made_of_the_stored_numbers_and_names_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "reproduce").mkdir()
    for seed, (plain, gain) in enumerate([(90.0, 2.0), (90.4, 2.4), (90.2, 2.2)]):
        priors_tables.keep("short", "standard", str(seed), numbers(plain))
        priors_tables.keep("short", "vamp (500)", str(seed), numbers(plain - gain, gain))
    priors_tables.keep(
        "short", "planar", "0", numbers(89.0, 1.2, aggregate={"left_out": "log q(z|x) is known for draws only"})
    )
    priors_tables.keep("short", "seconds", "a machine", {"standard": [4.0, 5.0], "vamp (500)": [8.0, 10.0]})
    priors_tables.write("short", "python -m experiments.reproduce.priors --table=short")
    stored = json.loads((tmp_path / "reproduce" / "results" / "priors_short.json").read_text())
    cells = {row[0]: dict(zip(stored["columns"], row, strict=True)) for row in stored["rows"]}
    error = 0.2 / math.sqrt(3)
    assert cells["standard"]["nll"] == f"90.20 ± {error:.2f}"
    assert cells["standard"]["gain"] == ""
    assert cells["vamp (500)"]["gain"] == f"2.20 ± {error:.2f}"
    assert cells["vamp (500)"]["seconds an epoch"] == "9.0 (2.00 times)"
    assert (cells["planar"]["gain"], cells["planar"]["nll"]) == ("1.20 ± 0.04", "89.00 ± 0.30")
    assert (cells["planar"]["aggregate KL"], cells["planar"]["Gaussian"]) == ("not known", "")
    assert (cells["standard"]["aggregate KL"], cells["standard"]["Gaussian"]) == ("2.0 to 6.0 (10,000 images)", "+0.25")
    assert list(cells) == ["standard", "vamp (500)", "planar"]
    (missing,) = (note for note in stored["notes"] if note.startswith("Not finished: "))
    assert "iaf" in missing
    assert "further seeds of planar" in missing
    assert "vamp" not in missing
    page = (tmp_path / "reproduce" / "README.md").read_text()
    assert "| vamp (500) | 3 |" in page
    assert "results/priors_short.png" in page
    assert capsys.readouterr().out


def test_the_figure_of_a_long_study_shows_the_learning_curves(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "reproduce").mkdir()
    drawn = []
    monkeypatch.setattr(priors_figures, "_draw_curves", lambda axes, curves: drawn.append(curves))
    curves = {"standard": {"epoch": [1, 2], "elbo": [-99.0, -95.0]}, "flow RealNVP": {"epoch": [1], "elbo": [-90.0]}}
    for row, curve in curves.items():
        priors_tables.keep("conv", row, "0", numbers(80.0, curve=curve))
        priors_tables.write("conv", "python -m experiments.reproduce.priors --table=conv")
    assert drawn == [curves]  # after the second row


def test_a_curve_has_all_of_few_epochs_and_every_nth_of_many(tmp_path):
    for count, last, number in ((3, 3, 3), (401, 400, 134)):
        lines = [json.dumps({"step": epoch, "epoch": epoch, "val/elbo": -epoch / 8}) for epoch in range(1, count + 1)]
        (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
        curve = priors_figures.curve_of(tmp_path)
        assert (curve["epoch"][0], curve["epoch"][-1], len(curve["epoch"])) == (1, last, number)
        assert curve["elbo"] == [-epoch / 8 for epoch in curve["epoch"]]


def test_gains_are_added_when_the_first_row_is_measured_later_and_times_of_another_machine_replace_the_old(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(record, "ROOT", tmp_path)
    priors_tables.keep("whole", "vamp (500)", "0", numbers(80.0))
    priors_tables.add_gains(
        "whole", lambda row, seed: {"difference": 1.0 + seed, "error": 0.1} if "vamp" in row else None
    )
    assert priors_tables.stored()["whole"]["vamp (500)"]["0"]["gain"] == {"difference": 1.0, "error": 0.1}
    for machine in ("old", "new"):
        priors_tables.keep("whole", "seconds", machine, {"standard": [1.0]})
    assert list(priors_tables.stored()["whole"]["seconds"]) == ["new"]


def test_a_row_that_a_table_does_not_have_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"^--row=sorcery: .*standard"):
        priors.parse(["--table=whole", "--row=sorcery"])
    with pytest.raises(InputError, match=r"^--row=iaf: goes with one table"):
        priors.parse(["--table=all", "--row=iaf"])


@pytest.mark.slow
def test_a_row_is_trained_measured_and_stored(tmp_path, monkeypatch, capsys):
    """The digits with a few epochs, two rows: the second has its gain over the first."""
    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "reproduce").mkdir()
    monkeypatch.setitem(TABLES, "digits", TABLES["digits"]._replace(samples=50, seeds=1, any_epochs=True, curves=True))
    for row in ("flow RealNVP", "standard"):
        priors.main(["--table=digits", f"--row={row}", "--epochs=2", f"--output={tmp_path / 'runs'}"])
    monkeypatch.setitem(TABLES, "digits", TABLES["digits"]._replace(any_epochs=False))
    priors.main(["--table=digits", "--row=mixture (50)", "--epochs=1", f"--output={tmp_path / 'runs'}"])
    kept = priors_tables.stored()["digits"]
    assert kept.keys() == {"flow RealNVP", "standard"}, "a run that is cut short is no row"
    assert kept["standard"]["0"]["gain"] is None
    assert math.isfinite(kept["flow RealNVP"]["0"]["gain"]["difference"])
    assert kept["flow RealNVP"]["0"]["images"] == 447
    assert kept["standard"]["0"]["curve"]["epoch"] == [1, 2]
    assert "kl_to_prior" in kept["standard"]["0"]["aggregate"]
    assert capsys.readouterr().out
