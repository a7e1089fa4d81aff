"""The curves of a page in a browser: last values, the best epoch, one cursor, a log axis, smoothing; no chart twice."""

import json

import numpy as np
import pytest
from support.small_page import write_page

from vae_jax.artifacts.report.measured import curves, without_mirrors

SCRIPTS = ("vendor/uPlot.iife.min.js", "curves.js", "main.js")
EPOCHS = list(range(1, 41))
NOISE = (0.3 * np.sin(np.arange(40) ** 2)).tolist()
KL = [3 + noise for noise in NOISE]
ELBO = [-1000 / epoch - 20 for epoch in EPOCHS]
BOTH_SIGNS = [epoch - 20.0 for epoch in EPOCHS]


def chart(name, *lines):
    names = ("train", "validation")
    series = [
        {"name": label, "place": i, "epochs": EPOCHS[: len(values)], "values": values}
        for i, (label, values) in enumerate(zip(names, lines, strict=False))
    ]
    return {"name": name, "unit": "nats per image", "series": series}


CHARTS = [chart("elbo", ELBO, ELBO[:-5]), chart("kl", KL), chart("tc", BOTH_SIGNS)]


@pytest.fixture
def opened(page, tmp_path):
    body = '<div id="charts" class="charts"></div>'
    data = {"curves": CHARTS, "best_epoch": 17, "explorer": None}
    page.goto(write_page(tmp_path / "page.html", body, SCRIPTS, data))
    page.wait_for_selector(".best")
    return page


def legends(page) -> list[list[str]]:
    script = (
        "charts => charts.map(c => [...c.querySelectorAll('.u-series:not(.behind) .u-value')].map(v => v.textContent))"
    )
    return page.eval_on_selector_all("#charts > div", script)


def over(page, number, share=0.5):
    box = page.locator(".u-over").nth(number).bounding_box()
    return box["x"] + share * box["width"], box["y"] + box["height"] / 2


def test_the_legend_shows_the_last_values_without_a_pointer_and_those_at_the_pointer_with_one(opened):
    idle = [["40, the last", "-45.00", f"{ELBO[34]:.2f}"], ["40, the last", f"{KL[-1]:.2f}"], ["40, the last", "20.00"]]
    assert legends(opened) == idle
    opened.mouse.move(*over(opened, 0, 0.0))
    assert legends(opened)[0] == ["1", "-1020.00", "-1020.00"]
    opened.mouse.move(0, 0)
    opened.wait_for_timeout(50)
    assert legends(opened) == idle


def test_a_line_has_no_value_at_an_epoch_that_it_never_reached(opened):
    for epoch, known in ((35, [f"{ELBO[34]:.2f}"] * 2), (36, [f"{ELBO[35]:.2f}", ""]), (40, [f"{ELBO[39]:.2f}", ""])):
        opened.mouse.move(*over(opened, 0, min((epoch - 1) / 39, 0.999)))
        assert legends(opened)[0] == [str(epoch), *known]


def test_the_cursors_of_all_charts_move_together(opened):
    opened.mouse.move(*over(opened, 1, 0.5))
    epochs = {row[0] for row in legends(opened)}
    assert len(epochs) == 1
    assert epochs < {"20", "21"} | epochs - {"40, the last"}
    places = opened.eval_on_selector_all(".u-cursor-x", "lines => lines.map(line => line.style.transform)")
    assert len(places) == 3
    assert len(set(places)) == 1


def test_the_best_epoch_is_a_labelled_line_in_every_chart(opened):
    assert opened.locator(".best").all_text_contents() == ["best epoch 17"] * 3
    for i in range(3):
        line, plot = opened.locator(".best").nth(i).bounding_box(), opened.locator(".u-over").nth(i).bounding_box()
        assert (line["x"] - plot["x"]) / plot["width"] == pytest.approx(16 / 39, abs=0.01)
        assert line["height"] == pytest.approx(plot["height"], abs=1)
    x, y = over(opened, 0, 0.7)
    opened.mouse.move(x, y)
    opened.mouse.down()
    opened.mouse.move(over(opened, 0, 0.9)[0], y)
    opened.mouse.up()
    opened.wait_for_timeout(50)
    assert opened.locator(".best:visible").count() == 0  # outside the enlarged stretch, in all charts


def test_a_log_axis_and_smoothing_are_for_all_charts_and_usable_by_keyboard(opened):
    heights = "i => { const c = document.querySelectorAll('.u-wrap canvas')[i]; return c.toDataURL(); }"
    before = [opened.evaluate(heights, i) for i in range(3)]
    opened.focus("#curves-log")
    opened.keyboard.press("Space")
    opened.wait_for_timeout(50)
    logged = [opened.evaluate(heights, i) for i in range(3)]
    assert [a == b for a, b in zip(before, logged, strict=True)] == [False, False, True]
    titles = opened.locator(".u-title").all_text_contents()
    assert titles[0] == "elbo (nats per image)"  # negative throughout, so it has a logarithm
    assert titles[2] == "tc (nats per image; linear, because values are 0 or have both signs)"
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.id") == "curves-smoothing"
    assert opened.get_attribute("#curves-smoothing", "aria-valuetext") == "off"
    for _ in range(5):
        opened.keyboard.press("ArrowRight")
    opened.wait_for_timeout(50)
    assert opened.locator(".chart-tools output").text_content() == "over ± 2 epochs"
    smooth = [opened.evaluate(heights, i) for i in range(3)]
    assert all(a != b for a, b in zip(logged, smooth, strict=True))
    assert legends(opened)[1] == ["40, the last", f"{KL[-1]:.2f}"]  # what was measured, not the smoothed line
    for selector in ("label:has(#curves-log)", "#curves-smoothing"):
        assert opened.locator(selector).bounding_box()["height"] >= 44


def test_smoothing_takes_out_noise_and_keeps_a_line(opened):
    smooth = "([x, y]) => Curves.smoothed(x, y, 3)"
    flat = opened.evaluate(smooth, [EPOCHS, KL])
    assert np.std(flat) < 0.3 * np.std(KL)
    np.testing.assert_allclose(opened.evaluate(smooth, [EPOCHS, EPOCHS])[12:-12], EPOCHS[12:-12])
    gap = opened.evaluate(smooth, [EPOCHS[:4], [1.0, None, 1.0, 1.0]])
    assert gap == [pytest.approx(1), None, pytest.approx(1), pytest.approx(1)]


def test_the_marks_of_a_log_axis_are_round_numbers_at_their_places(opened):
    found = opened.evaluate("Curves.logarithmic(-1)[1].splits(null, null, -3, -1).map(at => [at, -(10 ** -at)])")
    assert [round(value) for _, value in found] == [-1000, -500, -200, -100, -50, -20, -10]
    assert sorted(at for at, _ in found) == [at for at, _ in found]
    near = opened.evaluate(
        "Curves.logarithmic(1)[1].values(null, Curves.logarithmic(1)[1].splits(null, null, 1.3, 1.5))"
    )
    assert near == ["20", "25", "30"]


@pytest.mark.parametrize("width", [360, 1024])
def test_the_charts_fit_the_window(page, tmp_path, width):
    page.set_viewport_size({"width": width, "height": 800})
    data = {"curves": CHARTS, "best_epoch": None, "explorer": None}
    page.goto(write_page(tmp_path / "page.html", '<div id="charts" class="charts"></div>', SCRIPTS, data))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".best").count() == 0  # a run that is not complete has none


def test_a_chart_that_mirrors_another_is_left_out():
    minus = [-value * (1 + 1e-7) for value in ELBO]
    names = [one["name"] for one in without_mirrors([chart("elbo", ELBO), chart("loss", minus), chart("kl", KL)])]
    assert names == ["elbo", "kl"]
    weighted = [2 * value for value in minus]
    assert len(without_mirrors([chart("elbo", ELBO), chart("loss", weighted)])) == 2
    partly = [*minus[:-1], minus[-1] * 1.001]  # a warm-up: one epoch differs
    assert len(without_mirrors([chart("elbo", ELBO), chart("loss", partly)])) == 2
    assert len(without_mirrors([chart("elbo", ELBO), chart("loss", minus, minus)])) == 2  # another line
    broken = [None, *minus[1:]]
    assert len(without_mirrors([chart("elbo", broken), chart("loss", broken)])) == 1
    assert [one["name"] for one in without_mirrors([chart("loss", KL), chart("reconstruction", KL)])] == [
        "reconstruction"
    ]


def test_the_elbo_of_training_is_minus_its_parts(tmp_path):
    rows = [
        {"step": 1, "epoch": 1, "train/reconstruction": 3.0, "train/kl": 1.5, "train/loss": 4.5},
        {"step": 1, "epoch": 1, "val/elbo": -5.0, "val/loss": 5.0},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = curves(tmp_path)
    assert found[0]["name"] == "elbo"
    assert [(line["name"], line["values"]) for line in found[0]["series"]] == [
        ("train", [-4.5]),
        ("validation", [-5.0]),
    ]
    assert "loss" not in {one["name"] for one in without_mirrors(found)}
