"""A search: its space, its one-line errors, and a study that prunes, resumes and repeats nothing."""

import io
import itertools
import json
import pickle
import types
from pathlib import Path

import pytest

from vae_jax.commands import sweep as command
from vae_jax.config import flatten, from_values
from vae_jax.errors import InputError, TrainingError
from vae_jax.sweeps import curve
from vae_jax.sweeps.launchers import Sweep, task
from vae_jax.sweeps.plan import Planned
from vae_jax.sweeps.results import assert_not_longer
from vae_jax.sweeps.search import Search, flags, parse_space, search, study, table
from vae_jax.sweeps.search.space import Range, corner, is_range, number_text, suggest
from vae_jax.sweeps.search.trials import bars_of
from vae_jax.system import signals
from vae_jax.system.command import run_command
from vae_jax.system.console import Console


def test_ranges_and_lists_are_the_dimensions_of_a_space():
    space = parse_space(["latent_dim=2..64", "learning_rate=1e-4..1e-2:log", "hidden_dims=(64,32),(8,)", "beta=.5..2."])
    assert space["latent_dim"] == Range("latent_dim", 2, 64, False, "latent_dim=2..64")
    assert space["learning_rate"] == Range("learning_rate", 1e-4, 1e-2, True, "learning_rate=1e-4..1e-2:log")
    assert space["hidden_dims"] == [(("hidden_dims", "(64,32)"),), (("hidden_dims", "(8,)"),)]
    assert space["beta"][1:3] == (0.5, 2.0)
    assert list(parse_space(["latent_dim:num_epochs=2:50,100:100"])) == ["latent_dim:num_epochs"]
    assert corner(space, False) == (
        ("latent_dim", "2"),
        ("learning_rate", "0.0001"),
        ("hidden_dims", "(64,32)"),
        ("beta", "0.5"),
    )
    assert dict(corner(space, True))["learning_rate"] == "0.01"


@pytest.mark.parametrize("text", ["latent_dim=2,64", "data_dir=../photos", "data_dir=a..b,c", "beta=0.5"])
def test_lists_are_not_taken_for_ranges(text):
    assert not is_range(text)


def test_numbers_are_short_and_stay_in_their_range():
    odd = Range("beta", 0.00012345, 0.98765432, False, "")
    assert [number_text(odd, value) for value in (0.123456789, 0.98765432, 0.00012345, 0.5)] == [
        "0.1235",
        "0.98765432",
        "0.00012345",
        "0.5",
    ]
    assert number_text(odd, 123456.0) == "123456"


def test_a_trial_gives_whole_numbers_to_keys_of_whole_numbers_and_points_of_lists():
    asked = []

    class Trial:
        def suggest_int(self, name, low, high, log):
            asked.append((low, high, log))
            return high

        def suggest_float(self, name, low, high, log):
            asked.append((low, high, log))
            return 0.00123456

        def suggest_categorical(self, name, texts):
            return texts[-1]

    space = parse_space(["latent_dim=2..64:log", "learning_rate=0..1", "beta:num_epochs=1:2,3:4"])
    point = suggest(Trial(), space, {"latent_dim": True, "learning_rate": False})
    assert point == (("latent_dim", "64"), ("learning_rate", "0.001235"), ("beta", "3"), ("num_epochs", "4"))
    assert asked == [(2, 64, True), (0, 1, False)]


OPTUNA = ("--search=optuna", "--trials=3")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--over=latent_dim=2..8"], "--over=latent_dim=2..8: a range needs --search=optuna; choices: a list"),
        (["--over=beta=1,2", "--trials=3"], "--trials=3: --search=grid trains every point; choices: --search=optuna"),
        (
            ["--over=beta=1,2", "--search=optune"],
            "--search=optune: unknown; did you mean optuna?; choices: grid, optuna",
        ),
        (["--over=beta=1..2", "--search=optuna"], "--search=optuna: the number of trials is missing; write --trials=N"),
        (["--over=beta=1..2", *OPTUNA, "--population=on"], "--population=on: --search=optuna trains one run at a time"),
        (
            ["--over=beta=1..2", *OPTUNA, "--parallel=2"],
            "--parallel=2: --launcher=local trains one run at a time; choices: ",
        ),
        (["--over=beta=1,2", "--parallel=2"], "--parallel=2: --search=grid has no trials; choices: --search=optuna"),
        (["--over=beta=2..1", *OPTUNA], "--over=beta=2..1: expected KEY=LOW..HIGH or KEY=LOW..HIGH:log"),
        (["--over=beta=1..2:ln", *OPTUNA], "--over=beta=1..2:ln: expected KEY=LOW..HIGH or KEY=LOW..HIGH:log"),
        (["--over=beta=0..1:log", *OPTUNA], "--over=beta=0..1:log: a log range begins above 0; choices: "),
        (["--over=beta=1..2", "--over=beta=3,4", *OPTUNA], "--over: beta is swept twice"),
        (["--over=seed=1..2", *OPTUNA], "--over: seed cannot be searched, a trial is its mean over seeds; choices: "),
        (["--over=beta=1..2", *OPTUNA, "--config.beta=3"], "--config.beta=3: --over sets this key for each run"),
        (["--over=latent_dim=0..8", *OPTUNA], "latent_dim=0: "),
        (["--over=num_epochs=2..6", *OPTUNA], "--over: num_epochs=2 and num_epochs=6 are the same run, vae-digits"),
        (
            ["--over=likelihood=bernoulli,gaussian", *OPTUNA],
            "--over: likelihood=bernoulli and gaussian measure different",
        ),
        (["--over=beta=1..2", "--over=prior=standard,nonsense", *OPTUNA], "prior=nonsense: "),
        (["--over=latent_dim=2..8.5", *OPTUNA], "latent_dim=8.5: "),
        (["--over=likelihood=1..2", *OPTUNA], "likelihood=1: "),
    ],
)
def test_a_search_that_cannot_be_is_one_line(given, line, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(flags.importlib.util, "find_spec", lambda name: name)
    assert run_command(lambda: command.main(["--config=vae", f"--output={tmp_path}", *given])) == 2
    found = capsys.readouterr().err
    assert found.startswith(f"error: {line}"), found
    assert len(found.splitlines()) == 1


def test_optuna_that_is_not_installed_is_one_line_before_anything_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(flags.importlib.util, "find_spec", lambda name: None)
    words = ["--config=vae", "--over=beta=1..2", *OPTUNA, f"--output={tmp_path / 'made'}"]
    assert run_command(lambda: command.main(words)) == 2
    line = "error: --search=optuna: needs the package optuna; pip install 'vae_jax[optuna]'; choices: --search=grid\n"
    assert capsys.readouterr().err == line
    assert not (tmp_path / "made").exists()


def test_a_run_is_judged_by_its_best_epoch_but_not_without_validation_and_not_at_the_end(tmp_path):
    report = curve.judge(curve.Bars("val/loss", {1: -4.0, 2: -4.0, 3: -1.0}), tmp_path)
    report(1, 3, {"train/loss": 9.0})
    report(1, 3, {"val/loss": 4.0, "val/elbo": -9.0})
    report(2, 3, {"val/loss": 6.0})
    report(3, 3, {"val/loss": 6.0})
    with pytest.raises(curve.Pruned, match="pruned after 2 of 3 epochs"):
        curve.judge(curve.Bars("val/elbo", {2: -3.0}), tmp_path)(2, 3, {"val/elbo": -3.1})


def test_a_resumed_run_is_judged_as_one_that_was_not_stopped(tmp_path):
    rows = [{"epoch": epoch, "step": epoch, "val/elbo": score} for epoch, score in ((1, -2.0), (2, None), (3, -1.0))]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert curve.curve_of(tmp_path, "val/elbo") == {1: -2.0, 3: -1.0}
    report = curve.judge(curve.Bars("val/elbo", {2: -2.5, 3: -1.5}), tmp_path)
    report(
        2, 4, {"val/elbo": -9.0}
    )  # the first epoch counts, and the third, which the resumed run trains again, does not
    with pytest.raises(curve.Pruned):
        curve.judge(curve.Bars("val/elbo", {2: -1.5}), tmp_path)(2, 4, {"val/elbo": -9.0})


def test_the_first_trial_sets_the_metric():
    own = types.SimpleNamespace(user_attrs={}, set_user_attr=lambda name, value: own.user_attrs.update({name: value}))
    assert curve.metric_of(own, {"val/loss": 4.0}) == "val/loss"
    assert curve.score_of("val/loss", {"val/loss": 4.0}) == -4.0
    with pytest.raises(InputError, match="there is no val/loss to compare this trial by"):
        curve.metric_of(own, {"val/elbo": -1.0})


def test_the_bars_are_the_medians_of_five_complete_trials_or_more():
    def trial(state, *values):
        return types.SimpleNamespace(
            state=types.SimpleNamespace(name=state), intermediate_values=dict(enumerate(values, 1))
        )

    trials = [trial("COMPLETE", -9.0, -float(i), -1.0) for i in range(5)] + [trial("PRUNED", 0.0, 0.0)]
    own = types.SimpleNamespace(trials=trials, user_attrs={"metric": "val/elbo"})
    assert bars_of(own, 1) == curve.Bars("val/elbo", {2: -2.0, 3: -1.0})
    own.trials = trials[1:]
    assert bars_of(own, 1) is None


def test_the_table_has_the_best_trials_and_the_file_all(tmp_path):
    def trial(number, state, value, **attrs):
        kind = types.SimpleNamespace(name=state)
        attrs = {"point": f"beta={number}", "workdir": str(tmp_path / str(number))} | attrs
        return types.SimpleNamespace(
            number=number, state=kind, value=value, user_attrs=attrs, intermediate_values={1: 0.0, 7: 0.0}
        )

    stopped = trial(2, "FAIL", None)
    trials = [trial(0, "COMPLETE", -3.0), trial(1, "PRUNED", -9.0), stopped, trial(3, "COMPLETE", -2.0)]
    trials += [trial(4, "FAIL", None, failed="no"), trial(5, "RUNNING", None)]
    lines = io.StringIO()
    own = types.SimpleNamespace(trials=trials, user_attrs={"metric": "val/loss"})
    assert table.write(own, tmp_path, 1, Console(lines)) == 2
    text = lines.getvalue()
    assert "4 trials: 2 complete, 1 pruned by their validation curve, 1 failed" in text
    assert text.index("beta=3") < text.index("beta=0")
    assert f"the page of the best: {tmp_path / '3' / 'report.html'}" in text
    rows = (tmp_path / "trials.csv").read_text().splitlines()
    assert rows[0] == "trial,state,point,epoch,val/loss,workdir"
    assert rows[1] == f"1,complete,beta=0,7,3.0,{tmp_path / '0'}"
    assert [row.split(",")[:2] for row in rows[1:]] == [
        ["1", "complete"],
        ["2", "pruned"],
        ["3", "complete"],
        ["4", "fail"],
    ]


@pytest.fixture
def given(tmp_path, make_config):
    """A search over beta on a launcher that trains nothing: a run's curve is -(beta - 1)^2, and beta near 3 fails."""
    pytest.importorskip("optuna")
    trained: list[float] = []

    def read(point):
        if 2 < float(dict(point)["beta"]) < 2.3:
            raise InputError("no such config")
        values = flatten(make_config(num_epochs=4)) | {"seed": int(dict(point).get("seed", 0))}
        return from_values(values | {"beta": float(dict(point)["beta"])}, lambda line: None)

    def outcome_of(run):
        if run.config.beta > 2.7:
            return InputError("too far")
        value = -((run.config.beta - 1) ** 2)
        run.workdir.mkdir(exist_ok=True)
        rows = [{"step": epoch, "epoch": epoch, "val/elbo": value - 1 / epoch} for epoch in range(1, 5)]
        report = curve.judge(run.bars, run.workdir) if run.bars else lambda *row: None
        for i, row in enumerate(rows, 1):
            (run.workdir / "metrics.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rows[:i]))
            try:
                report(i, 4, row)
            except curve.Pruned as pruned:
                return pruned
        return {"val/elbo": value, "epochs": 4}

    def launch(sweep):
        own.batches.append(len(sweep.runs))
        for place, run in reversed([*enumerate(sweep.runs)]):
            trained.append(run.config.beta)
            own.hook(len(trained))
            yield place, outcome_of(run)

    def start(folder, trials, hook=lambda number: None, seeds=(0,), parallel=1):
        own.hook, root = hook, tmp_path / folder
        root.mkdir(exist_ok=True)
        sweep = Sweep([], "off", root, Console(io.StringIO()), "stopped", {})
        space = parse_space(["beta=0.1..3"])
        found, _ = search(Search(space, trials, seeds, read, "vae", launch, sweep, parallel))
        return [(t.user_attrs["point"], t.state.name, t.value) for t in study.finished(found)]

    own = types.SimpleNamespace(trained=trained, start=start, hook=None, batches=[])
    return own


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [1, 3])
def test_a_study_that_is_stopped_ends_as_one_that_was_not_and_repeats_no_trial(given, parallel):
    whole = given.start("whole", 12, parallel=parallel)
    sizes, count = [*given.batches], len(given.trained)
    assert max(sizes) == parallel
    assert len({point for point, _, _ in whole}) == 12
    assert sum(sizes) == count == len({*given.trained}) < len(whole) == 12  # a config that is refused trains nothing
    assert {state for _, state, _ in whole} == {"COMPLETE", "PRUNED", "FAIL"}

    def stop(number):
        if number == count + 7:
            raise signals.Stopped(2, "stopped")

    with pytest.raises(signals.Stopped):
        given.start("parts", 12, stop, parallel=parallel)
    assert given.trained[count:] == given.trained[:7]
    assert given.start("parts", 12, parallel=parallel) == whole
    done = max(total for total in itertools.accumulate(sizes) if total < 7)
    assert (
        given.trained[count + 7 :] == given.trained[done:count]
    )  # the batch that was stopped is trained further, then the rest
    total = len(given.trained)
    assert given.start("parts", 12, parallel=parallel) == whole
    assert len(given.trained) == total
    assert given.start("parts", 13, parallel=parallel)[:12] == whole


@pytest.mark.slow
def test_a_trial_is_the_mean_of_its_seeds(given):
    ((_, state, value),) = given.start("seeds", 1, seeds=(0, 1, 2))
    assert len(given.trained) == 3
    assert len({*given.trained}) == 1
    assert given.batches == [1, 2]  # the first seed alone may be pruned
    assert (state, value) == ("COMPLETE", pytest.approx(-((given.trained[0] - 1) ** 2)))


@pytest.mark.slow
def test_a_search_trains_prunes_and_writes_its_table(tmp_path, capsys):
    pytest.importorskip("optuna")
    words = ["--config=vae", "--over=latent_dim=2..4", "--over=learning_rate=1e-6..1e-2:log", f"--output={tmp_path}"]
    words += ["--search=optuna", "--trials=8", "--config.hidden_dims=16", "--config.num_epochs=3"]
    assert command.main([*words, "--config.log.tensorboard=false"]) == 0
    first = capsys.readouterr().out
    assert "8 trials: " in first
    assert "pruned after " in first
    (folder,) = tmp_path.glob("search-vae-*")
    assert len((folder / "trials.csv").read_text().splitlines()) == 9
    assert len([*tmp_path.glob("vae-digits-*")]) == 8
    assert Path(first.partition("the page of the best: ")[2].splitlines()[0]).is_file()
    assert command.main([*words, "--config.log.tensorboard=false"]) == 0
    assert first.endswith(capsys.readouterr().out.lstrip("\n"))


def test_results_of_a_longer_run_are_not_those_of_a_trial(tmp_path, make_config):
    run = Planned((), 0, make_config(num_epochs=3), tmp_path)
    assert_not_longer(run, {"epochs": 3.0})
    with pytest.raises(InputError, match="was trained for 5 epochs before, more than num_epochs=3"):
        assert_not_longer(run, {"epochs": 5.0})


def test_a_pruned_run_of_another_machine_is_not_a_failure():
    sent = task._portable(curve.Pruned("pruned after 2 of 3 epochs"))
    assert isinstance(pickle.loads(pickle.dumps(sent)), curve.Pruned)
    assert isinstance(task._portable(ValueError("x")), TrainingError)
