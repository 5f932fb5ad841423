"""What Snakemake's plugin asks of a Kubernetes cluster, where there is none.

A pod is a process in a fresh, empty folder of its own, which is removed as the pod ends: what it has not
put into the storage is lost. One runs at a time. As of a cluster, a GPU that is asked for without a limit
is refused.
"""

import json
import os
import shutil
import subprocess
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """\
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
users: [{{name: me, user: {{}}}}]
"""


class Cluster(ThreadingHTTPServer):
    """A context in which ``config`` is a file for KUBECONFIG.

    Args:
        folder: for pods and their output, ``<name>.log``.
        environment: of pods, beside what a pod's specification says.

    Attributes:
        jobs: by name, as they were asked for, with their status.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.folder, self.environment = folder, environment
        self.jobs: dict[str, dict] = {}
        self.secrets: dict[str, str] = {}
        self.turn = threading.Lock()
        self.config = folder / "kubeconfig"
        self.config.write_text(CONFIG.format(port=self.server_port))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def start(self, job: dict) -> None:
        self.jobs[job["metadata"]["name"]] = job | {"status": {"active": 1}}
        threading.Thread(target=self._run, args=(job,), daemon=True).start()

    def _run(self, job: dict) -> None:
        name, (container,) = job["metadata"]["name"], job["spec"]["template"]["spec"]["containers"]
        given = {
            entry["name"]: self.secrets[entry["valueFrom"]["secretKeyRef"]["key"]]
            for entry in container.get("env", [])
        }
        with self.turn, open(self.folder / f"{name}.log", "w") as log:
            pod = self.folder / name
            pod.mkdir()
            command, where = [*container["command"], *container["args"]], self.environment | given
            code = subprocess.run(command, cwd=pod, env=where, stdout=log, stderr=log).returncode
            shutil.rmtree(pod)
        self.jobs[name]["status"] = {"failed": 1} if code else {"succeeded": 1}


class Api(BaseHTTPRequestHandler):
    server: Cluster

    def answer(self, content: dict, code: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/secrets"):
            data = content.get("data", {})
            self.server.secrets |= {key: b64decode(value).decode() for key, value in data.items()}
        else:
            resources = content["spec"]["template"]["spec"]["containers"][0]["resources"]
            for key in resources["requests"]:
                if "/" in key and resources["requests"][key] != resources.get("limits", {}).get(key):
                    return self.answer({"message": f"{key}: Limit must be set"}, 422)
            self.server.start(content)
        self.answer(content, 201)

    def do_GET(self) -> None:
        if "/pods" in self.path:
            return self.answer({"kind": "PodList", "items": []})
        self.answer(self.server.jobs[self.path.split("/")[-2]])

    def do_DELETE(self) -> None:
        self.answer({"kind": "Status", "status": "Success"})

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def environment_of_pods(binaries: Path) -> dict[str, str]:
    """This one's, but that ``pip`` installs nothing: what pods fetch from PyPI is there."""
    pip = binaries / "pip"
    pip.write_text("#!/bin/sh\n")
    pip.chmod(0o755)
    return os.environ | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
