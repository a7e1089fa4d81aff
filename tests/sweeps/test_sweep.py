import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import small_config

from vae_jax import config as config_lib
from vae_jax import sweeps
from vae_jax.errors import InputError
from vae_jax.sweeps import report
from vae_jax.system.console import Console


def test_values_are_combined_and_joined_keys_vary_together():
    assert sweeps.parse_over("beta=0.5,1") == [(("beta", "0.5"),), (("beta", "1"),)]
    assert sweeps.parse_over("latent_dim:num_epochs=2:50,100:100") == [
        (("latent_dim", "2"), ("num_epochs", "50")),
        (("latent_dim", "100"), ("num_epochs", "100")),
    ]
    assert sweeps.parse_over("hidden_dims=(64,32),(8,)") == [(("hidden_dims", "(64,32)"),), (("hidden_dims", "(8,)"),)]
    points = sweeps.product(["latent_dim=2,5", "beta=1,4"])
    assert [tuple(value for _, value in point) for point in points] == [("2", "1"), ("2", "4"), ("5", "1"), ("5", "4")]


@pytest.mark.parametrize(
    "overs", [["latent_dim"], ["=2"], ["a="], ["a:b=1"], ["a:b=1:2,3"], ["a=1,,2"], ["beta=1", "beta=2"], ["seed=1,2"]]
)
def test_malformed_sweeps_are_refused(overs):
    with pytest.raises(InputError, match="--over"):
        sweeps.product(overs)


def read(point):
    return config_lib.override(config_lib.defaults(), point)


def test_every_value_and_seed_gets_a_run_in_its_own_folder():
    runs = sweeps.plan(sweeps.product(["latent_dim=2,5"]), (0, 1), read, "vae", Path("root"))
    assert [(run.config.latent_dim, run.config.seed) for run in runs] == [(2, 0), (2, 1), (5, 0), (5, 1)]
    assert len({run.workdir for run in runs}) == 4
    assert runs[3].workdir == Path("root") / config_lib.run_name(runs[3].config, "vae")
    with pytest.raises(InputError, match="num_epochs=5 and num_epochs=6 are the same run"):
        sweeps.plan(sweeps.product(["num_epochs=5,6"]), (0,), read, "vae", Path("root"))


def results(elbo, pixels="grey"):
    return {"pixels": pixels, "likelihood": "bernoulli", "test/elbo": elbo, "test/active_units": 3, "val/elbo": 0.0}


def test_means_and_standard_errors_are_computed_over_seeds():
    point = (("latent_dim", "2"),)
    row = sweeps.summarize(point, [results(-1.0), results(-2.0), results(-6.0)], 3)
    assert row.means == {"elbo": -3.0, "active_units": 3.0}
    np.testing.assert_allclose(row.errors["elbo"], math.sqrt(7) / math.sqrt(3))
    alone = sweeps.summarize(point, [results(-1.0)], 1)
    assert math.isnan(alone.errors["elbo"])
    (parsed,) = csv.DictReader(io.StringIO(sweeps.csv_text([row])))
    assert (parsed["latent_dim"], parsed["seeds"], float(parsed["elbo"])) == ("2", "3", -3.0)
    assert float(parsed["elbo_se"]) == row.errors["elbo"]
    assert "nan" not in sweeps.csv_text([alone])


def test_a_seed_that_failed_is_counted_in_the_table_and_the_csv():
    row = sweeps.summarize((("latent_dim", "2"),), [results(-1.0), results(-2.0)], 3)
    (parsed,) = csv.DictReader(io.StringIO(sweeps.csv_text([row])))
    assert parsed["seeds"] == "2 of 3"
    ((_, ((_, cells),)),) = sweeps.table_rows([row], lambda name, value: "").values()
    assert cells[0] == "2 of 3"


def test_numbers_of_different_kinds_are_in_separate_tables_and_lines():
    rows = [
        sweeps.summarize((("binarize", kind),), [results(-1.0, pixels)], 1)
        for kind, pixels in (("none", "grey"), ("dynamic", "dynamic"))
    ]
    tables = sweeps.table_rows(rows, lambda name, value: f"{value:g}")
    assert [len(cells) for _, cells in tables.values()] == [1, 1]
    assert len(sweeps.lines(rows)["elbo"]) == 2


def test_joined_keys_give_one_line_and_combined_keys_several():
    together = [
        sweeps.summarize(point, [results(-1.0)], 1) for point in sweeps.product(["latent_dim:num_epochs=2:5,3:10"])
    ]
    assert list(sweeps.lines(together)["elbo"]) == [""]
    crossed = [sweeps.summarize(point, [results(-1.0)], 1) for point in sweeps.product(["latent_dim=2,3", "beta=1,4"])]
    lines = sweeps.lines(crossed)["elbo"]
    assert list(lines) == ["beta=1", "beta=4"]
    assert lines["beta=4"][0] == ["2", "3"]


def planned(*points, **changes):
    return [sweeps.Planned(point, 0, small_config(**changes), Path()) for point in points]


def test_a_sweep_of_beta_gives_a_rate_and_a_distortion_per_run():
    points = sweeps.product(["beta=0.5,4", "latent_dim=2,3"])
    assert sweeps.over_beta(points)
    assert not sweeps.over_beta(sweeps.product(["beta=4", "latent_dim=2,3"]))
    assert not sweeps.over_beta(sweeps.product(["latent_dim=2,3"]))
    found = [results(-1.0) | {"test/kl": float(i), "test/reconstruction": 10.0 - i} for i in range(4)]
    rates, in_the_way = sweeps.rates(planned(*points), found)
    assert in_the_way == ""
    assert rates == {
        "latent_dim=2": [("0.5", 0.0, 10.0), ("4", 2.0, 8.0)],
        "latent_dim=3": [("0.5", 1.0, 9.0), ("4", 3.0, 7.0)],
    }
    moving = sweeps.rates(planned(*points, likelihood="gaussian", gaussian__sigma_mode="optimal"), found)
    assert moving[0] == {}
    assert "gaussian.sigma_mode=optimal" in moving[1]
    assert "no kl" in sweeps.rates(planned(*points), [results(-1.0)] * 4)[1]


def test_numbers_of_last_checkpoints_are_labelled():
    row = sweeps.summarize((("beta", "2"),), [results(-1.0) | {"which": "latest"}], 1)
    assert row.kind == "grey pixels, bernoulli, last checkpoint"


def groups_of(*changes):
    return sweeps.groups([small_config(**change) for change in changes])


def test_runs_that_differ_only_in_traced_numbers_are_grouped():
    assert groups_of({}, {"seed": 1}, {"beta": 2.0}, {"learning_rate": 1.0}, {"num_epochs": 9}) == [[0, 1, 2, 3, 4]]
    apart = [{}, {"hidden_dims": (8,)}, {"seed": 1}, {"hidden_dims": (8,), "seed": 1}, {"batch_size": 32}]
    assert groups_of(*apart) == [[0, 2], [1, 3], [4]]
    filmed = {"log__latent_every_steps": 5}
    assert groups_of({}, filmed, {"seed": 1}, filmed | {"seed": 1}) == [[0, 2], [1], [3]]


def test_the_error_for_runs_without_a_group_names_the_differing_keys():
    configs = [small_config(hidden_dims=(width,), seed=seed) for seed, width in enumerate((8, 16))]
    with pytest.raises(
        InputError, match=r"--population=on: no two .*: hidden_dims=\(8,\),\(16,\); .*beta.*off"
    ) as error:
        sweeps.refuse_lone(configs)
    assert "seed=" not in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    sweeps.refuse_lone([*configs, small_config(hidden_dims=(8,), seed=5)])
    sweeps.refuse_lone(configs[:1])


def test_a_report_counts_the_runs_of_a_point_that_failed(tmp_path, monkeypatch, capsys):
    points = sweeps.product(["latent_dim=2"])
    runs = sweeps.plan(points, (0, 1, 2), read, "vae", tmp_path)
    monkeypatch.setattr(report, "fig_images", lambda *given: "no pictures here")
    monkeypatch.setattr(report, "write_comparison", lambda *given: None)
    report.write_report(runs, [(run, results(-1.0)) for run in runs[:2]], False, tmp_path, Console())
    assert (tmp_path / "sweep.csv").read_text().splitlines()[1].startswith("2,2 of 3,")
    assert "2 of 3" in capsys.readouterr().out
