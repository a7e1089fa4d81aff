"""Two processes that train one run over the loopback, 8 devices, and the errors when they cannot start."""

import re
import signal

import numpy as np
import pytest
from support.commands import SMALL, assert_same_metrics, finish, free_port, start, start_two
from support.slow import first_fast

from vae_jax.errors import InputError
from vae_jax.system import joining, processes
from vae_jax.system.signals import StopRequest


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    base = ["--config=configs/vae.py", *SMALL, "--config.num_epochs=2"]
    shared, alone = f"--workdir={tmp_path / 'shared'}", f"--workdir={tmp_path / 'alone'}"
    codes, out = finish([*start_two([*base, shared], [*base, shared]), start(*base, alone)])
    assert codes == [0, 0, 0], out
    assert "2 CPU devices of 2 processes" in out[0]
    assert "epoch" not in out[1]
    assert_same_metrics(tmp_path / "shared", tmp_path / "alone")


SLURM = {"SLURM_JOB_ID": "4711", "SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_NUM_NODES": "1", "SLURM_NTASKS": "2"}
OPEN_MPI = {"OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://127.0.0.1:34911", "OMPI_COMM_WORLD_SIZE": "2"}
RANKS = {"SLURM": ("PROCID", "LOCALID"), "OMPI_COMM_WORLD": ("RANK", "LOCAL_RANK")}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cluster"), [("SLURM", SLURM), ("OMPI_COMM_WORLD", OPEN_MPI)])
def test_processes_are_connected_from_the_variables_of_the_cluster(tmp_path, name, cluster):
    arguments = [
        "--config=configs/vae.py",
        *SMALL,
        f"--workdir={tmp_path}/run",
        "--config.num_epochs=1",
        "--distributed",
    ]
    ranks = [{f"{name}_{which}": str(i) for which in RANKS[name]} for i in range(2)]
    codes, out = finish([start(*arguments, variables=cluster | rank) for rank in ranks])
    assert codes == [0, 0], out
    assert "2 CPU devices of 2 processes" in out[0]


@pytest.mark.slow
def test_processes_with_different_configs_are_refused_with_the_differing_key(tmp_path):
    base = ["--config=configs/vae.py", *SMALL, f"--workdir={tmp_path}/run"]
    codes, out = finish(start_two([*base, "--config.beta=2"], base))
    assert codes == [2, 2], out
    for text in out:
        assert "error: beta=1.0: given to process 1, but process 0 has beta=2.0" in text
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_eight_devices_give_the_losses_of_one(tmp_path):
    base = ["--config=configs/vae.py", *SMALL, "--config.num_epochs=2"]
    codes, out = finish([start(*base, f"--workdir={tmp_path / str(n)}", devices=n) for n in (1, 8)])
    assert codes == [0, 0], out
    assert "8 CPU devices" in out[1]
    assert_same_metrics(tmp_path / "1", tmp_path / "8")


@pytest.mark.parametrize(
    ("which", "told"), first_fast([(0, "not all processes came"), (1, "process 0 does not answer")])
)
def test_a_process_that_waits_for_the_others_in_vain_exits_with_an_error(which, told):
    code = "from vae_jax.system import joining as p; p.SECONDS_TO_MEET = 1; p.together(sys.argv[1]).__enter__()"
    where = f"127.0.0.1:{free_port()},2,{which}"
    codes, out = finish([start(where, code=code)])
    assert codes == [2]
    assert re.search(rf"^error: --distributed={re.escape(where)}: {told} within 1 s$", out[0], re.MULTILINE)


@pytest.mark.parametrize(
    "where", ["localhost", "host:1", "host:1,2", "host:x,2,0", "host:1,2,2", "host:1,2,-1", ":1,2,0"]
)
def test_an_invalid_address_is_refused(where):
    with pytest.raises(InputError, match=re.escape(f"--distributed={where}: ")), joining.together(where):
        pass


def test_without_a_cluster_the_environment_defines_no_processes():
    codes, out = finish([start("--config=configs/vae.py", "--distributed")])
    assert codes == [2]
    assert out[0].startswith(
        "error: --distributed: the environment names no processes; choices: --distributed=HOST:PORT"
    )
    assert len(out[0].splitlines()) == 1


def test_a_signal_during_the_exchange_with_other_processes_is_not_lost(monkeypatch):
    stop = StopRequest()

    def gathered(values):
        stop.signum = signal.SIGTERM
        return np.stack([values, values])

    monkeypatch.setattr(processes, "_gathered", gathered)
    monkeypatch.setattr(processes, "several", lambda: True)
    assert not processes.agree(stop)
    assert processes.agree(stop)


def test_a_single_process_needs_no_agreement():
    stop = StopRequest()
    assert not processes.agree(stop)
    stop.signum = signal.SIGTERM
    assert processes.agree(stop)
    processes.assert_same({"beta": 1.0})
    with pytest.raises(InputError, match="so"):
        processes.first_alone(lambda: (_ for _ in ()).throw(InputError("so")))
