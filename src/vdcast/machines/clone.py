"""One stage in a clone, with everything through the DVC remote."""

import os
import sys
from pathlib import Path

from vdcast import params
from vdcast.errors import InputError
from vdcast.machines.dvc_cli import DVC
from vdcast.machines.lost import forget_lost
from vdcast.machines.remote import Remote
from vdcast.processes import status_of


def job(target: str, share: str | None = None) -> None:
    """Bring ``target`` up to date here, and leave the result in the default DVC remote.

    With ``share`` (I/N) only that part of a training is done, and what it trained is left for the job that does
    the whole. Raises InputError where the remote fails, or the stage does.
    """
    params.load()  # a wrong setting stops here, in one sentence
    stage, _, run = target.partition("@")
    if share and stage != "train":
        raise InputError(
            f"a share is one of a training, as in `vdcast job train@RUN --share 2/8`, not of {target}"
        )
    remote = Remote(run if stage == "train" else None)
    remote.check()
    if remote.keys() or share:
        bring(remote, "prepare")
        remote.fetch(key_of(run))
    with remote.kept_up():
        if share:
            finish(target, [sys.executable, "-m", "vdcast.train", run, "--share", share])
        else:
            bring(remote, target)
    if share:
        with remote.told("did not take all that was trained; it is kept here"):
            remote.push()
    elif status([*DVC, "push", "--run-cache", "--with-deps", target]) or not remote.holds(target):
        raise InputError(
            f"{target} is finished, but the remote '{remote.name}' did not take it, as said above; it is kept in "
            f"{Path.cwd()}: run `vdcast job {target}` there again, which trains nothing twice"
        )
    else:
        remote.forget()


def bring(remote: Remote, *targets: str) -> None:
    """Have the outputs of ``targets`` here, as settings, data and code are now: from the remote, or made."""
    if inputs := forget_lost(remote, *targets):
        finish(
            targets[0], [*DVC, "pull", *inputs]
        )  # `repro` takes a folder for whole of which a part is here
    finish(targets[0], [*DVC, "repro", "--pull", "--allow-missing", *targets])
    finish(targets[0], [*DVC, "pull", *targets])  # what DVC found done, and left where it is


def finish(target: str, command: list[str]) -> None:
    """Run ``command``. Raises InputError where it fails."""
    if code := status(command):
        raise InputError(
            f"{target} failed with exit status {code}, as said above; what it had trained is kept: when the "
            f"cause is gone, run `vdcast job {target}` again"
        )


def key_of(run: str) -> str:
    """The key under which this machine trains ``run`` now."""
    from vdcast.models.shared.device import choose_device
    from vdcast.train import key
    from vdcast.train.kernel import settled

    settings = params.load()
    asked = settings.run(run)
    device = choose_device(asked.train.device)
    return key.key_of(settled(asked, device), settings, device)


def python_path(clone: Path) -> str:
    """PYTHONPATH with the code of ``clone`` before all else."""
    return os.pathsep.join([str(clone / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])


def status(command: list[str]) -> int:
    """Exit status of ``command``, run with the code of this clone, which is what DVC has hashed."""
    environment = os.environ | {
        "PYTHONPATH": python_path(Path.cwd()),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "DVC_NO_ANALYTICS": "1",  # what it leaves behind to report would outlive us
    }
    return status_of(command, environment)
