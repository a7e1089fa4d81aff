"""The page of several runs: their names, what is marked and joined, and the page in a browser, from runs made by hand."""

import json

import numpy as np
import pytest

from vae_jax.artifacts.report import best_values, measured, naming, overlay
from vae_jax.artifacts.report.comparison import Compared, write_page

GREY = overlay.Kind("grey pixels", "bernoulli")
EPOCHS = [1, 2, 3, 4]


def named(configs):
    return [own.name for own in naming.named(configs, [f"run{i}" for i in range(len(configs))])]


def test_runs_are_named_by_what_differs(make_config):
    configs = [make_config(), make_config(latent_dim=20, data_dir="elsewhere"), make_config(seed=1)]
    assert naming.differing(configs) == ["latent_dim", "seed"]
    assert named(configs) == ["latent_dim=3, seed 0", "latent_dim=20, seed 0", "latent_dim=3, seed 1"]
    groups = naming.named(configs, ["", "", ""])
    assert [(own.group, own.place) for own in groups] == [
        ("latent_dim=3", 0),
        ("latent_dim=20", 1),
        ("latent_dim=3", 0),
    ]
    assert named([make_config(), make_config(seed=1)]) == ["seed 0", "seed 1"]
    both = [make_config(), make_config(likelihood="gaussian", dataset="mnist")]
    assert named(both)[1] == "dataset=mnist, likelihood=gaussian"  # the data say more
    assert named([make_config(), make_config(log__tensorboard=False)]) == ["(run0)", "(run1)"]
    assert named([make_config(learning_rate=1 / 3), make_config()])[0] == "learning_rate=0.3333"


def test_numbers_in_names_are_short_and_whole_ones_complete():
    found = [naming.short(value) for value in (12000.0, 0.000123456, 1.5, 3, "digits", (64, 32))]
    assert found == ["12000", "0.0001235", "1.5", "3", "digits", "64,32"]


def test_runs_with_the_same_seed_are_no_sample_of_seeds(make_config):
    configs = [make_config(), make_config(), make_config(seed=1)]
    configs += [make_config(latent_dim=9, seed=seed) for seed in (0, 1)]
    found = naming.named(configs, list("abcde"))
    assert [own.place for own in found] == [0, 1, 2, 3, 3]
    assert [own.group for own in found[:3]] == [own.name for own in found[:3]]
    assert [own.group for own in found[:4]] == [
        "latent_dim=3, seed 0 (a)",
        "latent_dim=3, seed 0 (b)",
        "latent_dim=3, seed 1",
        "latent_dim=9",
    ]
    again = naming.named([make_config(), make_config()], ["a", "b"])
    assert [(own.group, own.place) for own in again] == [("(a)", 0), ("(b)", 1)]


def test_groups_whose_names_look_the_same_have_no_common_mean(make_config):
    configs = [make_config(learning_rate=rate) for rate in (0.123451, 0.123452)]
    found = naming.named(configs, ["a", "b"])
    assert found[0].group == found[1].group
    (chart,) = overlay.overlaid([(own, GREY, [curve("kl", [1.0])]) for own in found])
    assert [line["role"] for line in chart["series"]] == ["run", "run"]


def test_of_many_keys_a_name_holds_those_that_tell_runs_apart_and_are_not_usual(make_config):
    ae = {"model": "ae", "objective": "reconstruction", "likelihood": "gaussian", "batch_size": 32}
    configs = [make_config(latent_dim=z, seed=seed) for z, seed in ((2, 0), (2, 1), (4, 0), (4, 1), (8, 0))]
    changed: list[dict] = [
        {**ae, "latent_dim": 4},
        {"beta": 4.0, "latent_dim": 2},
        {"condition": "label", "latent_dim": 2},
    ]
    configs += [make_config(**changes) for changes in changed]
    names = [own.group for own in naming.named(configs, list("abcdefgh"))]
    assert names[0] == names[1] == "latent_dim=2"
    assert names[4:] == [
        "latent_dim=8",
        "model=ae, latent_dim=4",
        "latent_dim=2, beta=4",
        "condition=label, latent_dim=2",
    ]


def curve(name, values, label="validation"):
    line = {"name": label, "place": 1, "epochs": EPOCHS[: len(values)], "values": values}
    return {"name": name, "unit": "u", "series": [{**line, "name": "train"}, line]}


def own(name, place=0, seed=None):
    return naming.Named(name + ("" if seed is None else f", seed {seed}"), name, place)


def test_runs_that_differ_in_seed_are_thin_lines_with_a_thick_mean():
    runs = [
        (own("a", 0, seed), GREY, [curve("kl", [1.0 + seed, 2.0 + seed, None, 9.0][: 4 - seed])]) for seed in (0, 1)
    ]
    (chart,) = overlay.overlaid([*runs, (own("b", 1), GREY, [curve("kl", [5.0])])])
    lines = [(line["name"], line["role"], line["place"], line["values"]) for line in chart["series"]]
    assert lines[:2] == [("a, seed 0", "seed", 0, [1, 2, None, 9]), ("a, seed 1", "seed", 0, [2, 3, None])]
    assert lines[2] == ("a, mean of 2", "mean", 0, [1.5, 2.5, None])
    assert lines[3] == ("b", "run", 1, [5])
    only = {**curve("kl", [1.0]), "series": curve("kl", [1.0])["series"][:1]}
    (chart,) = overlay.overlaid([(own("a"), GREY, [only]), (own("b", 1), GREY, [curve("kl", [2.0])])])
    assert [line["name"] for line in chart["series"]] == ["a (train)", "b"]  # a run without validation says so


def test_numbers_of_different_kinds_share_no_chart():
    given = overlay.Kind("grey pixels", "bernoulli", ", given the label")
    noisy = GREY._replace(seen=", from noisy images")
    kinds = [GREY, overlay.Kind("grey pixels", "gaussian"), overlay.Kind("dynamic pixels", "bernoulli"), given, noisy]
    runs = [(own(str(i), i), kind, [curve("loss", [2.0 + i]), curve("mse", [3.0 + i])]) for i, kind in enumerate(kinds)]
    found = {chart["name"]: [line["place"] for line in chart["series"]] for chart in overlay.overlaid(runs)}
    assert found == {
        "loss, grey pixels, bernoulli": [0],
        "loss, grey pixels, gaussian": [1],
        "loss, dynamic pixels, bernoulli": [2],
        "loss, grey pixels, bernoulli, given the label": [3],
        "loss, grey pixels, bernoulli, from noisy images": [4],
        "mse, grey pixels": [0, 1],
        "mse, dynamic pixels": [2],
        "mse, grey pixels, given the label": [3],
        "mse, grey pixels, from noisy images": [4],
    }


def test_losses_of_different_objectives_share_no_chart(tmp_path, make_config):
    changes: list[dict] = [{}, {"seed": 1}, {"beta": 4.0}, {"objective": "importance", "importance__num_samples": 5}]
    configs = [make_config(**own) for own in changes]
    losses = naming.losses(configs)
    assert losses[0] == losses[1] == "objective=elbo, beta=1"
    assert losses[2] == "objective=elbo, beta=4"
    assert losses[3] == "objective=importance"
    assert naming.losses([make_config(), make_config(latent_dim=9, learning_rate=0.1)]) == ["", ""]
    runs = [compared(make_config, tmp_path / str(i), -20.0 - i, **own) for i, own in enumerate(changes[:3])]
    for run in runs:
        run.curves[1]["name"] = "loss"
    write_page(runs, tmp_path / "compare.html")
    text = (tmp_path / "compare.html").read_text().partition('id="data">')[2].partition("</script>")[0]
    assert [one["name"] for one in json.loads(text)["curves"]] == [
        "elbo",
        "loss, grey pixels, bernoulli, beta=1",
        "loss, grey pixels, bernoulli, beta=4",
    ]


def test_a_loss_stays_if_it_mirrors_the_elbo_of_some_runs_only():
    mirrored = [curve("elbo", [-5.0, -4.0]), curve("loss", [5.0, 4.0])]
    weighted = [curve("elbo", [-5.0, -4.0]), curve("loss", [7.0, 6.0])]
    assert [one["name"] for one in overlay.overlaid([(own("a"), GREY, mirrored)])] == ["elbo"]
    both = overlay.overlaid([(own("a"), GREY, mirrored), (own("b", 1), GREY, weighted)])
    assert [one["name"] for one in both] == ["elbo", "loss"]


def test_the_best_value_of_each_metric_is_marked_among_means_and_lone_runs(make_config):
    values = {"a": [(-10, 0.2), (-14, 0.3)], "b": [(-11, 0.1)], "c": [()]}
    entries = []
    for place, (name, seeds) in enumerate(values.items()):
        for seed, numbers in enumerate(seeds):
            found = dict(zip(("test/elbo", "test/mse"), numbers, strict=False)) | ({"test/kl": 1.0} if numbers else {})
            config = make_config(latent_dim=place + 2, seed=seed)
            entries.append(
                best_values.Entry(own(name, place, seed), config, found, "complete" if found else "", name, "")
            )
    table = best_values.table("grey", entries, ["latent_dim", "seed"])
    assert [(head["name"], head["better"]) for head in table["metrics"]] == [
        ("elbo", "higher is better"),
        ("mse", "lower is better"),
        ("kl", ""),
    ]
    rows = [row for group in table["groups"] for row in group["rows"]]
    assert [row["name"] for row in rows] == ["a, mean of 2", "a, seed 0", "a, seed 1", "b, seed 0", "c, seed 0"]
    assert [[number["best"] for number in row["numbers"]] for row in rows] == [
        [True, False, False],  # -12 on average, within the interval of -11
        [False, False, False],  # a lucky seed is not marked
        [False, False, False],
        [True, True, False],
        [False, False, False],
    ]
    assert [number["text"] for number in rows[0]["numbers"]] == ["-12.00 ± 2.00", "0.25000 ± 0.05000", "1.00 ± 0.00"]
    assert [cell["text"] for cell in rows[0]["values"]] == ["2", "0, 1"]
    assert [number["text"] for number in rows[4]["numbers"]] == ["-", "-", "-"]


def marked(make_config, *groups, metric="elbo"):
    """Return the groups, each a list of values over seeds, whose mean or only value is marked."""
    entries = [
        best_values.Entry(own(str(place), place, seed), make_config(), {f"test/{metric}": value}, "complete", "", "")
        for place, group in enumerate(groups)
        for seed, value in enumerate(group)
    ]
    rows = [group["rows"][0] for group in best_values.table("grey", entries, [])["groups"]]
    return [place for place, row in enumerate(rows) if row["numbers"][0]["best"]]


def test_no_difference_within_the_interval_of_the_seeds_is_claimed(make_config):
    near, far = [-98.0, -99.0, -100.0], [-101.0, -102.0, -103.0]  # each with a standard error of 0.58
    assert marked(make_config, near, [value - 0.1 for value in near], far) == [0, 1]
    assert marked(make_config, [-98.0], far) == [0]
    assert marked(make_config, [-101.0], far) == [0, 1]  # the lone run has no interval of its own
    assert marked(make_config, [-99.001], [-99.004], [-99.01]) == [0, 1]  # both are written -99.00
    assert marked(make_config, [0.02, 0.0202], [0.0202, 0.0204], [0.03], metric="mse") == [0, 1]


def compared(make_config, folder, elbo, seed=0, **changes) -> Compared:
    config = make_config(seed=seed, **changes)
    folder.mkdir()
    images = np.zeros((4, 8, 8, 1), np.uint8)
    curves = [
        {
            "name": name,
            "unit": measured.unit(name),
            "series": [{"name": "validation", "epochs": EPOCHS, "values": values}],
        }
        for name, values in (("elbo", [elbo * 2.0, elbo * 1.5, elbo * 1.1, elbo]), ("kl", [1.0, 2.0, 3.0, 4.0 - elbo]))
    ]
    colours = ["#332288", "#cc6677"]
    plane = {"points": [[0, 0], [1000, 500], [500, 999]], "labels": [0, 1, 1], "colours": colours, "names": ["0", "1"]}
    return Compared(
        folder, config, config, GREY, True, "complete: epoch 4, best 4", {"test/elbo": elbo, "test/kl": 4.0}, curves,
        images, images, images + 9, {**plane, "axes": ["z1", "z2"]},
    )  # fmt: skip


@pytest.fixture
def opened(page, tmp_path, make_config):
    runs = [
        compared(make_config, tmp_path / "a0", -20.0),
        compared(make_config, tmp_path / "a1", -22.0, seed=1),
        compared(make_config, tmp_path / "b", -19.0, latent_dim=20),
        compared(make_config, tmp_path / "c & d", -8.0, latent_dim=100),
    ]
    short = runs[2].curves[0]["series"][0]
    short |= {"epochs": EPOCHS[1:3], "values": short["values"][1:3]}
    (tmp_path / "c & d" / "report.html").write_text("<title>its report</title>")
    write_page(runs, tmp_path / "compare.html")
    page.goto((tmp_path / "compare.html").as_uri())
    page.wait_for_selector(".uplot")
    return page


def names(page):
    return [text.split(" report")[0].strip() for text in page.locator("tbody th").all_text_contents()]


def test_the_table_is_sorted_by_a_heading_and_seeds_stay_with_their_mean(opened):
    opened.focus("th:has-text('elbo') button")
    opened.keyboard.press("Enter")
    a = ["latent_dim=3, mean of 2", "latent_dim=3, seed 1", "latent_dim=3, seed 0"]
    b, c = "latent_dim=20, seed 0", "latent_dim=100, seed 0"
    assert names(opened) == [*a, b, c]
    assert opened.get_attribute("th:has-text('elbo')", "aria-sort") == "ascending"
    opened.keyboard.press("Enter")
    assert names(opened) == [c, b, a[0], a[2], a[1]]
    assert opened.get_attribute("th:has-text('elbo')", "aria-sort") == "descending"
    opened.click("th:has-text('latent_dim') button")
    assert names(opened)[-1] == c  # by numbers: 3, 20, 100
    assert opened.locator("th[aria-sort]").count() == 1
    marked = opened.locator("mark")
    assert marked.all_text_contents() == ["-8.00 best"]  # kl has no best value
    opened.uncheck("#seeds")
    assert opened.locator("tbody tr:visible").count() == 3


def test_a_run_links_to_its_report_if_there_is_one(opened):
    links = opened.locator("#results a")
    assert [links.count(), links.first.get_attribute("href")] == [1, "c%20%26%20d/report.html"]
    links.first.click()
    assert opened.title() == "its report"


def test_one_legend_shows_and_hides_the_lines_of_all_charts(opened):
    buttons = opened.locator("#run-legend button")
    assert buttons.all_text_contents() == ["latent_dim=3", "latent_dim=20", "latent_dim=100", "single seeds"]
    assert opened.locator("#charts .u-legend").count() == 0
    picture = "i => document.querySelectorAll('.u-wrap canvas')[i].toDataURL()"
    before = [opened.evaluate(picture, i) for i in range(2)]
    for button in buttons.all():
        assert button.bounding_box()["height"] >= 44
        button.focus()
        opened.keyboard.press("Enter")
        opened.wait_for_timeout(30)
        assert button.get_attribute("aria-pressed") == "false"
        hidden = [opened.evaluate(picture, i) for i in range(2)]
        changed = [a != b for a, b in zip(before, hidden, strict=True)]
        assert all(changed), (button.text_content(), changed)
        opened.keyboard.press("Enter")
        opened.wait_for_timeout(30)
        assert [opened.evaluate(picture, i) for i in range(2)] == before


def test_the_values_of_a_chart_are_in_a_box_at_the_pointer(opened):
    opened.locator(".u-over").first.scroll_into_view_if_needed()
    box = opened.locator(".u-over").first.bounding_box()
    opened.mouse.move(box["x"] + box["width"] - 2, box["y"] + 60)
    assert opened.locator(".at-pointer").count() == 1  # of this chart only, though all cursors move
    assert opened.locator(".at-pointer p").all_text_contents() == [
        "epoch 4",
        "-8.00  latent_dim=100, seed 0",
        "-21.00  latent_dim=3, mean of 2",
    ]
    # latent_dim=20 has values of epochs 2 and 3 only.
    for epoch, share in ((1, 0.01), (2, 0.34), (3, 0.66)):
        opened.mouse.move(box["x"] + share * box["width"], box["y"] + 60)
        lines = opened.locator(".at-pointer p").all_text_contents()
        assert lines[0] == f"epoch {epoch}"
        assert any("latent_dim=20," in line for line in lines) == (epoch > 1)
    opened.mouse.move(2, 2)
    opened.wait_for_timeout(50)
    assert opened.locator(".at-pointer").count() == 0


@pytest.mark.parametrize("width", [360, 1024, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_planes_samples_and_reconstructions_of_all_runs_fit_the_window(opened, width, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width, "height": 760})
    opened.wait_for_timeout(100)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    cards = opened.locator(".card")
    assert cards.count() == 4
    tops = {round(card.bounding_box()["y"]) for card in cards.all()}
    assert len(tops) == {360: 4, 1024: 2, 1600: 2}[width]
    drawn = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter(Boolean).length"
    )
    for card in cards.all():
        assert card.locator("canvas").evaluate(drawn) > 100
        codes, samples = card.locator("canvas").bounding_box(), card.locator("img").bounding_box()
        assert codes["y"] == pytest.approx(samples["y"], abs=1)
        assert codes["x"] + codes["width"] < samples["x"]
    assert opened.locator("#pictures img").count() == 5


def test_runs_of_different_data_sets_share_no_table(page, tmp_path, make_config):
    runs = [
        compared(make_config, tmp_path / "a", -20.0),
        compared(make_config, tmp_path / "b", -90.0, dataset="mnist", latent_dim=20),
    ]
    write_page(runs, tmp_path / "compare.html")
    page.goto((tmp_path / "compare.html").as_uri())
    captions = page.locator("caption").all_text_contents()
    assert captions == ["grey pixels of digits 8 x 8, bernoulli", "grey pixels of mnist 8 x 8, bernoulli"]
    assert page.locator("mark").count() == 0
    assert page.locator("#charts > div").count() == 4
