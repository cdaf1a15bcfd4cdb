"""Better settings of both models of a mode, found with equal budgets on the validation part alone.

    vdcast search                      # the mode of evaluate.primary, a process per CPU
    vdcast search --mode global_multi_vd -j 2
    vdcast search --apply              # and write what is better into params.yaml
    vdcast search --ray auto           # the trials on a Ray cluster, one to a CPU of its nodes

What is tried, and how much, stands under `search` in params.yaml. Given again, the command goes on where it was
stopped; given twice at once, by this machine or another one that has the folder, both work on one study. docs/search.md says how to read what it leaves in reports/search/.
"""

import argparse

from vdcast.errors import InputError, one_sentence


def main() -> None:
    parser = argparse.ArgumentParser(prog="vdcast search", description=__doc__.split("\n")[0])
    parser.add_argument("--mode", help="whose two runs are searched; without it, evaluate.primary")
    parser.add_argument(
        "-j", "--jobs", type=int, metavar="N",
        help="processes; without it, as many as CPUs, or GPUs, here or with --ray of the cluster",
    )  # fmt: skip
    parser.add_argument(
        "--ray", metavar="ADDRESS",
        help="train on this Ray cluster: auto on one of its nodes, HOST:PORT, ray://HOST:10001",
    )  # fmt: skip
    parser.add_argument("--apply", action="store_true", help="write what is better into params.yaml")
    arguments = parser.parse_args()
    if arguments.jobs is not None and arguments.jobs < 1:
        parser.error(f"-j {arguments.jobs} is not a whole number above 0")
    with one_sentence():
        _check_installed()
        from vdcast import params
        from vdcast.search import apply, report
        from vdcast.search.part import folder_of
        from vdcast.search.run import search, search_on_ray

        settings = params.load()
        mode = arguments.mode or settings.evaluate.primary
        if arguments.ray:
            searched = search_on_ray(settings, mode, arguments.jobs, arguments.ray)
        else:
            searched = search(settings, mode, arguments.jobs)
        answer = apply.answer_now(mode)
        for it in searched.models.values():
            print(f"{it.run}: {report.spent(it)} {' '.join(report.gain(it, searched.seeds))}")
        print(f"{folder_of(mode)}/search.md says more")
        if arguments.apply:
            apply.write(searched, answer)
            print("params.yaml has what is better, and what was spent; next: dvc repro, then vdcast verdict")
        elif said := apply.command(searched, answer):
            print(f"what is better, as an experiment (or: vdcast search --apply):\n{said}")
        else:
            print(
                "no settings are shown to be better; `vdcast search --apply` notes in params.yaml what was spent"
            )


def _check_installed() -> None:
    """Raises InputError without the packages of the extra."""
    try:
        import optuna  # noqa: F401
        import ruamel.yaml  # noqa: F401
    except ImportError as error:
        raise InputError(f"`vdcast search` needs {error.name}: pip install 'vdcast[search]'") from None
