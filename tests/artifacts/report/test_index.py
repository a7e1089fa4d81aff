"""The index of a folder of runs made by hand: what it reads, what it says of damaged ones, and the page in a browser."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from vae_jax import config as config_lib
from vae_jax.artifacts.report import folder_of_runs, run_row, thumbnail
from vae_jax.artifacts.report.thumbnail import SIZE
from vae_jax.commands import index
from vae_jax.config.table import RENAMED
from vae_jax.system import locks
from vae_jax.system.command import run_command

RESULTS = {"step": 20, "epochs": 2.0, "best_epoch": 2.0, "test/elbo": -101.5, "test/mse": 0.02, "test/kl": 3.0}


def make_run(folder: Path, config, epochs: int = 2, elbo: float | None = -101.5, old: float = 0.0) -> Path:
    """Write the small files of a run that is complete, or was stopped if `elbo` is None."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config_lib.to_json(config))
    rows = [
        {"step": 10 * i, "epoch": i, "train/loss": 1.0, "val/elbo": -200.0 / i, "val/mse": 0.1 / i}
        for i in range(1, epochs + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if elbo is not None:
        (folder / "results.json").write_text(json.dumps(RESULTS | {"test/elbo": elbo}))
        (folder / "report.html").write_text(f"<title>report of {folder.name}</title>")
    for path in folder.iterdir():
        os.utime(path, (1e9 - old, 1e9 - old))
    return folder


@pytest.fixture
def runs(tmp_path, make_config) -> Path:
    """Return a folder with a run of every state and every damage, and folders that are no runs."""
    root = tmp_path / "runs"
    make_run(root / "first & best", make_config(latent_dim=20), elbo=-90.0)
    make_run(root / "deep" / "er" / "second", make_config(seed=7, beta=4.0), elbo=-1010.0, old=1e6)
    make_run(root / "grey", make_config(dataset="mnist"), elbo=-80.0, old=2e6)
    make_run(root / "stopped", make_config(num_epochs=9), elbo=None, old=3e6)
    make_run(root / "trained on", make_config(num_epochs=9), epochs=5, old=4e6)  # resumed after its results
    (root / "photos" / "holiday").mkdir(parents=True)
    (root / "photos" / "holiday" / "a.jpg").touch()
    (root / "deep" / "empty").mkdir()
    for name in ("json", "foreign", "older", "values", "results", "row", "lost", "model", "list", "epoch"):
        make_run(root / "broken" / name, make_config())
    broken = root / "broken"
    (broken / "json" / "config.json").write_text('{"model": "va')
    (broken / "foreign" / "config.json").write_text('{"hidden_size": 768, "model_type": "bert"}')
    (broken / "older" / "config.json").write_text(json.dumps({"model": "vae", "sigma": 1.0}))
    (broken / "values" / "config.json").write_text('{"latent_dim": "<b>many</b>"}')
    (broken / "results" / "results.json").write_text("[")
    (broken / "row" / "metrics.jsonl").write_text('{"step": 1, "epoch": 1}\n<i>oops</i>\n{"step": 2, "epoch": 1}\n')
    (broken / "lost" / "config.json").unlink()
    (broken / "model" / "config.json").write_text('{"model": "mine"}')
    (broken / "list" / "results.json").write_text("{}")
    (broken / "epoch" / "metrics.jsonl").write_text(f'{{"step": 1, "epoch": 1{400 * "0"}}}\n')
    return root


def test_every_run_has_a_state_and_every_damage_its_reason(runs):
    with locks.locked(runs / "stopped"):
        # Another process would hold the lock; this one may lock the file a second time.
        rows = {row.workdir.name: row for row in map(run_row.read, folder_of_runs.find(runs)[0])}
    states = {name: row.state for name, row in rows.items() if row.state != "damaged"}
    assert states == {
        "first & best": "complete",
        "second": "complete",
        "grey": "complete",
        "stopped": "running",
        "trained on": "stopped",
    }
    assert rows["stopped"].detail.startswith(f"process {os.getpid()} on ")
    with locks.locked(runs / "grey"):  # continued after its results
        again = run_row.read(runs / "grey")
    assert (again.state, again.metrics["elbo"]) == ("running", (-100.0, "val"))
    assert rows["first & best"].metrics == {"elbo": (-90.0, "test"), "mse": (0.02, "test")}
    assert rows["trained on"].metrics == {"elbo": (-40.0, "val"), "mse": (0.02, "val")}
    assert (rows["trained on"].epochs, rows["first & best"].epochs) == (5, 2)
    reasons = {name: row.detail for name, row in rows.items() if row.state == "damaged"}
    assert reasons.pop("json").startswith("config.json: not a run's configuration: ")
    assert reasons.pop("foreign").startswith("config.json: hidden_size=768: unknown key")
    assert f"a run of an older version, with the key sigma, which is now {RENAMED['sigma']}" in reasons.pop("older")
    assert reasons.pop("values").startswith("config.json: latent_dim=<b>many</b>: ")
    assert reasons.pop("model").startswith("model=mine: ")
    assert reasons == {
        "results": "results.json: not JSON",
        "row": "metrics.jsonl: not a row of metrics: <i>oops</i>",
        "lost": "config.json is missing",
        "epoch": "metrics.jsonl or results.json: a number is too large",
        "list": "results.json: not the results of a run of this version: it needs step and epochs",
    }


def test_numbers_of_other_images_are_of_another_kind(make_config):
    ae = {"model": "ae", "likelihood": "gaussian"}
    changes: list[dict] = [
        {**ae, "objective": "reconstruction"},
        {**ae, "objective": "denoising"},
        {"image_size": (16, 12)},
        {"grayscale": True},
        {"condition": "label", "binarize": "dynamic"},
    ]
    assert [run_row.kind_of(make_config(**own)) for own in changes] == [
        "digits, gaussian",
        "digits, gaussian, from noisy images",
        "digits, 16 x 12, bernoulli",
        "digits, turned grey, bernoulli",
        "digits, bernoulli, dynamic pixels, given the label",
    ]
    assert run_row.kind_of(make_config(seed=1)) == run_row.kind_of(make_config(latent_dim=20))


def test_the_kind_of_a_density_is_that_of_its_parent_and_no_guess_from_a_name(make_config, tmp_path):
    parent = make_config(dataset="mnist", binarize="dynamic", condition="label")
    folder = make_run(tmp_path / "digits", parent)
    density = make_config(model="density", dataset="codes", data_dir=str(folder))
    assert run_row.kind_of(density) == run_row.kind_of(parent) == "mnist, bernoulli, dynamic pixels, given the label"
    plain = make_config(dataset="mnist")
    (folder / "config.json").write_text(config_lib.to_json(plain))
    given = make_config(model="density", dataset="codes", data_dir=str(folder), prior="pixelcnn", condition="label")
    assert run_row.kind_of(given) == f"{run_row.kind_of(plain)}, given the label"
    (folder / "config.json").unlink()
    assert run_row.kind_of(density) == "codes of digits"
    (folder / "config.json").write_text(config_lib.to_json(density))
    assert run_row.kind_of(density) == "codes of digits"


def test_runs_are_found_at_any_depth_and_other_folders_are_named(runs):
    (runs / "deep" / "again").symlink_to(runs)  # a circle
    found, others = folder_of_runs.find(runs)
    assert len(found) == 5 + 10
    assert sorted(path.name for path in others) == ["empty", "photos"]
    assert folder_of_runs.find(runs / "grey") == ([runs / "grey"], [])


def test_a_half_row_that_is_being_written_is_no_damage_and_only_the_end_is_read(runs, make_config):
    workdir = make_run(runs / "long", make_config(num_epochs=9), elbo=None)
    row = json.dumps({"step": 5, "epoch": 5, "val/elbo": -7.25}) + "\n"
    (workdir / "metrics.jsonl").write_text("damage\n" * 20_000 + row * 2_000 + '{"step": 6, "ep')
    found = run_row.read(workdir)
    assert (found.state, found.metrics["elbo"]) == ("stopped", (-7.25, "val"))


def test_the_date_of_a_run_is_that_of_its_last_row_or_result(tmp_path, make_config):
    workdir = make_run(tmp_path / "run", make_config())
    for name, time_s in (("metrics.jsonl", 1_100_000_000), ("results.json", 1_200_000_000)):
        os.utime(workdir / name, (time_s, time_s))
        assert run_row.read(workdir).moment.timestamp() == time_s
    (workdir / "results.json").unlink()
    assert run_row.read(workdir).moment.timestamp() == 1_100_000_000
    (workdir / "metrics.jsonl").unlink()
    assert run_row.read(workdir).moment.timestamp() == 1e9  # of the config


def test_the_command_says_what_it_wrote_and_where(runs, tmp_path, capsys):
    index.main([str(runs)])
    line = capsys.readouterr().out
    assert line.startswith(f"{runs / 'index.html'} (")
    assert line.endswith("): 15 runs: 2 stopped, 3 complete, 10 damaged\n")
    index.main([str(runs / "grey"), f"--output={tmp_path / 'other.html'}"])
    assert capsys.readouterr().out.endswith(": 1 run: 1 complete\n")
    assert 'href="runs/grey/report.html"' in (tmp_path / "other.html").read_text()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["{root}/nowhere"], "{root}/nowhere: no such folder; choices: "),
        (["{root}/empty"], "{root}/empty: no run in it, so there is nothing to index: "),
        (["{root}/file"], "{root}/file: a file, not a folder of runs"),
        ([], "the following arguments are required: FOLDER"),
        (["{root}/empty", "--output={root}"], "--output={root}: a folder; name a file in it"),
        (["{root}/empty", "--output={root}/no/x.html"], "--output={root}/no/x.html: no such folder: {root}/no"),
    ],
)
def test_nothing_to_index_is_one_line_and_exit_code_2(tmp_path, capsys, flags, said):
    (tmp_path / "empty" / "within").mkdir(parents=True)
    (tmp_path / "file").touch()
    assert run_command(lambda: index.main([flag.format(root=tmp_path) for flag in flags])) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: " + said.format(root=tmp_path))
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.rglob("*.html"))


def test_hundreds_of_runs_take_seconds_and_no_checkpoint_is_opened(tmp_path, make_config, monkeypatch):
    root, config = tmp_path / "runs", make_config()
    for i in range(60):
        make_run(root / f"{i:03d}", config)
    monkeypatch.setattr("vae_jax.runs.checkpoint.Checkpoints.__init__", lambda *_: pytest.fail("opened a checkpoint"))
    start = time.process_time()
    index.main([str(root)])
    assert time.process_time() - start < 5
    assert (root / "index.html").stat().st_size < 200_000


def figure(path: Path, boxes: str = "") -> None:
    """Write a figure: a title on paper, and an image of one grey at its lower right."""
    pixels = np.full((100, 200), 255, np.uint8)
    pixels[5:8, 90:110] = 0
    pixels[20:100, 60:200] = 77
    info = PngImagePlugin.PngInfo()
    if boxes:
        info.add_text("image boxes", boxes)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, pnginfo=info)


def decoded(url: str) -> np.ndarray:
    import base64
    import io

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("L"))


@pytest.mark.parametrize("boxes", ["", "[[0.3, 0.2, 0.3, 0.8], [0.65, 0.2, 0.35, 0.8]]"])
def test_a_thumbnail_is_a_part_of_the_figures_images_and_small(tmp_path, boxes):
    figure(tmp_path / "figures" / "reconstructions.png", boxes)
    url = thumbnail.thumbnail(tmp_path)
    assert len(url) < 4000
    assert decoded(url).shape == (SIZE, SIZE)
    np.testing.assert_allclose(decoded(url), 77, atol=3)
    (tmp_path / "figures" / "samples.png").write_bytes(b"no picture")
    assert thumbnail.thumbnail(tmp_path) == url  # the next figure takes the place of a damaged one
    assert thumbnail.thumbnail(tmp_path / "nowhere") == ""


@pytest.mark.parametrize(
    "boxes",
    [
        "[[1e400, 0, 1, 1]]",
        "[[NaN, 0, 1, 1]]",
        "[[0, 0, 1e9, 1e9]]",
        "{}",
        "[{}]",
        "null",
        "oops",
        "[1, 2]",
        "[" * 10**5,
    ],
)
def test_a_figure_with_foreign_text_takes_no_index_away(tmp_path, boxes):
    figure(tmp_path / "figures" / "samples.png", boxes)
    assert thumbnail.thumbnail(tmp_path) == ""
    figure(tmp_path / "figures" / "reconstructions.png")
    assert thumbnail.thumbnail(tmp_path)


@pytest.fixture
def opened(page, runs):
    figure(runs / "grey" / "figures" / "samples.png")
    index.main([str(runs)])
    page.goto((runs / "index.html").as_uri())
    return page


def shown(page) -> list[str]:
    script = "rows => rows.filter(r => !r.hidden).map(r => r.querySelector('th').dataset.value)"
    return page.eval_on_selector_all("tbody tr", script)


def test_search_and_states_choose_runs(opened):
    assert len(shown(opened)) == 15
    opened.fill("#search", "LATENT_DIM=20")
    assert shown(opened) == ["first & best"]
    assert opened.text_content("#found") == "1 of 15 shown"
    opened.fill("#search", "latent_dim=2")
    assert shown(opened) == []  # and no run of 20
    opened.fill("#search", "latent_dim=")  # before the number is typed
    assert len(shown(opened)) > 5
    opened.fill("#search", "mnist  bernoulli")
    assert shown(opened) == ["grey"]
    opened.fill("#search", "latent_dim=3 beta=4")
    assert shown(opened) == ["deep/er/second"]
    opened.fill("#search", "nothing of the kind")
    assert shown(opened) == []
    opened.fill("#search", "")
    opened.focus("button[data-state=damaged]")
    opened.keyboard.press("Enter")
    assert len(shown(opened)) == 5
    assert opened.get_attribute("button[data-state=damaged]", "aria-pressed") == "false"


def test_a_column_is_sorted_with_kinds_apart_and_empty_cells_last(opened):
    assert opened.get_attribute("th:has-text('date')", "aria-sort") == "descending"
    dates = opened.eval_on_selector_all("td[data-label=date]", "cells => cells.map(cell => cell.dataset.value)")
    assert dates == sorted(dates, reverse=True)
    opened.click("th:has-text('test elbo') button")
    rising = shown(opened)[:5]
    opened.click("th:has-text('test elbo') button")
    falling = shown(opened)[:5]
    assert rising == ["deep/er/second", "stopped", "first & best", "trained on", "grey"]  # digits, then mnist
    assert falling == ["trained on", "first & best", "stopped", "deep/er/second", "grey"]
    opened.click("th:has-text('run') button")
    assert shown(opened)[0].startswith("broken/")
    opened.keyboard.press("Enter")
    assert shown(opened)[0] == "trained on"


def test_a_row_links_to_its_report_and_shows_damage_as_text(opened):
    row = opened.locator("tr:has-text('broken/values')")
    assert "latent_dim=<b>many</b>" in row.text_content()
    assert opened.locator("tbody b, tbody i").count() == 0
    grey = opened.locator("tr:has-text('grey')")
    assert grey.locator("img").count() == 1
    assert "3" in grey.text_content()
    opened.click("text=first & best")
    assert opened.title() == "report of first & best"


@pytest.mark.parametrize("width", [360, 1024, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_index_fits_the_window_and_is_used_by_touch(opened, width, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width, "height": 760})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.evaluate("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")
    for control in opened.locator("#search, .states button, thead button").all():
        assert control.bounding_box()["height"] >= 44
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) > 380) == (scheme == "light")
