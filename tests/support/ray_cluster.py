"""A Ray cluster of two nodes of one core in a process of its own, on the loopback, with a token.

Each node has a cache of weights of its own (``cache``), and no network. It obeys lines: ``kill``
ends the second node, ``add`` starts another, ``behead`` ends the head.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

TOKEN = "t" * 40


class TwoNodes:
    """Use as a context."""

    def __enter__(self):
        self._folder = tempfile.mkdtemp(prefix="rc")
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))
            ),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_TMPDIR": self._folder,
            "HF_HUB_OFFLINE": "1",
            # What serves a client is forked, and gRPC's own handlers of that end it now and then.
            "GRPC_ENABLE_FORK_SUPPORT": "0",
            # As local workers: Ray's own stand behind whatever else the machine does.
            "RAY_worker_niceness": "0",
            # A node that was killed is given up in seconds.
            "RAY_health_check_initial_delay_ms": "500",
            "RAY_health_check_period_ms": "500",
            "RAY_health_check_failure_threshold": "4",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self.address = f"ray://127.0.0.1:{self._process.stdout.readline().strip()}"
        return self

    def cache(self, node):
        """The cache of weights of the node ``head`` or ``second``."""
        return cache_of(self._folder, node)

    def tell(self, what):
        """Let it do something, and wait until it has."""
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == "done"

    def __exit__(self, *error):
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        for each in family:
            with contextlib.suppress(psutil.Error):
                each.kill()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def cache_of(folder, node):
    return Path(folder, "caches", node)


def main():
    from ray.cluster_utils import Cluster

    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100_000_000}
    Path(os.environ["RAY_TMPDIR"], "ray").mkdir()  # where a cluster leaves its address
    folder = os.environ["RAY_TMPDIR"]
    caches = {
        node: {"env_vars": {"HF_HUB_CACHE": str(cache_of(folder, node))}}
        for node in ("head", "second")
    }
    head = {**shared, **caches["head"], "ray_client_server_port": port}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    shared |= caches["second"]
    second = cluster.add_node(**shared)
    print(port, file=out, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            second.kill_all_processes(check_alive=False, allow_graceful=False)
        elif line.strip() == "add":
            second = cluster.add_node(**shared)
        elif line.strip() == "behead":
            cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        print("done", file=out, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
