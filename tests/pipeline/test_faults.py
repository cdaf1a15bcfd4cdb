"""What docs/reliability.md promises of killed processes, full disks, damaged files, clocks and shared caches."""

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from tests.disk import small_disk
from tests.pipeline.conftest import make_clone, stages_run
from tests.pipeline.test_repro import VDCAST
from tests.pipeline.test_resume import MODEL, RUN, trained
from tests.stopping import Stopping, kill

pytestmark = pytest.mark.slow

STAGE = f"train@{RUN}"
GROUP = 41000  # of nobody
MAY_READ = (
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)  # root's Python, and write nothing
NO_ROOM = "No space left on device; make room and give the same command again, what is finished is kept"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The raw file lies outside data/, over which a small disk can then be laid."""
    clone = make_clone(tmp_path_factory.mktemp("prepared"))
    (clone.path / "raw").mkdir()
    shutil.move(clone.path / "data/raw/sample_counts.csv", clone.path / "raw")
    clone.set({"data": {"raw": "raw/sample_counts.csv"}})
    clone.repro("prepare")
    clone.commit("prepared")
    return clone


@pytest.fixture(scope="module")
def whole(prepared, tmp_path_factory):
    """A clone in which nothing went wrong."""
    clone = prepared.copy(tmp_path_factory.mktemp("whole") / "clone")
    clone.repro(STAGE)
    return clone


@pytest.fixture
def clone(prepared, tmp_path):
    return prepared.copy(tmp_path / "clone")


def said(output: str) -> list[str]:
    """Our sentences in what a command printed."""
    assert "Traceback" not in output, output
    return [line for line in output.splitlines() if line.startswith("vdcast: ")]


def locked(clone) -> dict:
    return yaml.safe_load((clone.path / "dvc.lock").read_text("utf-8"))["stages"]


def test_a_killed_training_ends_dvc_with_a_sentence_and_goes_on(clone, whole, tmp_path):
    stop = Stopping(tmp_path / "stop", "after", ".state")
    log = tmp_path / "log"
    with log.open("w") as file:
        dvc = stop.start(["dvc", "repro", STAGE], clone.path, clone.env, stderr=file)
        os.kill(stop.stopped, signal.SIGKILL)
        assert dvc.wait() != 0
    said_last, status = log.read_text("utf-8").splitlines()[-1].rsplit(maxsplit=1)
    assert said_last == (
        f"ERROR: failed to reproduce '{STAGE}': failed to run: python -m vdcast.train {RUN}, exited with"
    )
    assert int(status) in (-signal.SIGKILL, 128 + signal.SIGKILL)  # as the shell that dvc uses puts it
    assert f"{RUN}: goes on from" in clone.run("dvc", "repro", STAGE)
    assert trained(clone) == trained(whole)


def start_again(command: tuple[str, ...], clone) -> tuple[subprocess.Popen, str]:
    """``command`` on what an earlier one has begun, as far as its sentence about it."""
    again = subprocess.Popen(
        [*command, "repro", STAGE], cwd=clone.path, env=clone.env, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    return again, next(line for line in again.stderr if line.startswith("vdcast: "))


def test_a_training_that_outlives_its_killed_dvc_is_waited_for(clone, whole, tmp_path):
    stop = Stopping(tmp_path / "stop", "after", ".state")
    kill(stop.start(["dvc", "repro", STAGE], clone.path, clone.env))
    os.kill(stop.stopped, 0)  # it lives
    again, sentence = start_again(("dvc",), clone)
    assert "the same training is under way in another process; waiting for it to end" in sentence
    stop.release()
    again.communicate()
    assert again.returncode == 0 and trained(clone) == trained(whole)
    assert "up to date" in clone.run("dvc", "status", STAGE)


def test_trainings_that_outlive_their_killed_driver_are_waited_for(clone, whole, tmp_path):
    stop = Stopping(tmp_path / "stop", "after", ".state")
    kill(stop.start([*VDCAST, "repro", STAGE], clone.path, clone.env))
    os.kill(stop.stopped, 0)
    again, sentence = start_again(VDCAST, clone)
    assert sentence == (
        "vdcast: what another `vdcast repro` began here is under way (its runs say in .scratch/logs how far they "
        "are); waiting for it to end\n"
    )
    stop.release()
    again.communicate()
    assert again.returncode == 0 and trained(clone) == trained(whole)
    assert "up to date" in clone.run("dvc", "status", STAGE)
    log = (clone.path / f".scratch/logs/{RUN}.log").read_text("utf-8")
    assert "goes on" not in log, "it was trained once, by the first one's child"


def test_a_plain_dvc_beside_vdcast_repro_fails_in_one_sentence_and_disturbs_nothing(clone, whole, tmp_path):
    """DVC waits for no file that another dvc has; given again when that one has ended, it finds all done."""
    stop = Stopping(tmp_path / "stop", "after", ".state")
    first = stop.start([*VDCAST, "repro", STAGE], clone.path, clone.env)
    output = clone.run("dvc", "repro", STAGE, fails=True)
    busy = r"ERROR: failed to reproduce 'prepare': '.+' is busy, it is being blocked by:\n  \(PID \d+\): .*dvc.* repro -s "
    assert re.search(busy + STAGE, output), output
    stop.release()
    assert first.wait() == 0 and trained(clone) == trained(whole)
    assert "up to date" in clone.run("dvc", "repro", STAGE)


def test_disk_full_at_a_checkpoint(clone, whole):
    """Room for the first of two stacks, and for the state of the second beside it, and not for its end.

    A state holds the weights four times (as they are, at their best, twice in the optimiser) and, of a network
    this small, as much again around them: some five and a half times what is kept in the end.
    """
    (kept,) = (whole.path / f".scratch/train/{RUN}").glob("*/0.fitted")
    with small_disk(clone.path / ".scratch", 7 * kept.stat().st_size) as disk:
        on = disk.on(clone.path)
        output = clone.run(*on, "dvc", "repro", STAGE, fails=True)
        assert len(said(output)) == 1 and said(output)[0].endswith(NO_ROOM), output
        assert said(output)[0].startswith(f"vdcast: .scratch/train/{RUN}/")
        assert not (clone.path / MODEL).exists()
        disk.resize(1 << 24)
        assert "(stacks: 1 trained, 1 begun)" in clone.run(*on, "dvc", "repro", STAGE)
    assert trained(clone) == trained(whole)


@pytest.mark.parametrize("stage", ["ingest", "prepare"])
def test_disk_full_at_an_h5(clone, stage):
    """Room for no h5 file, or for the first of two."""
    first, second = (clone.path / f"data/{name}.h5" for name in ("detectors", "prepared"))
    contents = first.read_bytes(), second.read_bytes()
    (clone.path / "dvc.lock").unlink()
    shutil.rmtree(clone.path / ".dvc/cache")
    room = len(contents[0]) // 2 if stage == "ingest" else len(contents[0]) + len(contents[1]) // 2
    failed = first if stage == "ingest" else second
    with small_disk(clone.path / "data", room) as disk:
        on = disk.on(clone.path)
        disk.run("mkdir", "calendar")
        output = clone.run(*on, "dvc", "repro", "prepare", fails=True)
        assert said(output) == [f"vdcast: {failed.relative_to(clone.path)}: {NO_ROOM}"]
        assert (
            f"failed to reproduce '{stage}': failed to run: python -m vdcast.{stage}, exited with 1" in output
        )
        assert disk.run("ls", "-A").split() == ["calendar", *(["detectors.h5"] if stage == "prepare" else [])]
        disk.resize(1 << 26)
        left = {"prepare"} | ({"ingest"} if stage == "ingest" else set())
        assert stages_run(clone.run(*on, "dvc", "repro", "prepare")) == left
        disk.run("cp", "detectors.h5", "prepared.h5", str(clone.path))
    assert contents == tuple((clone.path / path.name).read_bytes() for path in (first, second))


def test_disk_full_at_dvcs_cache(clone, whole):
    """The training ends well, and DVC has no room to take it in."""
    shutil.copytree(clone.path / ".dvc/cache", clone.path / "cache", symlinks=True)
    with small_disk(clone.path / ".dvc/cache", 1 << 26) as disk:
        on = disk.on(clone.path)
        disk.run("cp", "-a", f"{clone.path}/cache/.", ".")
        disk.resize((1 << 26) - disk.free() + (8 << 10))
        output = clone.run(*on, "dvc", "repro", STAGE, fails=True)
        assert output.splitlines()[-1].startswith("ERROR: ") and "No space left on device" in output, output
        assert STAGE not in locked(clone)
        disk.resize(1 << 26)
        output = clone.run(*on, "dvc", "repro", STAGE)
    assert "(stacks: 2 trained, 0 begun)" in output and stages_run(output) == {STAGE}
    assert trained(clone) == trained(whole)


def damage(path: Path) -> None:
    """Turn one bit as a disk does: size, time and mode stay."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(stat.S_IMODE(before.st_mode))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cached(clone, path: str) -> Path:
    """The object of DVC's cache that ``path`` comes from."""
    outs = [out for stage in locked(clone).values() for out in stage["outs"] if out["path"] == path]
    return clone.path / ".dvc/cache/files/md5" / outs[0]["md5"][:2] / outs[0]["md5"][2:]


def test_a_damaged_object_of_the_cache_is_found_and_made_again(whole, tmp_path):
    """DVC takes it for what its name says; `vdcast verify` looks."""
    clone = whole.copy(tmp_path / "clone")
    before = (clone.path / "data/prepared.h5").read_bytes()
    damage(cached(clone, "data/prepared.h5"))
    for path in ("data/prepared.h5", MODEL):
        (clone.path / path).unlink()
    clone.run("dvc", "checkout", "data/prepared.h5", MODEL)
    assert (clone.path / "data/prepared.h5").read_bytes() != before, "DVC has begun to look; so we need not"
    objects = sum(path.is_file() for path in (clone.path / ".dvc/cache/files/md5").rglob("*"))
    output = clone.run(*VDCAST, "verify", fails=True)
    assert said(output) == [
        f"vdcast: damaged and removed: 1 of {objects} objects in .dvc/cache/files/md5, and what came from them: data/prepared.h5; `dvc repro` makes them again, or `dvc pull` fetches them"
    ]
    assert clone.repro(STAGE) == {"prepare"}, "what was trained is kept"
    assert (clone.path / "data/prepared.h5").read_bytes() == before and trained(clone) == trained(whole)
    assert "none damaged" in clone.run(*VDCAST, "verify")


def test_a_damaged_object_whose_copy_is_good_costs_the_copy_nothing(whole, tmp_path):
    clone = whole.copy(tmp_path / "clone")
    damage(cached(clone, MODEL))
    output = clone.run(*VDCAST, "verify", fails=True)
    assert "removed: 1 of " in output and "what came from them" not in output
    assert trained(clone) == trained(whole)
    assert "(stacks: 2 trained, 0 begun)" in clone.run("dvc", "repro", STAGE)
    assert trained(clone) == trained(whole) and cached(clone, MODEL).exists()


def test_a_clock_moved_back_makes_nothing_stale(clone, whole, tmp_path):
    """All files, a half-finished training's too, are of next year, as after a clock was moved back by one."""
    stop = Stopping(tmp_path / "stop", "after", ".state")
    dvc = stop.start(["dvc", "repro", STAGE], clone.path, clone.env)
    os.killpg(dvc.pid, signal.SIGKILL)
    os.kill(stop.stopped, signal.SIGKILL)
    dvc.wait()
    later = time.time() + 365 * 24 * 3600
    for path in clone.path.rglob("*"):
        os.utime(path, (later, later), follow_symlinks=False)
    output = clone.run("dvc", "repro", STAGE)
    assert stages_run(output) == {STAGE} and "(stacks: 0 trained, 1 begun)" in output
    assert trained(clone) == trained(whole)
    assert "up to date" in clone.run("dvc", "status", STAGE)
    with (clone.path / "raw/sample_counts.csv").open("a", encoding="utf-8") as file:
        file.write("not,a,row\n")  # of now, which is before the rest
    assert "ingest" in clone.run("dvc", "status", "ingest"), "a change is seen, however old it looks"


@pytest.fixture
def shared(prepared):
    """Two users' clones with one cache, and what makes a command that user's: a uid of its own."""
    if os.getuid() != 0:
        pytest.skip("only root can become two users")
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    (place / "cache").mkdir()
    others = [user.pw_uid for user in pwd.getpwall() if user.pw_uid]
    clones = []
    for number in range(2):
        clone = make_clone(place / str(number))
        shutil.copy2(prepared.path / "params.yaml", clone.path)
        shutil.copytree(prepared.path / "raw", clone.path / "raw")
        clone.run("dvc", "config", "--local", "cache.dir", str(place / "cache"))
        clone.run("dvc", "config", "--local", "cache.shared", "group")
        become = ("setpriv", f"--reuid={others[number]}", f"--regid={GROUP}", "--clear-groups", *MAY_READ)
        subprocess.run(["chown", "-R", f"{others[number]}:{GROUP}", clone.path], check=True)
        os.chown(place / "cache", others[0], GROUP)
        clones.append((clone, ("env", f"HOME={clone.path}", *become)))
    (place / "cache").chmod(0o2775)
    yield clones
    shutil.rmtree(place)


# What DVC says where the two put one object into the cache at the same instant; whoever is first owns it.
LOST_A_RACE = re.compile(
    r"unable to remove '.*' without a confirmation|failed to transfer '.*Permission denied"
)


def test_two_users_of_one_cache(shared, whole):
    """They make the same at once, and whom DVC sends away begins again; then one is given what the other trained."""
    at_once = [
        subprocess.Popen(
            [*user, "dvc", "repro", STAGE], cwd=clone.path, env=clone.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for clone, user in shared
    ]  # fmt: skip
    outputs = [process.communicate()[0] for process in at_once]
    for (clone, user), process, output in zip(shared, at_once, outputs, strict=True):
        if process.returncode:
            assert LOST_A_RACE.search(output), output
            clone.run(*user, "dvc", "repro", STAGE)
    assert [trained(clone) for clone, _ in shared] == 2 * [trained(whole)]
    other = "train@lstm-single_vd"
    ran = [stages_run(clone.run(*user, "dvc", "repro", other)) for clone, user in shared]
    assert ran == [{other}, set()]
