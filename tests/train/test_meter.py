import subprocess
import sys
import time

import numpy as np
import torch

from vdcast.train.meter import clock, parameters_per_copy, peak_memory_mb


def test_parameters_of_one_copy_by_hand():
    assert parameters_per_copy({"weight": torch.zeros(7, 3, 4), "bias": torch.zeros(7, 3)}) == 15


def test_peak_memory_grows_by_what_is_held():
    before = peak_memory_mb("cpu")
    held = np.ones(int((before + 200) * 1e6 / 8))  # more than the peak so far
    assert peak_memory_mb("cpu") >= before + 150
    assert held[-1] == 1


def test_peak_memory_is_not_that_of_the_process_that_started_this_one():
    held = np.ones(int(700e6 / 8))
    code = "from vdcast.train import meter; print(meter.peak_memory_mb('cpu'))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert held[-1] == 1 and float(output) < 600


def test_seconds_of_a_cpu_are_those_of_computing_here_or_in_a_child():
    def taken(step) -> float:
        began = clock("cpu")
        step()
        return clock("cpu") - began

    def compute() -> None:
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass

    child = "import time\nwhile time.process_time() < 0.3: pass"
    assert taken(compute) >= 0.3
    assert taken(lambda: subprocess.run([sys.executable, "-c", child], check=True)) >= 0.3
    assert taken(lambda: time.sleep(0.3)) < 0.1
