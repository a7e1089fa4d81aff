"""Runs that are trained elsewhere: followed, trained again if a machine is lost, and refused in one line."""

import io
import os
import signal
import subprocess
import sys
import time
import types
from collections import deque

import pytest
from support.paths import ROOT

from vae_jax.commands import sweep as command
from vae_jax.errors import InputError, TrainingError
from vae_jax.sweeps import Planned
from vae_jax.sweeps.launchers import LAUNCHERS, Sweep, flags, ray_cluster, slurm, slurm_jobs, task
from vae_jax.sweeps.launchers.following import Machines, follow
from vae_jax.sweeps.population import plan_groups
from vae_jax.system import locks, signals
from vae_jax.system.command import run_command
from vae_jax.system.console import Console


@pytest.fixture
def sweep(make_config, tmp_path):
    """Three runs that differ in their seed, and the lines that their sweep prints."""
    runs = [Planned((("beta", "1"),), seed, make_config(seed=seed), tmp_path / f"run{seed}") for seed in range(3)]
    lines = io.StringIO()
    return Sweep(runs, "off", tmp_path, Console(lines), "stopped; resume with: it", {}), lines


class Scripted:
    """Machines whose jobs end in the scripted order, with scripted results; a job is (position of the run, attempt)."""

    def __init__(self, results, order=None, at_once=3):
        self.results, self.order, self.sent, self.most, self.left = results, deque(order or ()), [], 0, []
        self.machines = Machines(self.submit, self.ended, self.result, self.leave, at_once)

    def submit(self, tasks):
        jobs = [(each.places[0], each.attempt) for each in tasks]
        self.sent += jobs
        for each in tasks:
            each.log.parent.mkdir(exist_ok=True)
            with each.log.open("a") as file:
                file.write(f"{each.start}host{each.attempt}, process 7\n")
        return jobs

    def ended(self, jobs):
        self.most = max(self.most, len(jobs))
        return [self.order.popleft()] if self.order else list(jobs)

    def result(self, job):
        found = self.results[job]
        if isinstance(found, Exception):
            raise found
        return found

    def leave(self, jobs):
        self.left = list(jobs)
        return "left alone"


def test_outcomes_are_those_of_the_runs_in_whatever_order_they_end(sweep):
    scripted = Scripted({(i, 0): [{"epochs": i}] for i in range(3)}, order=[(2, 0), (0, 0), (1, 0)])
    found = list(follow(sweep[0], [[0], [1], [2]], scripted.machines, 0))
    assert found == [(2, {"epochs": 2}), (0, {"epochs": 0}), (1, {"epochs": 1})]
    lines = sweep[1].getvalue().splitlines()
    assert lines[0] == "run 1 of 3: beta=1 seed=0: started on host0, process 7"
    assert [line.partition(" after ")[0] for line in lines[3:]] == [
        "run 3 of 3: beta=1 seed=2: done",
        "run 1 of 3: beta=1 seed=0: done",
        "run 2 of 3: beta=1 seed=1: done",
    ]


def test_a_run_that_fails_is_not_sent_again_and_one_that_is_lost_is(sweep):
    failed, own = InputError("bad"), {(1, 0): "its machine died", (1, 1): "again", (1, 2): [{"epochs": 1}]}
    scripted = Scripted({(0, 0): [failed], (2, 0): ValueError("broken"), **own})
    found = dict(follow(sweep[0], [[0], [1], [2]], scripted.machines, 2))
    assert found[0] is failed
    assert found[1] == {"epochs": 1}
    assert isinstance(found[2], ValueError)
    assert sorted(scripted.sent) == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0)]
    lines = sweep[1].getvalue()
    assert "run 2 of 3: beta=1 seed=1: lost (its machine died); trained again" in lines
    assert "retry 2 of 2" in lines
    assert "seed=1: started on host2, process 7" in lines
    assert "seed=0: failed after 0 s; log: " in lines


def test_a_run_that_is_lost_too_often_is_an_error(sweep):
    scripted = Scripted({(0, i): "no power" for i in range(3)})
    ((place, outcome),) = follow(sweep[0], [[0]], scripted.machines, 2)
    assert place == 0
    assert isinstance(outcome, TrainingError)
    assert str(outcome) == "lost 3 times, the last time: no power"


def test_a_group_is_one_task_and_no_more_tasks_run_than_there_is_room_for(sweep):
    scripted = Scripted({(0, 0): [{"a": 1}, TrainingError("b")], (2, 0): [{"c": 3}]}, at_once=1)
    found = dict(follow(sweep[0], [[0, 1], [2]], scripted.machines, 0))
    assert (found[0], str(found[1]), found[2]) == ({"a": 1}, "b", {"c": 3})
    assert scripted.most == 1
    assert "runs 1, 2 of 3: 1 of them failed after" in sweep[1].getvalue()


def test_ctrl_c_stops_waiting_and_says_what_becomes_of_the_jobs(sweep):
    scripted = Scripted({(0, 0): [{"epochs": 1}]})

    def ended(jobs):
        os.kill(os.getpid(), signal.SIGINT)
        return jobs[:1]

    with pytest.raises(signals.Stopped, match="left alone\nstopped; resume with: it") as stopped:
        list(follow(sweep[0], [[0], [1], [2]], scripted.machines._replace(ended=ended), 0))
    assert stopped.value.signum == signal.SIGINT
    assert scripted.left == [(1, 0), (2, 0)]


def test_a_task_works_in_the_folder_of_the_sweep_and_returns_errors_that_can_travel(sweep, tmp_path, monkeypatch):
    class Odd(Exception):
        def __init__(self, one, other):
            super().__init__(one + other)

    monkeypatch.setattr(task, "train_runs", lambda *given: [(1, {"epochs": 1}), (0, Odd("o", "dd"))])
    monkeypatch.chdir(tmp_path)
    (one,) = task.make_tasks(sweep[0].runs, [[0, 2]], sweep[0].output)
    monkeypatch.chdir("/")
    first, second = task.work(one)
    assert (type(first), str(first), second) == (TrainingError, "Odd: odd", {"epochs": 1})
    assert os.getcwd() == str(tmp_path)
    assert task.started_on(one).endswith(f", process {os.getpid()}")
    assert task.started_on(one._replace(attempt=1)) == ""
    assert task.started_on(task.to_send(one)) == ""  # an earlier command's line


def test_a_task_waits_for_the_lock_of_a_process_that_outlived_its_machine(sweep, monkeypatch):
    waited, (one, *_) = [], task.make_tasks(sweep[0].runs, [[0]], sweep[0].output)
    monkeypatch.setattr(task, "train_runs", lambda *given: [(0, {"epochs": 1})])
    one.runs[0].workdir.mkdir()
    with locks.locked(one.runs[0].workdir):
        monkeypatch.setattr(task, "PATIENCE", 0.05)
        monkeypatch.setattr(task.time, "sleep", waited.append)
        task.work(one)
        assert not waited
        task.work(one._replace(attempt=1))
    assert waited


def test_a_task_that_is_stopped_says_so_and_one_without_its_folder_is_refused(sweep, tmp_path, monkeypatch):
    def stop(*given):
        raise signals.Stopped(15, "")

    monkeypatch.setattr(task, "train_runs", stop)
    (one,) = task.make_tasks(sweep[0].runs, [[0]], sweep[0].output)
    assert str(task.work(one)).endswith("stopped it with signal 15")
    with pytest.raises(InputError, match=r"no such folder on .*; name a folder that every machine has"):
        task.work(one._replace(output=tmp_path / "elsewhere"))


class Dead(Exception):
    """The error of a Ray whose node died, named as Ray names it."""


Dead.__name__ = "NodeDiedError"
LOST = "no result"


class Refused(Exception):
    """The error of a submitit whose sbatch failed."""


@pytest.fixture
def fake_ray(monkeypatch):
    """A Ray of one machine with a GPU that computes at once; `dies` tasks are lost first."""
    ray = types.SimpleNamespace(dies=0, given=[], joined=[], closed=0)

    class Remote:
        def __init__(self, work, **resources):
            self.work, self.resources = work, resources

        def options(self, **names):
            return self

        def remote(self, each):
            ray.given.append((each, self.resources))
            ray.dies -= 1
            return [None if ray.dies >= 0 else self.work(each)]

    def get(job):
        if job[0] is None:
            raise Dead("the node of the task died\nand more")
        return job[0]

    ray.init = lambda address, **options: ray.joined.append(address)
    ray.remote = lambda **resources: lambda work: Remote(work, **resources)
    ray.cluster_resources = lambda: {"CPU": 2.0, "GPU": 1.0}
    ray.nodes = lambda: [{"Alive": True}, {"Alive": False}]
    ray.wait = lambda jobs, **options: (jobs, [])
    ray.get = get
    ray.shutdown = lambda: setattr(ray, "closed", ray.closed + 1)
    ray.exceptions = types.SimpleNamespace(RayTaskError=type("Other", (Exception,), {}), RayError=Dead)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(flags.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(task, "train_runs", lambda runs, *given: [(i, {"epochs": 1}) for i in range(len(runs))])
    return ray


def with_flags(sweep, name, **given):
    return sweep._replace(flags={flag.name: flag.default for flag in LAUNCHERS[name].flags} | given)


def test_ray_packs_runs_on_a_gpu_and_sends_them_again_when_a_node_dies(sweep, fake_ray, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    fake_ray.dies = 1
    given = with_flags(sweep[0], "ray")._replace(population="auto")
    assert dict(ray_cluster.launch(given)) == {i: {"epochs": 1} for i in range(3)}
    (first, resources), (second, _) = fake_ray.given
    assert first.places == (0, 1, 2) == second.places
    assert (first.attempt, second.attempt) == (0, 1)
    assert resources == {"num_cpus": 1.0, "num_gpus": 1.0, "max_retries": 0}
    assert (fake_ray.joined, fake_ray.closed) == (["auto"], 1)
    lines = sweep[1].getvalue()
    assert lines.startswith("Ray: 1 machine, 2 CPUs, 1 GPU; a task takes 1 CPU, 1 GPU\n")
    assert "lost (NodeDiedError: the node of the task died); trained again" in lines


def test_ray_says_when_no_machine_has_room(sweep, fake_ray):
    given = with_flags(sweep[0], "ray", ray_cpus=8.0, ray_gpus=0.0)._replace(population="auto")
    assert len(dict(ray_cluster.launch(given))) == 3
    assert "no task fits on the machines that are there now" in sweep[1].getvalue()
    assert [each.places for each, _ in fake_ray.given] == [(0,), (1,), (2,)]
    assert fake_ray.joined == ["local"]


def test_a_cluster_that_does_not_answer_is_refused_in_time(fake_ray, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_knock", lambda *given: None)
    fake_ray.init = lambda *given, **options: signal.sigwait([signal.SIGUSR1])
    with pytest.raises(
        InputError, match=r"--ray_address=a:1: no Ray cluster answers: nothing in 0.05 s; choices: HOST:"
    ):
        ray_cluster.join("a:1", 0.05)


class Submitit:
    """A submitit whose jobs end at once, with a result unless it is LOST; `queue` is what squeue says of them."""

    def __init__(self):
        self.arrays, self.queue, self.parameters = [], set(), {}
        self.helpers = types.SimpleNamespace(DelayedSubmission=lambda *given: given)
        utils = types.SimpleNamespace(UncompletedJobError=Dead, FailedJobError=Refused)
        self.core = types.SimpleNamespace(utils=utils)

    def AutoExecutor(self, folder, cluster, slurm_max_num_timeout):
        return self

    def update_parameters(self, **given):
        self.parameters = given

    def map_array(self, work, tasks):
        self.arrays.append([each.places for each in tasks])
        if self.parameters.get("slurm_partition") == "nowhere":
            raise Refused("sbatch: error:\n invalid partition")
        return [self.job(f"9_{i}", work(each)) for i, each in enumerate(tasks)]

    def SlurmJob(self, folder, job_id):
        return self.job(job_id, [{"epochs": 2}])

    def job(self, job_id, found):
        def result():
            if isinstance(found, str):
                raise Dead(found)
            return found

        shown = types.SimpleNamespace(exists=lambda: found != LOST)
        paths = types.SimpleNamespace(result_pickle=shown, folder="nowhere", stderr="its.err")
        return types.SimpleNamespace(job_id=job_id, paths=paths, done=lambda: True, result=result)


@pytest.fixture
def fake_submitit(monkeypatch):
    found = Submitit()
    monkeypatch.setitem(sys.modules, "submitit", found)
    monkeypatch.setitem(sys.modules, "submitit.core", found.core)
    monkeypatch.setitem(sys.modules, "submitit.core.utils", found.core.utils)
    monkeypatch.setattr(slurm.shutil, "which", lambda name: name)
    monkeypatch.setattr(slurm_jobs, "_queue", lambda: found.queue)
    monkeypatch.setattr(flags.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(task, "train_runs", lambda runs, *given: [(i, {"epochs": 1}) for i in range(len(runs))])
    return found


def test_slurm_gets_one_array_and_the_jobs_that_it_still_has_are_followed_again(sweep, fake_submitit):
    given = with_flags(sweep[0], "slurm", slurm_partition="long")
    assert dict(slurm.launch(given)) == {i: {"epochs": 1} for i in range(3)}
    assert fake_submitit.parameters["slurm_partition"] == "long"
    fake_submitit.queue = {"9_1", "7"}
    assert dict(slurm.launch(given)) == {0: {"epochs": 1}, 1: {"epochs": 2}, 2: {"epochs": 1}}
    assert fake_submitit.arrays == [[(0,), (1,), (2,)], [(0,), (2,)]]
    lines = sweep[1].getvalue().splitlines()
    assert lines[0] == "sent to SLURM: job 9_0, job 9_1, job 9_2; squeue shows what they wait for"
    assert "in SLURM's queue from an earlier command: job 9_1" in lines
    fake_submitit.queue = None
    with pytest.raises(InputError, match=r"^--launcher=slurm: squeue does not answer, and jobs of an earlier"):
        dict(slurm.launch(given))
    assert len(fake_submitit.arrays) == 2


def test_a_job_that_left_the_queue_without_a_result_is_sent_again(sweep, fake_submitit, monkeypatch):
    """A squeue that does not answer says nothing about a job, and one that has it again takes back that it left."""
    monkeypatch.setattr(slurm_jobs, "SECONDS_APART", -1)
    monkeypatch.setattr(slurm_jobs, "SECONDS_TO_SHOW", 0.1)
    answers, left = deque([None, set(), {"9_0"}, *[set()] * 13]), []  # without an answer the test ends
    monkeypatch.setattr(slurm_jobs, "_queue", lambda: answers.popleft())
    found = iter([LOST, [{"epochs": 3}]])
    monkeypatch.setattr(slurm_jobs, "work", lambda each: left.append(len(answers)) or next(found))
    given = with_flags(sweep[0]._replace(runs=sweep[0].runs[:1]), "slurm")
    assert dict(slurm.launch(given)) == {0: {"epochs": 3}}
    assert "lost (job 9_0 left the queue without a result; its output: its.err); trained again" in sweep[1].getvalue()
    assert left == [16, 10]  # it was sent again after six, the last of which was asked for before that


def test_jobs_that_slurm_refuses_are_one_line(sweep, fake_submitit):
    with pytest.raises(InputError, match=r"^--launcher=slurm: SLURM refused the jobs: sbatch: error: invalid part"):
        dict(slurm.launch(with_flags(sweep[0], "slurm", slurm_partition="nowhere")))


def test_after_an_interrupt_the_jobs_in_the_queue_are_named(fake_submitit, tmp_path):
    machines = slurm_jobs.jobs_of(fake_submitit, tmp_path, 2, print)
    assert machines.leave([]) == ""
    jobs = [fake_submitit.job(f"9_{i}", LOST) for i in range(7)]
    assert machines.leave(jobs[:2]).startswith("still in SLURM's queue: job 9_0, job 9_1 (scancel")
    assert "7 jobs, job 9_0 to job 9_6" in machines.leave(jobs)


@pytest.mark.parametrize(
    ("code", "printed", "expected"), [(0, "7_0\n8\n", {"7_0", "8"}), (0, "", set()), (1, "", None)]
)
def test_the_queue_is_that_of_squeue(tmp_path, monkeypatch, code, printed, expected):
    script = tmp_path / "squeue"
    script.write_text(f"#!/bin/sh\nprintf '{printed}'\nexit {code}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert slurm_jobs._queue() == expected


def test_a_job_without_a_result_is_sent_again(sweep, fake_submitit, monkeypatch):
    found = iter(["no output", [{"epochs": 3}]])
    monkeypatch.setattr(slurm_jobs, "work", lambda each: next(found))
    given = with_flags(sweep[0]._replace(runs=sweep[0].runs[:1]), "slurm", slurm_cluster="local")
    assert dict(slurm.launch(given)) == {0: {"epochs": 3}}
    assert "lost (job 9_0: no output); trained again" in sweep[1].getvalue()
    (one,) = task.make_tasks(given.runs, [[0]], given.output)
    again, same = slurm_jobs.Work().checkpoint(one)
    assert (type(again), same) == (slurm_jobs.Work, one)


def test_submitits_own_processes_run_one_at_a_time(sweep, fake_submitit):
    given = with_flags(sweep[0], "slurm", slurm_cluster="local", slurm_partition="long")
    assert len(dict(slurm.launch(given))) == 3
    assert fake_submitit.arrays == [[(0,)], [(1,)], [(2,)]]


def test_without_an_accelerator_elsewhere_runs_are_not_packed(sweep, monkeypatch):
    monkeypatch.delattr("jax.default_backend")  # the devices of this process say nothing about those
    monkeypatch.delattr("jax.process_count")
    runs, console = sweep[0].runs, sweep[0].console
    assert plan_groups(runs, "auto", console, accelerator=False) == [[0], [1], [2]]
    assert plan_groups(runs, "auto", console, accelerator=True) == [[0, 1, 2]]
    assert plan_groups(runs, "on", console, accelerator=False) == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--launcher=rai"], "--launcher=rai: unknown; did you mean ray?; choices: local, ray, slurm"),
        (
            ["--launcher=ray"],
            "--launcher=ray: needs the package ray; pip install 'vae_jax[ray]'; choices: local, slurm",
        ),
        (["--launcher=slurm"], "--launcher=slurm: needs the package submitit; pip install 'vae_jax[slurm]'; choices: "),
        (["--ray_cpus=2"], "--ray_cpus: --launcher=local does not read it; choices: --launcher=ray"),
        (["--launcher=ray", "--ray_cpus=-1"], "argument --ray_cpus: -1 is not a number, at least 0"),
        (["--launcher=slurm", "--slurm_cpus=two"], "argument --slurm_cpus: two is not a whole number, at least 1"),
    ],
)
def test_a_launcher_that_cannot_be_used_is_one_line_before_anything_is_made(given, line, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(flags.importlib.util, "find_spec", lambda name: None)
    over = ["--config=vae", "--over=beta=1,2", f"--output={tmp_path / 'made'}"]
    assert run_command(lambda: command.main([*over, *given])) == 2
    assert capsys.readouterr().err.startswith(f"error: {line}")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["--launcher=ray", "--ray_address=127.0.0.1:1"], "--ray_address=127.0.0.1:1: no Ray cluster answers: [Errno "),
        (["--launcher=slurm"], "--launcher=slurm: there is no SLURM (sbatch, srun) on this machine; choices: "),
        (["--launcher=slurm", "--slurm_cluster=pbs"], "--slurm_cluster=pbs: unknown; choices: slurm, local"),
    ],
)
def test_machines_that_are_not_there_are_one_line(given, line, tmp_path, monkeypatch, capsys, fake_ray, fake_submitit):
    monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    over = ["--config=vae", "--over=beta=1,2", f"--output={tmp_path}"]
    assert run_command(lambda: command.main([*over, *given])) == 2
    found = capsys.readouterr().err
    assert found.startswith(f"error: {line}")
    assert len(found.splitlines()) == 1
    assert fake_ray.given == []


FLAGS = ("--config=vae", "--over=latent_dim=2,3", "--config.hidden_dims=16", "--config.log.tensorboard=false")


@pytest.fixture
def started(tmp_path):
    """Return a function (folder, *flags) that starts the sweep of FLAGS in a process of its own."""
    processes = []

    def start(folder, *given):
        words = [sys.executable, "-m", "vae_jax", "sweep", *FLAGS, f"--output={tmp_path / folder}", *given]
        processes.append(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def written(folder) -> dict[str, bytes]:
    """The numbers of a sweep: relative path -> content of each results.json and of sweep.csv."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.name in NUMBERS}


NUMBERS = ("results.json", "sweep.csv")


@pytest.mark.slow
def test_a_ray_cluster_that_loses_a_node_gives_the_table_of_a_local_sweep(started, tmp_path):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

    epochs = ("--config.num_epochs=60", "--config.checkpoint.every_epochs=2", "--config.early_stopping=0")
    started("local", *epochs).communicate()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        other = cluster.add_node(num_cpus=1)
        sweep = started("ray", *epochs, "--launcher=ray", f"--ray_address={cluster.address}")
        while len([path for path in tmp_path.glob("ray/vae-*/metrics.jsonl") if path.stat().st_size > 3000]) < 2:
            assert sweep.poll() is None
            time.sleep(0.2)
        cluster.remove_node(other, allow_graceful=False)
        lines = sweep.communicate()[0]
    finally:
        cluster.shutdown()
    assert sweep.returncode == 0, lines
    assert lines.count(": lost (") == 1
    assert lines.count(": done after ") == 2
    assert "[state-dump]" not in lines
    assert "resumed after step" in "".join(path.read_text() for path in (tmp_path / "ray" / "logs").iterdir())
    assert written(tmp_path / "ray") == written(tmp_path / "local")
    assert len(written(tmp_path / "ray")) == 3


@pytest.mark.slow
def test_submitits_own_processes_give_the_table_of_a_local_sweep(started, tmp_path):
    pytest.importorskip("submitit")
    started("local", "--config.num_epochs=2").communicate()
    sweep = started("slurm", "--config.num_epochs=2", "--launcher=slurm", "--slurm_cluster=local")
    lines = sweep.communicate()[0]
    assert sweep.returncode == 0, lines
    assert lines.count(": done after ") == 2
    assert written(tmp_path / "slurm") == written(tmp_path / "local")
    assert len(written(tmp_path / "slurm")) == 3
