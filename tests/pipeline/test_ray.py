"""Runs on a real Ray cluster of several nodes on loopback, sharing nothing but a DVC remote."""

import csv
import errno
import os
import shutil
import subprocess
import time

import psutil
import pytest

pytest.importorskip("ray", reason="the extra vdcast[ray] is not installed")
from ray.cluster_utils import Cluster

from tests.pipeline.conftest import Clone, placed, stages_run
from tests.stopping import Stopping, kill
from vdcast.cluster import connected
from vdcast.machines import on_ray
from vdcast.machines.on_ray import Ended, Task, train_on_nodes

pytestmark = pytest.mark.slow

NODE = dict(node_ip_address="127.0.0.2", object_store_memory=80_000_000)  # .1 would be taken for this host
REPRO = ("vdcast", "repro", "--ray")


@pytest.fixture
def cluster(monkeypatch):
    """A head that computes nothing; nodes are added."""
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 unless set: they would wait for all tests beside them
    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": 0})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def clone(prepared, tmp_path) -> Clone:
    return prepared.copy(tmp_path / "clone", [["remote", "add", "-d", "shared", str(tmp_path / "remote")]])


def test_runs_and_shares_of_runs_on_two_nodes_equal_those_of_one_machine(clone, cluster, tmp_path):
    placed(clone)
    here = clone.copy(tmp_path / "here")
    for _ in range(2):
        cluster.add_node(num_cpus=1, **NODE)
    runs = [f"lstm-{mode}" for mode in ("single_vd", "independent_multi_vd", "global_multi_vd", "social")]
    targets = [f"train@{run}" for run in runs]
    output = clone.run(*REPRO, cluster.address, *targets, "--shares", "2")
    for target in targets:
        assert f"{target}: trained on 127.0.0.2" in output
        assert target not in stages_run(output), "trained there, not here"
    assert not [path for path in (tmp_path / "remote/scratch").rglob("*") if path.is_file()]
    here.repro(*targets)
    for run in runs:
        models = [path / "runs" / run / "model.pt" for path in (clone.path, here.path)]
        assert models[0].read_bytes() == models[1].read_bytes()
    assert "trained on" not in clone.run(*REPRO, cluster.address, *targets)


def test_a_run_that_fails_on_the_cluster_stops_no_other_and_is_reported_last(clone, cluster, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    clone.set({"runs": {"lstm-multi_vd": {"model": "lstm", "mode": "multi_vd", "device": "cuda"}}})
    cluster.add_node(num_cpus=1, **NODE)
    targets = ("evaluate@lstm-multi_vd", "evaluate@lstm-single_vd")
    output = clone.run(*REPRO, cluster.address, *targets, fails=True)
    assert (clone.path / "runs/lstm-single_vd/test.json").exists()
    last = output.strip().splitlines()[-3:]
    assert last[0].startswith(
        "vdcast: train@lstm-multi_vd failed: params.yaml: train.device = 'cuda', but torch finds no"
    )
    assert last[0].endswith("(all it said: .scratch/logs/lstm-multi_vd.log)")
    assert last[1] == "not made, and as old as they were: what evaluate@lstm-multi_vd would leave"
    assert "Traceback" not in output


def test_a_node_s_own_error_and_a_lost_share_are_told_apart(cluster, monkeypatch):
    """No room on the node is what failed it; a share that is lost every time fails nothing."""
    cluster.add_node(num_cpus=1, **NODE)

    def on_node(files, remote, task, share, cpus):
        if task.target == "train@full":
            raise OSError(errno.ENOSPC, "No space left on device", "/tmp/vdcast-x")
        if share == "1/2":
            os._exit(1)
        return Ended(False, f"Running stage '{task.target}'", "a node")

    monkeypatch.setattr(on_ray, "snapshot", bytes)
    monkeypatch.setattr(on_ray, "remote_settings", dict)
    monkeypatch.setattr(on_ray, "run_on_node", on_node)
    monkeypatch.setattr(on_ray, "shares_of", lambda task, *_: ["1/2", "2/2"] if "cut" in task.target else [])
    tasks = [Task("train@full"), Task("train@cut")]
    with connected(cluster.address, 1, 0):
        ended = dict(train_on_nodes(tasks, 1, 0, 2))
    assert ended[tasks[0]].reason() == "[Errno 28] No space left on device: '/tmp/vdcast-x'"
    assert not ended[tasks[1]].failed


def test_each_value_of_a_sweep_is_an_experiment_and_one_that_fails_leaves_the_others_told(clone, cluster):
    """With hidden_size 6 the training fails, with 10 what follows it, and 8 is made."""
    cluster.add_node(num_cpus=1, **NODE)
    for stage, size in (("train", 6), ("evaluate", 10)):
        with (clone.path / f"src/vdcast/{stage}/__main__.py").open("r+", encoding="utf-8") as file:
            text = file.read().replace(
                'if __name__ == "__main__":\n', f'{BROKEN.format(size=size)}if __name__ == "__main__":\n'
            )
            file.seek(0)
            file.write(text)
    target = "evaluate@lstm-single_vd"
    output = clone.run(*REPRO, cluster.address, target, "-S", "lstm.hidden_size=6,10,8", fails=True)
    for size in (8, 10):
        assert f"train@lstm-single_vd lstm.hidden_size={size}: trained on 127.0.0.2" in output
    assert "train@lstm-single_vd" not in stages_run(output), "trained there, not here"
    last = output[output.rindex("vdcast: train@lstm-single_vd lstm.hidden_size=6 failed: broken") :]
    assert "\nafter the trainings lstm.hidden_size=10: a stage failed, as said above\n" in last
    shown = clone.run("dvc", "exp", "show", "--csv", "--hide-workspace", "--drop", "Created")
    sizes = [row["lstm.hidden_size"] for row in csv.DictReader(shown.splitlines()) if row["Experiment"]]
    assert sizes == ["8"]


BROKEN = """
from vdcast import params as _params

if _params.load().run("lstm-single_vd").network.hidden_size == {size}:
    raise SystemExit("vdcast: broken")
"""


def test_what_dvc_lock_knows_and_nobody_has_is_trained_on_the_cluster(finished, cluster, tmp_path):
    """And by no driver; the second one is told that it had been trained."""
    cluster.add_node(num_cpus=1, **NODE)
    target, run = "train@lstm-single_vd", "lstm-single_vd"
    origin = finished.copy(tmp_path / "origin", [["remote", "add", "-d", "shared", str(tmp_path / "remote")]])
    origin.commit("the remote")
    models = []
    for name, said in (("first", "trained on"), ("second", "had been trained, as was found by")):
        origin.run("git", "clone", "-q", str(origin.path), str(tmp_path / name))
        clone = Clone(tmp_path / name)
        output = clone.run(*REPRO, cluster.address, target)
        assert f"{target}: {said} 127.0.0.2" in output
        assert target not in stages_run(output), "not here"
        models.append((clone.path / "runs" / run / "model.pt").read_bytes())
    assert models[0] == models[1]


def test_a_killed_worker_node_and_driver_cost_no_epoch_that_was_kept(clone, cluster, tmp_path, monkeypatch):
    """A worker is killed, then a node, then the driver, each while a training is stopped after two epochs of its
    own: it ends with them, and another one goes on."""
    target, run = "train@lstm-single_vd", "lstm-single_vd"
    clone.set({"train": {"epochs": 9, "patience": 9, "seeds": [0]}})
    stop = Stopping(tmp_path / "stop", "after", ".state", 2)
    for name, value in stop.added_to({"PYTHONPATH": clone.env["PYTHONPATH"]}).items():
        monkeypatch.setenv(name, value)  # of the nodes; the driver and what it asks of dvc write no state
    first = cluster.add_node(num_cpus=1, **NODE)
    command = [*REPRO, cluster.address, target]
    driver = stop.start(command, clone.path, clone.env)

    epochs = new_state(tmp_path, run, driver)
    training = psutil.Process(stop.stopped)
    worker_of(training).kill()
    training.wait(60)
    stop.wait()
    epochs = new_state(tmp_path, run, driver, epochs)
    training = psutil.Process(stop.stopped)
    cluster.remove_node(first, allow_graceful=False)
    training.wait(60)
    cluster.add_node(num_cpus=1, **NODE)
    stop.wait()
    new_state(tmp_path, run, driver, epochs)
    training = psutil.Process(stop.stopped)
    kill(driver)
    training.wait(60)

    stop.disarm()
    output = clone.run(*command)
    assert f"{target}: trained on" in output
    log = (clone.path / f".scratch/logs/{run}.log").read_text("utf-8")
    assert "goes on from" in log and "0 trained, 1 begun" in log
    here = clone.copy(tmp_path / "here")
    shutil.rmtree(here.path / "runs")
    here.run("dvc", "repro", "--no-run-cache", "-f", "-s", target)
    model = f"runs/{run}/model.pt"
    assert (here.path / model).read_bytes() == (clone.path / model).read_bytes()


def worker_of(training: psutil.Process) -> psutil.Process:
    """The Ray worker under which a training runs."""
    return next(each for each in training.parents() if each.cmdline()[0].startswith("ray::"))


def new_state(place, run: str, driver: subprocess.Popen, before: frozenset = frozenset()) -> frozenset:
    """The states in the remote, by name and by when they came, once there is one that was not there ``before``."""
    deadline = time.monotonic() + 300
    while True:
        files = (place / "remote/scratch" / run).rglob("*.state")
        found = frozenset((path.name, path.stat().st_mtime_ns) for path in files)
        if found - before:
            return found
        assert driver.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)


def test_a_cluster_that_is_not_there_or_too_small_is_said_in_one_sentence(clone, cluster):
    output = clone.run(*REPRO, "127.0.0.1:1", fails=True)
    assert output.startswith("vdcast: no Ray cluster answers at '127.0.0.1:1'"), output
    output = clone.run(*REPRO, cluster.address, "--cpus", "64", fails=True)
    assert "has 64 CPUs and 0 GPUs" in output.splitlines()[-1] and "Traceback" not in output
