"""A search on a real Ray cluster of loopback: the same trials as here, whoever is killed."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

pytest.importorskip("ray", reason="the extra vdcast[ray] is not installed")

from tests.pipeline.test_ray import NODE, cluster  # noqa: F401
from tests.search.conftest import project, settings_with  # noqa: F401
from tests.search.test_run import wait_for_trial
from vdcast import params
from vdcast.errors import InputError
from vdcast.search.part import Part, folder_of
from vdcast.search.run import search_on_ray
from vdcast.search.trainer import Lost, Trainer, on_node
from vdcast.train.copies import Copies

pytestmark = pytest.mark.slow


def trained(trainer, run, groups):
    """The losses of two epochs, and the errors: with two seeds, the second of which goes."""
    trainer.begin(run, Copies(seeds=[n for n in (3, 4) for _ in groups], groups=groups * 2))
    first = trainer.epoch()
    assert trainer.go_on_with(first.going[: len(groups)])
    second, ended = trainer.epoch(), trainer.ended()
    assert first.seconds > 0 and ended.seconds > 0
    return first[1:], second[1:], ended[1:]


def test_a_node_trains_the_same_bits_and_one_that_is_lost_is_replaced(project, cluster):  # noqa: F811
    node = cluster.add_node(num_cpus=1, **NODE)
    part = Part.of(params.load(), "multi_vd")
    run = part.runs["xlstm"]
    expected = trained(Trainer(part.data), run, part.data.copies)
    with on_node(cluster.address, part.data) as there:
        assert trained(there, run, part.data.copies) == expected
        cluster.remove_node(node)
        cluster.add_node(num_cpus=1, **NODE)
        with pytest.raises(Lost):
            there.epoch()
        assert trained(there, run, part.data.copies) == expected


def test_a_search_that_is_interrupted_goes_on_and_leaves_nothing_on_the_nodes(project, cluster):  # noqa: F811
    cluster.add_node(num_cpus=1, **NODE)
    command = [sys.executable, "-m", "vdcast", "search", "--ray", cluster.address]
    first = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    wait_for_trial(folder_of("multi_vd"), first)
    os.killpg(first.pid, signal.SIGINT)
    assert "Traceback" not in first.communicate(timeout=120)[1] and first.returncode
    searched = search_on_ray(params.load(), "multi_vd", None, cluster.address)
    for it in searched.models.values():
        assert (it.trials, it.end) == (5, "trials") and it.seconds > 0
    trainers = [
        p for p in psutil.process_iter(["cmdline"]) if "ray::Trainer" in " ".join(p.info["cmdline"] or [])
    ]
    gone, alive = psutil.wait_procs(trainers, timeout=60)
    assert not alive


def test_what_no_cluster_can_do_is_one_sentence(project, cluster):  # noqa: F811
    with pytest.raises(InputError, match="has 1 CPUs and 0 GPUs"):
        search_on_ray(params.load(), "multi_vd", None, cluster.address)
