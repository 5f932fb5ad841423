"""The workflow through Kubernetes' profile, its plugin and an S3 server; pods are processes in fresh folders.

Needs what the profile names, and moto: ``pip install snakemake-executor-plugin-kubernetes
snakemake-storage-plugin-s3 'moto[s3,server]'``.
"""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.workflow.dry_runs import MINI_RUNS, ROOT, jobs
from tests.workflow.stand_in_kubernetes import Cluster, environment_of_pods

pytest.importorskip("snakemake_executor_plugin_kubernetes")
boto3 = pytest.importorskip("boto3")
server = pytest.importorskip("moto.server")
pytestmark = pytest.mark.slow
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def bucket():
    """An empty bucket of an S3 server."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    names = {"region_name": "us-east-1", "aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    found = boto3.resource("s3", endpoint_url=address, **names).Bucket("leignn")
    found.create()
    yield found, address
    running.stop()


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "bin").mkdir()
    with Cluster(tmp_path, environment_of_pods(tmp_path / "bin")) as found:
        yield found


@pytest.fixture
def snakemake(bucket, cluster, tmp_path):
    """Snakemake with the profile, in a clone of the project."""
    project = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "workflow/profiles/kubernetes"]
    command += ["--default-storage-prefix", "s3://leignn", "--storage-s3-endpoint-url", bucket[1]]
    command += ["--storage-s3-access-key", "key", "--storage-s3-secret-key", "secret"]
    command += ["--seconds-between-status-checks", "1"]

    def run(*arguments: str) -> subprocess.CompletedProcess:
        environment = os.environ | {"KUBECONFIG": str(cluster.config)}
        return subprocess.run(
            [*command, *arguments], cwd=project, env=environment, capture_output=True, text=True
        )

    return run


def test_a_dry_run(snakemake) -> None:
    """Nothing that is shipped is looked for in the storage, and no job reads beside it."""
    done = snakemake("-n")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert jobs(done.stdout)["train_model"] == MINI_RUNS
    for path in re.findall(r" (\S*(?:results|data|logs)/[^ ;\n]+)", done.stdout + done.stderr):
        assert path.startswith((".snakemake/storage/s3/leignn/", "s3://leignn/", "config/results/")), path


def test_pods_read_what_others_left_in_the_storage(snakemake, bucket, cluster) -> None:
    results = {"table3": {"datasets": ["melt_standin"], "models": ["lennard_jones", "schnet"]}}
    target = "results/table3.csv"
    done = snakemake(target, "--config", "scale=smoke", f"results={json.dumps(results)}")
    logs = "".join(path.read_text()[-1000:] for path in cluster.folder.glob("*.log"))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:] + logs
    pods = [job["spec"]["template"]["spec"] for job in cluster.jobs.values()]
    asked = [pod["containers"][0]["resources"] for pod in pods]
    assert all(one["limits"] == one["requests"] | {"cpu": one["limits"]["cpu"]} for one in asked)
    table = bucket[0].Object(target).get()["Body"].read().decode().splitlines()
    assert sum(",ok," in row for row in table) == 2
