"""The plane of the page: zoom, legend, colours, rings, the film, and t-SNE."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from support.paths import ROOT

from vae_jax import data

PAGE = Path(ROOT) / "vae_jax" / "artifacts" / "report" / "page"
ARCS = """() => { window.arcs = []; const arc = CanvasRenderingContext2D.prototype.arc;
  CanvasRenderingContext2D.prototype.arc = function (...a) {
    window.arcs.push([...a, this.globalAlpha, this.fillStyle]);
    arc.apply(this, a);
  }; }"""
TOUCH = """([kind, id, x, y]) => { const plane = document.getElementById('plane'), box = plane.getBoundingClientRect();
  plane.dispatchEvent(new PointerEvent(kind, { pointerId: id, pointerType: 'touch', bubbles: true,
    clientX: box.left + x * box.width, clientY: box.top + y * box.height })); }"""


def seen(there) -> list[float]:
    return [float(part) for part in there.state()["seen"].split("_")]


def under(there, across: float, down: float) -> np.ndarray:
    """The coordinates that the page names for the place under the pointer."""
    there.page.mouse.move(*there.place(across, down))
    there.settle()
    text = there.page.locator("#where").text_content().replace("−", "-").replace("\xa0", " ")
    return np.array([float(part.split(" = ")[1].split(",")[0]) for part in text.split(": ")[-1].split(", ")])


def test_the_wheel_zooms_around_the_pointer_and_dragging_pans(explorer):
    there = explorer("plane", "at=centre")
    before = under(there, 0.3, 0.6)
    there.page.mouse.wheel(0, -400)
    there.settle()
    u, v, size = seen(there)
    there.page.mouse.move(*there.place(0.31, 0.6))
    after = under(there, 0.3, 0.6)
    np.testing.assert_allclose(after, before, atol=0.02)
    there.page.mouse.move(*there.place(0.8, 0.8))
    there.page.mouse.down()
    there.page.mouse.move(*there.place(0.6, 0.7), steps=4)
    there.page.mouse.up()
    there.settle()
    width = there.page.locator("#plane").bounding_box()["width"]
    moved = size * width / (width - 58)  # the plane's square is the canvas without its margins
    np.testing.assert_allclose(seen(there), [u + 0.2 * moved, v - 0.1 * moved, size], atol=0.01 * size)
    assert there.state()["at"] == "centre"  # panning does not move the point
    kept = there.page.url.partition("#")[2]
    there.open(kept)
    assert there.page.url.partition("#")[2] == kept
    there.click("#zoom-all")
    assert "seen" not in there.state()
    there.page.mouse.move(*there.place(0.3, 0.6))
    there.page.evaluate("scrollTo(0, 0)")
    there.page.mouse.wheel(0, 300)  # at the whole view the page scrolls
    there.settle()
    assert there.page.evaluate("scrollY") > 0
    assert "seen" not in there.state()


def test_two_fingers_zoom_and_one_moves_the_point(explorer):
    there = explorer("plane", "at=centre")
    for event in (["pointerdown", 1, 0.4, 0.5], ["pointermove", 1, 0.7, 0.3], ["pointerup", 1, 0.7, 0.3]):
        there.page.evaluate(TOUCH, event)
    there.settle()
    assert (there.z() > 0.3).all()
    point = there.z()
    for event in (
        ["pointerdown", 1, 0.4, 0.5],
        ["pointerdown", 2, 0.6, 0.5],
        ["pointermove", 1, 0.3, 0.5],
        ["pointermove", 2, 0.7, 0.5],
        ["pointerup", 1, 0.3, 0.5],
        ["pointerup", 2, 0.7, 0.5],
    ):
        there.page.evaluate(TOUCH, event)
    there.settle()
    np.testing.assert_array_equal(there.z(), point)  # a pinch does not move it
    size = seen(there)[2]
    there.click("#zoom-all")
    there.click("#zoom-in")
    assert size == pytest.approx(seen(there)[2] * 1.5 / 2, rel=0.02)  # twice as far apart: half of the whole


def test_another_plane_has_its_own_labels_and_ticks(explorer):
    there = explorer("deep")
    before = there.pixels("plane")
    there.page.select_option("#plane-choice", "1")
    there.settle()
    after = there.pixels("plane")
    margin = np.s_[-30:, :]  # below the square: the label of the first axis
    assert np.abs(after[margin] - before[margin]).max() > 0.1


def test_points_over_decoded_tiles_are_faint(explorer):
    there = explorer("plane", "decoded=1")
    there.page.wait_for_selector("#plane[data-tiles=done]", timeout=20_000)
    there.page.evaluate(ARCS)
    there.page.select_option("#colour-choice", "1")
    there.settle()
    opacities = {arc[5] for arc in there.page.evaluate("window.arcs") if arc[2] < 4}
    np.testing.assert_allclose(sorted(opacities), [0.35], atol=0.01)


def test_the_legend_highlights_a_class_and_the_prior_has_rings(explorer):
    there = explorer("plane")
    page = there.page
    page.evaluate(ARCS)
    page.locator("#legend button").nth(3).click()
    there.settle()
    arcs = page.evaluate("window.arcs")
    labels = np.array(there.content()["points"]["labels"])
    points = [arc for arc in arcs if arc[2] < 8 and arc[5] < 1][: len(labels)]
    faded = np.array([arc[5] < 0.2 for arc in points])
    np.testing.assert_array_equal(faded, labels != 3)
    assert page.locator("#legend button").nth(3).get_attribute("aria-pressed") == "true"
    rings = sorted({round(arc[2], 3) for arc in arcs if arc[2] > 20})
    assert len(rings) == 2
    assert rings[1] == pytest.approx(2 * rings[0], rel=1e-3)
    page.locator("#legend button").nth(3).click()
    assert page.locator("#legend button[aria-pressed=true]").count() == 0


def test_an_autoencoder_has_no_rings(explorer):
    there = explorer("ae")
    there.page.evaluate(ARCS)
    there.click("#zoom-in")
    assert not [arc for arc in there.page.evaluate("window.arcs") if arc[2] > 20]


def test_points_are_coloured_by_error_and_by_density(explorer):
    there = explorer("plane")
    names = there.page.locator("#colour-choice option").all_text_contents()
    assert names[:3] == ["class", "reconstruction error", "density under the prior"]
    codes = there.run.latents(data.load(there.run.config).test.images[there.content()["points"]["rows"]])
    there.page.evaluate(ARCS)
    there.page.select_option("#colour-choice", label="density under the prior")
    there.settle()
    assert "nats" in there.page.locator("#legend .scale").text_content()
    arcs = there.page.evaluate("window.arcs")[: len(codes)]
    norms = np.square(codes).sum(axis=1)
    colours = [arc[6] for arc in arcs]
    assert colours[int(norms.argmin())] == "#fde725"  # the end of the ramp: the densest
    assert colours[int(norms.argmax())] == "#440154"
    assert there.state()["colour"] == "2"


def test_a_mixture_prior_colours_points_by_component(explorer):
    there = explorer("mixture")
    there.page.select_option("#colour-choice", label="mixture component")
    there.settle()
    assert 1 <= there.page.locator("#legend button").count() <= 4
    assert "component" in there.page.locator("#legend button").first.text_content()


def test_the_film_shows_earlier_codes_on_the_first_plane(explorer):
    there = explorer("deep", "plane=1")
    film = there.content()["film"]
    there.page.evaluate(ARCS)
    there.set("#frame-number", 0)
    assert there.page.locator("#plane-choice").input_value() == "0"
    assert there.state()["film"] == "0"
    assert there.page.locator("#frame-title").text_content().startswith(f"step {film['steps'][0]:,}")
    arcs = [arc for arc in there.page.evaluate("window.arcs") if arc[2] < 8]
    assert len(film["labels"]) in [len(arcs) - i * len(there.content()["points"]["labels"]) for i in range(9)]
    there.page.select_option("#plane-choice", "1")
    there.settle()
    assert "film" not in there.state()
    there.set("#frame-number", len(film["steps"]) - 1)
    assert there.page.locator("#frame-title").text_content().startswith("trained: step")
    there.click("#film-play")
    there.page.wait_for_timeout(500)
    assert there.page.locator("#film-play").text_content() == "Pause"
    there.click("#film-play")
    assert "film" in there.state()
    there.click("#film-play")
    there.page.select_option("#plane-choice", "1")  # another plane ends the film
    there.page.wait_for_timeout(700)
    assert there.page.locator("#plane-choice").input_value() == "1"
    assert there.page.locator("#film-play").text_content() == "Play the training"


def test_the_film_has_the_legend_of_its_own_colours(explorer):
    there = explorer("deep", "colour=1")
    assert there.page.locator("#legend .scale").count() == 1
    there.set("#frame-number", 0)
    there.page.evaluate(ARCS)
    there.page.locator("#legend button").nth(2).click()
    there.settle()
    labels = np.array(there.content()["film"]["labels"])
    arcs = [arc for arc in there.page.evaluate("window.arcs") if arc[2] < 8 and arc[5] < 1][: len(labels)]
    np.testing.assert_array_equal([arc[5] < 0.2 for arc in arcs], labels != 2)
    there.set("#frame-number", there.page.locator("#frame-number").get_attribute("max"))
    assert there.page.locator("#legend .scale").count() == 1
    assert there.page.locator("#frame-title").text_content() == f"trained: step {there.run.step:,}"


def test_t_sne_is_computed_in_the_page_and_a_click_goes_to_an_image(explorer):
    there = explorer("deep")
    page = there.page
    page.select_option("#plane-choice", label="t-SNE of the codes")
    page.wait_for_selector("#plane[data-map=growing]", timeout=60_000)
    page.click("#zoom-in")  # kept while the map grows
    page.wait_for_selector("#plane[data-map=done]", timeout=60_000)
    there.settle()
    assert "seen" in there.state()
    assert page.is_disabled("#tiles")
    kept = there.page.url.partition("#")[2]
    there.open(kept)
    page.wait_for_selector("#plane[data-map=done]", timeout=60_000)
    there.settle()
    assert "seen" in there.state()
    page.mouse.click(*there.place(0.4, 0.4))
    page.mouse.move(*there.place(0.5, 1.5))
    there.settle()
    there.shows(there.code(there.at()))
    assert "z" not in there.state()


def test_a_zoom_is_kept_while_the_map_of_t_sne_grows(explorer):
    """The map is given by hand: the same one twice, so that the plane may not change."""
    there = explorer("deep")
    page = there.page
    page.evaluate("() => { Tsne.inBackground = (...all) => { window.grow = all[4]; return new Promise(() => {}); }; }")
    page.select_option("#plane-choice", label="t-SNE of the codes")
    places = np.random.default_rng(0).normal(size=(len(there.content()["points"]["rows"]), 2)).tolist()
    page.evaluate("places => window.grow(places, false)", places)
    there.click("#zoom-in")
    zoomed = there.pixels("plane")
    page.evaluate("places => window.grow(places, false)", places)
    there.settle()
    np.testing.assert_array_equal(there.pixels("plane"), zoomed)
    there.click("#zoom-all")
    assert (there.pixels("plane") != zoomed).any()


@pytest.fixture(scope="module")
def tsne(open_page):
    with open_page() as page:
        page.add_script_tag(path=PAGE / "tsne.js")
        yield page.evaluate


def test_the_gradient_of_t_sne_is_that_of_its_divergence(tsne):
    rng = np.random.default_rng(0)
    rows, places = rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
    p = np.array(tsne("([rows]) => Array.from(Tsne.affinities(rows, 3))", [rows.tolist()])).reshape(12, 12)
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-9)
    np.testing.assert_allclose(p, p.T)

    def divergence(y):
        q = 1 / (1 + np.square(y[:, None] - y[None]).sum(axis=-1))
        np.fill_diagonal(q, 0)
        q /= q.sum()
        return (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum()

    got = tsne(
        """([p, y]) => { const g = [new Float64Array(12), new Float64Array(12)], k = new Float64Array(144);
        Tsne.fillGradient(p, [y.map(a => a[0]), y.map(a => a[1])], 1, g, k); return g.map(a => Array.from(a)); }""",
        [p.ravel().tolist(), places.tolist()],
    )
    expected = np.zeros((12, 2))
    for i, axis in np.ndindex(12, 2):
        ends = []
        for sign in (1, -1):
            moved = places.copy()
            moved[i, axis] += sign * 1e-5
            ends.append(divergence(moved))
        expected[i, axis] = (ends[0] - ends[1]) / 2e-5
    np.testing.assert_allclose(np.transpose(got), expected, atol=1e-7)


def test_the_affinities_of_t_sne_have_the_perplexity_that_was_asked_for(tsne):
    rows = np.random.default_rng(1).normal(size=(60, 5))
    d = np.square(rows[:, None] - rows[None]).sum(axis=-1)
    got = np.array(tsne("([rows]) => Array.from(Tsne.affinities(rows, 10))", [rows.tolist()])).reshape(60, 60)
    expected = np.zeros((60, 60))
    for i in range(60):
        low, high, own = 1e-6, 1e6, np.zeros(60)
        for _ in range(200):
            beta = np.sqrt(low * high)
            away = d[i] - np.delete(d[i], i).min()
            own = np.where(np.arange(60) == i, 0, np.exp(-beta * np.maximum(away, 0)))
            own /= own.sum()
            entropy = -(own[own > 0] * np.log(own[own > 0])).sum()
            low, high = (beta, high) if entropy > np.log(10) else (low, beta)
        expected[i] = own
    np.testing.assert_allclose(got, (expected + expected.T) / 120, atol=1e-6)


def test_t_sne_keeps_clusters_that_overlap_on_the_plane_apart(tsne):
    rng = np.random.default_rng(2)
    labels = np.arange(150) % 5
    rows = 4 * rng.normal(size=(5, 12))[labels] + rng.normal(size=(150, 12))
    grown = """([rows]) => { let last; const places = rows.map(r => [r[0], r[1]]);
      Tsne.run({ rows, places, steps: 300 }, m => (last = m)); return last; }"""
    places = np.array(tsne(grown, [rows.tolist()]))
    score = KNeighborsClassifier(5).fit(places[::2], labels[::2]).score(places[1::2], labels[1::2])
    assert score > 0.97
    assert KNeighborsClassifier(5).fit(rows[::2, :2], labels[::2]).score(rows[1::2, :2], labels[1::2]) < 0.95
