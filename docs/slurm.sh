#!/bin/bash
# Every run of params.yaml on a Slurm cluster, a task each, in a clone of its own:
#
#   git commit -am "what to train" && vdcast job prepare && git commit -am "prepared"
#   sbatch --array=1-"$(dvc stage list --name-only train | wc -l)" docs/slurm.sh
#   vdcast job report                    # once they have ended: takes every result from the remote
#
#SBATCH --job-name=vdcast
#SBATCH --cpus-per-task=2
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"

target=$(dvc stage list --name-only train | sed -n "${SLURM_ARRAY_TASK_ID}p")
clone=$(mktemp -d)
git clone -q . "$clone"
cd "$clone"
vdcast job "$target" && rm -rf "$clone" # after a failure it may hold what the remote did not take
