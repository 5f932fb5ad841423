#!/usr/bin/env bash
# The workflow through Slurm's profile, on a Slurm of one node that this sets up: are its tables those of a local run?
# And does a training that is cancelled, and then hits its time limit, end with the numbers of one never stopped?
# Then with an accounting database: are the jobs in it, told of by squeue and by sacct, and is an unknown account refused?
#
#   tests/machines/slurm.sh --yes FOLDER [ARGUMENT...]    of snakemake; default: --config scale=smoke
#
# By hand, as root, in a Debian to throw away. It installs slurmctld, slurmd, slurmdbd, slurm-client, munge and
# mariadb-server, writes /etc/slurm/slurm.conf and slurmdbd.conf, and starts what it needs of them, which it ends but
# for munged. FOLDER has the runs, local and through Slurm. `snakemake` and `python` are those of the PATH (make setup;
# PATH=.venv/bin:$PATH).
set -euo pipefail
cores=${CORES:-$(nproc --all)} # of the node
host=$(hostname -s)
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
    slurmctld slurmd slurmdbd slurm-client munge mariadb-server > "$folder/apt.log"
  local memory
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
  trap 'for pid in "$folder"/slurm/*.pid; do kill "$(cat "$pid")"; done' EXIT
  until_true 'sinfo --noheader --states=idle --format=%T | grep -q idle'
}

until_true() { timeout 60 sh -c "until $1; do sleep 1; done" "$folder"; }

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

account() { # a database, and a controller that refuses whoever is not in it
  rm -rf "$folder/slurm/database"
  mariadb-install-db --user=root --datadir="$folder/slurm/database" > "$folder/database.log" 2>&1
  mariadbd --user=root --datadir="$folder/slurm/database" --socket="$folder/slurm/database.socket" --port=33306 \
    --bind-address=127.0.0.1 --pid-file="$folder/slurm/database.pid" >> "$folder/database.log" 2>&1 &
  until_true 'mariadb-admin --socket="$0/slurm/database.socket" ping > /dev/null 2>&1'
  mariadb --socket="$folder/slurm/database.socket" --execute \
    "create user slurm@127.0.0.1 identified by 'slurm'; grant all on slurm_acct_db.* to slurm@127.0.0.1"
  install -m 600 /dev/null ${conf%slurm.conf}slurmdbd.conf
  cat > ${conf%slurm.conf}slurmdbd.conf << END
$mark
DbdHost=$host
SlurmUser=root
PidFile=$folder/slurm/accounting.pid
LogFile=$folder/slurm/accounting.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=33306
StorageUser=slurm
StoragePass=slurm
END
  cat >> $conf << END
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=$host
AccountingStorageEnforce=associations
END
  slurmdbd
  until_true 'sacctmgr --noheader list cluster > /dev/null 2>&1'
  sacctmgr --immediate add cluster leignn > /dev/null
  sacctmgr --immediate add account leignn > /dev/null
  sacctmgr --immediate add user root account=leignn > /dev/null
  kill "$(cat "$folder/slurm/controller.pid")"
  until_true '! pgrep -x slurmctld > /dev/null'
  slurmctld
  until_true 'sinfo --noheader --states=idle --format=%T | grep -q idle'
}

accounted() {
  local target=results/runs/oc20_standin/smoke/leignn/seed0/metrics.json told sent=0 ended
  account
  for told in squeue sacct; do
    rm -rf "${folder:?}/$told"
    run "$told" "${slurm[@]}" --slurm-status-command "$told" --config scale=smoke \
      --default-resources slurm_account=leignn -- "$target"
    sent=$((sent + $(grep -c 'has been submitted with SLURM jobid' "$folder/$told.log")))
  done
  ended=$(sacct --allocations --noheader --parsable2 --format=account,state | grep -cx 'leignn|COMPLETED')
  [ "$sent" = "$ended" ] || { echo "$sent jobs were sent, the accounting database has $ended that ended well" >&2; exit 1; }
  echo "$ended jobs, told of by squeue and by sacct, are in the accounting database"
  if run refused "${slurm[@]}" --config scale=smoke --default-resources slurm_account=nobody -- "$target"; then
    echo "an account that there is not was taken" >&2
    exit 1
  fi
  grep -h -m 1 "account nobody" "$folder/refused.log"
}

set_up
tables "$@"
resumed
accounted
