"""The pages as text, for runs that are complete, stopped or too large; names are escaped."""

import html.parser
import json
import os
import re
import shlex
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image
from support.paths import ROOT

from vae_jax import data
from vae_jax.artifacts.arrays import geometry
from vae_jax.artifacts.report import (
    commands,
    comparison,
    explorer,
    facts,
    measured,
    planes,
    run_page,
    shown,
    sprites,
    write_comparison,
    write_report,
)
from vae_jax.artifacts.report.page import as_json
from vae_jax.commands import compare, report
from vae_jax.config import command_line
from vae_jax.config.table import ENTRIES
from vae_jax.keys import Entry
from vae_jax.models import MODELS
from vae_jax.runs.loading import load_run
from vae_jax.system.command import run_command
from vae_jax.system.console import Console
from vae_jax.train import train_and_evaluate
from vae_jax.types import Dataset, Split

NASTY = "<script>alert(1)</script>"


class Elements(html.parser.HTMLParser):
    """The names of elements, the addresses that a browser would load, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.loaded: list[str] = []
        self.handlers: list[str] = []
        self.text, self._inside = "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self._inside = tag if tag in ("script", "style") else ""
        self.loaded += [value or "" for name, value in attrs if name in ("src", "srcset", "data", "poster")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        self.text += "" if self._inside else data


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


CHANGES = {
    "vae": {},
    "ae": {"model": "ae", "objective": "reconstruction", "likelihood": "gaussian"},
    "z5": {"latent_dim": 5},
}


class Trained(dict[str, Path]):
    """Folders of runs by name, each trained when a test first asks for it."""

    def __init__(self, root: Path, make_config: Callable[..., ConfigDict]) -> None:
        self.root, self.make_config = root, make_config

    def __missing__(self, name: str) -> Path:
        quick = {"log__tensorboard": False, "num_epochs": 2, "checkpoint__every_epochs": 1}
        with open(os.devnull, "w") as nowhere, pytest.MonkeyPatch.context() as patch:
            patch.setattr("vae_jax.artifacts.figures.QUICK", frozenset({"reconstructions"}))
            train_and_evaluate(self.make_config(**quick, **CHANGES[name]), self.root / name, Console(nowhere))
        self[name] = self.root / name
        return self[name]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_config) -> Trained:
    return Trained(tmp_path_factory.mktemp("runs"), make_config)


@pytest.fixture(scope="module")
def page(trained) -> str:
    return (trained["vae"] / "report.html").read_text(encoding="utf-8")


def test_training_writes_a_page_that_loads_nothing(trained, page):
    elements = Elements(page)
    assert "Variational autoencoder on digits" in elements.text
    assert elements.loaded
    assert all(address.startswith("data:") for address in elements.loaded)
    assert elements.names.count("link") == 1  # an empty icon, so that a browser does not request one
    assert "default-src 'none'" in page
    results = json.loads((trained["vae"] / "results.json").read_text())
    assert f"{results['test/elbo']:.2f}" in elements.text
    assert "drawn at step" not in elements.text


def test_every_model_has_a_title_and_one_without_gets_its_name(make_config, monkeypatch):
    titles = {name: facts.title(make_config(model=name)) for name in MODELS}
    assert all(title.endswith(" on digits") and not title.startswith(name) for name, title in titles.items())
    assert len(set(titles.values())) == len(MODELS)
    monkeypatch.setitem(ENTRIES, ("model", "mine"), Entry(lambda config, spec: None))
    assert facts.title(make_config(model="mine")) == "mine on digits"
    assert facts.title(make_config(model="mine", network="conv")) == "Convolutional mine on digits"


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"model": "ae", "objective": "denoising", "network": "conv"}, "Convolutional denoising autoencoder on digits"),
        ({"objective": "importance", "network": "conv"}, "Convolutional importance-weighted autoencoder on digits"),
        ({"model": "two_layer"}, "Two-layer VAE on digits"),
    ],
)
def test_a_title_joins_the_titles_of_the_chosen_entries(make_config, changes, title):
    assert facts.title(make_config(**changes)) == title


def test_the_page_lists_the_keys_that_differ_from_the_defaults(page):
    marked = re.findall(r"<mark>(.*?)</mark>", page)
    assert "16" in marked  # hidden_dims
    assert "(512, 256)" not in marked


def test_the_commands_on_the_page_train_the_same_run(trained):
    config = load_run(trained["ae"]).config
    words = shlex.split(commands.reproduce_command(config))
    assert words[:3] == ["python", "-m", "vae_jax.main"]
    flags = command_line.parse(words[3:])
    again = command_line.read_file(flags.config, flags.overrides)
    assert again.to_dict() == config.to_dict()


def test_an_autoencoder_has_no_prior_no_kl_and_no_health(trained):
    page = (trained["ae"] / "report.html").read_text(encoding="utf-8")
    assert "Draw from the prior" not in page
    assert 'id="health"' not in page
    found = data_of(page)["explorer"]
    assert not found["network"]["with_prior"]
    assert all(one["kl"] is None for one in found["dimensions"])
    codes = load_run(trained["ae"]).encode(data.load(load_run(trained["ae"]).config).test.images).mean
    np.testing.assert_allclose(found["start"], codes.mean(axis=0), atol=1e-4)


@pytest.mark.slow
def test_the_command_writes_the_same_page_to_another_file(trained, tmp_path, capsys):
    report.main([f"--workdir={trained['vae']}", f"--output={tmp_path / 'there.html'}"])
    assert str(tmp_path / "there.html") in capsys.readouterr().out
    there = (tmp_path / "there.html").read_text(encoding="utf-8")
    assert data_of(there) == data_of((trained["vae"] / "report.html").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_health_is_on_the_page_if_the_run_has_it(trained, tmp_path):
    run = load_run(trained["vae"])
    lines = {"verdict": "collapsed", "text": "active units          1 of 3 -> collapsed: z1 z2; try free_bits"}
    whole = {"verdict": "collapsed", "text": "verdict                -> collapsed: z1 z2; try free_bits"}
    kept = tmp_path / "run"
    kept.mkdir()
    for name in ("metrics.jsonl", "results.json"):
        (kept / name).write_bytes((trained["vae"] / name).read_bytes())
    (kept / "health.json").write_text(
        json.dumps({"which": "best", "step": 42, "num_images": 9, "verdict": whole, "active units": lines})
    )
    write_report(run, data.load(run.config), kept, kept / "report.html")
    text = Elements((kept / "report.html").read_text(encoding="utf-8")).text
    assert "best checkpoint, step 42" in text
    assert "collapsed: z1 z2; try free_bits" in " ".join(text.split())
    assert "1 of 3" in text
    (kept / "health.json").write_text("{")
    assert measured.health(kept, {}) is None
    results = json.loads((kept / "results.json").read_text())
    quick = measured.health(kept, results)
    assert quick is not None
    assert [line["name"] for line in quick["lines"]] == ["active units", "aggregate posterior", "train - test gap"]
    write_report(run, data.load(run.config), kept, kept / "report.html")
    text = " ".join(Elements((kept / "report.html").read_text(encoding="utf-8")).text.split())
    assert "quick checks of the final evaluation" in text
    assert f"vae-jax health --workdir={kept}" in text


def without_results(workdir: Path) -> None:
    (workdir / "results.json").unlink()


def gone_on(workdir: Path) -> None:
    with (workdir / "metrics.jsonl").open("a") as rows:
        rows.write(json.dumps({"step": 1000, "epoch": 2.5, "train/loss": 12.25}) + "\n")


@pytest.mark.parametrize("end", [without_results, pytest.param(gone_on, marks=pytest.mark.slow)])
def test_the_page_of_an_interrupted_run_shows_its_data_and_a_note(trained, tmp_path, end):
    workdir = tmp_path / "run"
    subprocess.run(["cp", "-r", trained["vae"], workdir], check=True)
    end(workdir)
    report.main([f"--workdir={workdir}"])
    elements = Elements((workdir / "report.html").read_text(encoding="utf-8"))
    assert f"Not complete: {2.5 if end is gone_on else 2:g} of 2 epochs" in elements.text
    assert "The last values that training logged" in elements.text
    assert elements.names.count("canvas") > 3


def test_a_network_that_is_too_large_is_replaced_by_a_note(trained, tmp_path, monkeypatch):
    run = load_run(trained["vae"])
    monkeypatch.setattr(explorer, "MOST_NUMBERS", 100)
    write_report(run, data.load(run.config), trained["vae"], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "more than the 100 that a page can carry" in Elements(page).text
    assert data_of(page)["explorer"].keys() == {"reason"}
    assert "<img" in page


@pytest.mark.slow
def test_names_are_escaped(tmp_path, make_config, monkeypatch):
    rng = np.random.default_rng(0)
    for name in (NASTY.replace("/", "\u2215"), "b&amp;<b onclick=x>", "c'\"</style>".replace("/", "\u2215")):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{i}<i>.png")
    config = make_config(
        dataset="folder", train_dir=f"{tmp_path}/images", split=(0.4, 0.2, 0.4), batch_size=4, num_epochs=1
    )
    config.cache_dir = str(tmp_path / "cache")
    workdir = tmp_path / "<img src=x onerror=alert(2)>"
    monkeypatch.setattr("vae_jax.artifacts.figures.QUICK", frozenset({"reconstructions"}))
    with open(os.devnull, "w") as nowhere:
        train_and_evaluate(config, workdir, Console(nowhere))
    write_comparison([workdir, workdir], tmp_path / "compare.html")
    for path, own in ((workdir / "report.html", run_page.SCRIPTS), (tmp_path / "compare.html", comparison.SCRIPTS)):
        page = path.read_text(encoding="utf-8")
        elements = Elements(page)
        assert elements.names.count("script") == len(own) + 1  # and the data
        assert not elements.handlers
        assert not {"b", "i"} & set(elements.names)
        assert all(address.startswith("data:") for address in elements.loaded)
        assert "<img src=x onerror=alert(2)>" in elements.text
    assert any(
        "<script>" in name
        for name in data_of((workdir / "report.html").read_text())["explorer"]["points"]["classNames"]
    )


def test_json_in_a_page_does_not_close_an_element():
    value = {"</script>": ["<!--", "&amp;", "\u2028"]}
    text = as_json(value)
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--workdir=nowhere"], "--workdir=nowhere: no such folder"),
        (["--workdir={empty}"], "not a run"),
        (["--workdir={none}"], "the run has no checkpoint yet"),
        (["--workdir={vae}", "--output={empty}"], "a folder; name a file in it"),
        (["--workdir={vae}", "--output={empty}/no/page.html"], "no such folder"),
        (["--workdir={vae}", "--which=first"], "--which"),
    ],
)
def test_bad_input_to_the_report_is_reported_in_one_line(trained, tmp_path, capsys, flags, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "config.json").write_bytes((trained["vae"] / "config.json").read_bytes())
    places = {"empty": tmp_path / "empty", "none": tmp_path / "none", "vae": trained["vae"]}
    code = run_command(lambda: report.main([flag.format(**places) for flag in flags]))
    err = capsys.readouterr().err
    assert code == 2
    assert told in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.rglob("*.html"))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--workdirs={vae}"], "at least two runs"),
        (["--workdirs={vae},nowhere"], "--workdirs=nowhere: no such folder"),
        (["--workdirs={vae},{ae}", "--output={empty}"], "a folder; name a file in it"),
    ],
)
def test_bad_input_to_the_comparison_is_reported_in_one_line(trained, tmp_path, capsys, flags, told):
    places = {name: trained[name] for name in ("vae", "ae")} | {"empty": tmp_path}
    flags = [*flags, *([] if "--output" in flags[-1] else [f"--output={tmp_path}/compare.html"])]
    code = run_command(lambda: compare.main([flag.format(**places) for flag in flags]))
    err = capsys.readouterr().err
    assert (code, len(err.splitlines())) == (2, 1)
    assert told in err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_runs_are_compared_by_the_keys_that_differ(trained, tmp_path):
    runs = [trained["vae"], trained["z5"], trained["ae"]]
    compare.main([f"--workdirs={','.join(map(str, runs))}", f"--output={tmp_path / 'c.html'}"])
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)
    assert {"run", "elbo", "mse", "model", "likelihood", "objective", "latent_dim"} <= set(heads)
    found = {json.loads((run / "results.json").read_text())["test/mse"] for run in runs}
    assert all(f"{mse:.5f}" in page for mse in found)
    names = [group["name"] for group in data_of(page)["groups"]]
    assert names == ["model=vae, latent_dim=3", "model=vae, latent_dim=5", "model=ae, latent_dim=3"]
    charts = {chart["name"]: [line["name"] for line in chart["series"]] for chart in data_of(page)["curves"]}
    losses = {name: lines for name, lines in charts.items() if name.startswith("loss")}
    assert list(losses.values()) == [names[2:]]
    assert next(iter(losses)).startswith("loss, grey pixels, gaussian")
    assert charts["mse"] == names  # whatever the likelihood
    assert charts["elbo"] == charts["kl"] == names[:2]
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert ["<caption>grey pixels, bernoulli<" in table for table in tables] == [True, False]
    assert ["<caption>grey pixels, gaussian<" in table for table in tables] == [False, True]
    assert [table.count('<th scope="row"') for table in tables] == [2, 1]
    assert [">elbo<" in table for table in tables] == [True, False]
    assert Elements(page).names.count("img") == 6  # originals, reconstructions, and samples of two
    assert page.count("No prior to draw from") == 1
    assert Elements(page).names.count("canvas") == 3


@pytest.mark.slow
def test_different_test_images_are_not_shown_side_by_side(trained, tmp_path, make_config):
    other = tmp_path / "other"
    with open(os.devnull, "w") as nowhere:
        train_and_evaluate(make_config(num_epochs=1, split_seed=1, log__tensorboard=False), other, Console(nowhere))
    write_comparison([trained["vae"], other], tmp_path / "c.html")
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "tested on different images" in page
    assert "the test images" not in page


@pytest.mark.slow
def test_a_denoiser_shares_no_table_with_an_autoencoder(trained, tmp_path, make_config):
    ae = {"model": "ae", "objective": "denoising", "denoising__noise_std": 0.3, "likelihood": "gaussian"}
    with open(os.devnull, "w") as nowhere:
        train_and_evaluate(make_config(num_epochs=2, log__tensorboard=False, **ae), tmp_path / "d", Console(nowhere))
    write_comparison([trained["ae"], tmp_path / "d"], tmp_path / "c.html")
    captions = re.findall("<caption>(.*?)</caption>", (tmp_path / "c.html").read_text(encoding="utf-8"))
    assert captions == ["grey pixels, gaussian", "grey pixels, gaussian, from noisy images"]


def test_a_sprite_sheet_contains_every_image(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, 5, 6, 1), np.uint8)
    found = sprites.sheet(images)
    import base64
    import io

    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["url"].partition(",")[2]))))
    for i, image in enumerate(images):
        y, x = i // found["columns"] * 5, i % found["columns"] * 6
        np.testing.assert_array_equal(sheet[y : y + 5, x : x + 6], image[..., 0])
    assert sprites.sheet(np.zeros((3, 128, 64, 3), np.uint8))["tile"] == [64, 32]


def test_framing_is_the_mean_size_and_centre_of_the_strokes():
    images = np.zeros((2, 20, 10, 1), np.uint8)
    images[0, 4:10, 2:6] = 255  # 6 high, centre (7, 4)
    images[1, 8:10, 1:9] = 255  # 8 wide, centre (9, 5)
    found = sprites.framing(images)
    assert found is not None
    assert found["background"] == [0.0]
    assert found["extent"] == 7
    np.testing.assert_allclose(found["centre"], [8, 4.5])
    inverted = sprites.framing(255 - images)
    assert inverted is not None
    np.testing.assert_allclose([inverted["extent"], *inverted["centre"], *inverted["background"]], [7, 8, 4.5, 1])
    assert sprites.framing(np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)) is None


def test_planes_and_dimensions_of_codes():
    rng = np.random.default_rng(0)
    codes = (rng.normal(size=(500, 4)) * [0.01, 2, 1, 0.5]).astype(np.float32)
    order = geometry.by_kl(codes, np.array([0.0, 3.0, 2.0, 1.0, 9.0]))  # the last, of a layer above, has no place in it
    components, units = planes.planes(codes, order, "KL")
    found = (codes - components["centre"]) @ np.array(components["axes"]).T
    np.testing.assert_allclose(found, geometry.project(codes)[0], atol=1e-4)
    assert units["labels"] == ["z2", "z3"]
    np.testing.assert_array_equal(units["axes"], np.eye(4)[[1, 2]])
    listed = planes.dimensions(codes, np.array([0.0, 3.0, 2.0, 1.0]), order)
    assert [(one["index"], one["kl"], one["active"]) for one in listed] == [
        (1, 3, True),
        (2, 2, True),
        (3, 1, True),
        (0, 0, False),
    ]
    assert len(planes.planes(codes[:, :2], [1, 0], "KL")) == len(explorer.planes(codes[:, :1], [0], "KL")) == 1


def test_large_images_are_fewer_and_smaller_on_the_page(trained):
    run = load_run(trained["vae"])
    split = Split(np.zeros((5000, 8, 8, 1), np.uint8), np.zeros(5000, np.int32))
    assert len(shown._rows(run, Dataset(split, split, split))) == shown.MOST_POINTS
    run.shape = (300, 200, 3)
    assert len(shown._rows(run, Dataset(split, split, split))) == shown.MOST_TILE_BYTES // (64 * 43 * 3)


@pytest.mark.slow
def test_the_page_is_opened_if_there_is_a_browser(trained, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address))
    report.main([f"--workdir={trained['vae']}", f"--output={tmp_path / 'a page.html'}", "--open"])
    assert asked == [(tmp_path / "a page.html").as_uri()]
    assert "no browser was found" in capsys.readouterr().out


@pytest.mark.slow
def test_the_script_starts_from_a_shell(trained):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.report", f"--workdir={trained['vae']}"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
