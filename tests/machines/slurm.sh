#!/usr/bin/env bash
# The workflow through Slurm's profile, on a Slurm of one node that this sets up: are its tables those of a local run?
# And does a training that is cancelled, and then hits its time limit, end with the numbers of one never stopped?
#
#   tests/machines/slurm.sh --yes FOLDER [ARGUMENT...]    of snakemake; default: --config scale=smoke
#
# By hand, as root, in a Debian to throw away. It installs slurmctld, slurmd, slurm-client and munge, writes
# /etc/slurm/slurm.conf, and starts munged, slurmctld and slurmd, of which it ends the last two. FOLDER has the
# runs, local and through Slurm. `snakemake` and `python` are those of the PATH (make setup; PATH=.venv/bin:$PATH).
set -euo pipefail
cores=${CORES:-$(nproc --all)} # of the node
checkout=$(realpath "$(dirname "$0")/../..")
conf=/etc/slurm/slurm.conf
mark="# written by tests/machines/slurm.sh"
if [ "${1:-}" != --yes ] || [ $# -lt 2 ] || [ "$(id -u)" != 0 ]; then
  sed -n '2,/^set/s/^# \?//p' "$0"
  exit 2
fi
if [ -e $conf ] && ! grep -qF "$mark" $conf; then
  echo "$conf is not this script's: a machine with a Slurm of its own is left alone" >&2
  exit 2
fi
mkdir -p "$2"
folder=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- --config scale=smoke

set_up() {
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
    slurmctld slurmd slurm-client munge > "$folder/apt.log"
  local host memory
  host=$(hostname -s)
  memory=$(slurmd -C | grep -o 'RealMemory=[0-9]*')
  # MinJobAge: the profile asks squeue, also after a job has ended. No accounting database, no control groups.
  cat > $conf << END
$mark
ClusterName=leignn
SlurmctldHost=$host
SlurmUser=root
StateSaveLocation=$folder/slurm/controller
SlurmdSpoolDir=$folder/slurm/node
SlurmctldLogFile=$folder/slurm/controller.log
SlurmdLogFile=$folder/slurm/node.log
SlurmctldPidFile=$folder/slurm/controller.pid
SlurmdPidFile=$folder/slurm/node.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
MinJobAge=600
KillWait=5
NodeName=$host CPUs=$cores $memory
PartitionName=all Nodes=ALL Default=YES
END
  mkdir -p "$folder/slurm"/{controller,node}
  munge --no-input > /dev/null 2>&1 || { install -d -o munge -g munge /run/munge && runuser -u munge -- munged; }
  slurmctld
  slurmd
  trap 'kill "$(cat "$folder/slurm/controller.pid")" "$(cat "$folder/slurm/node.pid")"' EXIT
  timeout 60 sh -c 'until sinfo --noheader --states=idle --format=%T | grep -q idle; do sleep 1; done'
}

# In a folder of their own; what the profile gives eight cores gets those that there are.
here=(--cores "$cores")
slurm=(--workflow-profile "$checkout/workflow/profiles/slurm" --local-cores 1
  --set-threads {generate_oc20_standin,build_store,profile_models,measure_costs}="$cores")
run() { # FOLDER ARGUMENT...
  local where=$1
  shift
  snakemake --snakefile "$checkout/Snakefile" --directory "$folder/$where" "$@" > "$folder/$where.log" 2>&1
}

tables() { # [ARGUMENT...]
  run local "${here[@]}" "$@"
  run slurm "${slurm[@]}" "$@"
  python - "$folder"/{local,slurm}/results << 'END'
import sys
from pathlib import Path
import pandas as pd
local, other = map(Path, sys.argv[1:])
tables = ("table1", "table2", "table3", "limitations", "symmetry")
found = [f"{name}.csv" for name in tables if (local / f"{name}.csv").exists()]
assert found, "no table to compare"
for name in found:
    one, two = (pd.read_csv(folder / name, dtype=str) for folder in (local, other))
    assert list(one) == list(two) and len(one), f"{name}: other columns"
    timed = [column for column in one if column in ("train_seconds", "ns_per_day")]
    unlike = [column for column in one if column not in timed and not one[column].equals(two[column])]
    assert not unlike, f"{name}: {unlike} differ"
    print(f"{name}: {len(one)} rows, {one.shape[1] - len(timed)} columns as of the local run; not compared: {timed}")
END
}

resumed() {
  local target=results/runs/oc20_standin/smoke/leignn/seed0/metrics.json waiting
  local long=(--config scale=smoke "scale_training={max_steps: ${STEPS:-3000}}" -- "$target")
  run straight "${here[@]}" "${long[@]}"
  rm -rf "$folder/stopped"
  run stopped "${slurm[@]}" --retries 20 --set-resources train_model:runtime=1 "${long[@]}" &
  waiting=$!
  timeout 1200 sh -c 'until ls "$0"/*.ckpt > /dev/null 2>&1; do sleep 1; done' "$folder/stopped/$(dirname $target)/resume"
  scancel --user=root
  wait $waiting
  for end in CANCELLED TIMEOUT; do
    grep -q "SLURM status is: '$end'" "$folder/stopped.log" || { echo "no attempt ended as $end: more STEPS?" >&2; exit 1; }
    echo "$(grep -c "SLURM status is: '$end'" "$folder/stopped.log") attempts ended as $end"
  done
  grep -rh resuming "$folder/stopped/logs/train_model"
  python - "$folder"/{straight,stopped}/"$target" << 'END'
import json
import sys
one, other = (json.loads(open(path).read())["splits"] for path in sys.argv[1:])
assert one == other, "its errors are not those of the training that was never stopped"
print("a training that was stopped has the errors of one that never was")
END
}

set_up
tables "$@"
resumed
