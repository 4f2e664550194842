"""Who may be joined: with small servers in the place of a cluster."""

from concurrent import futures

import grpc
import pytest

from milonga.errors import ClusterError, JobError
from milonga.jobs.cluster import joining
from milonga.jobs.cluster.needs import Need, needs_of
from milonga.jobs.placing import Place

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def answering():
    """``answering(code=None)``: the port of a server that answers each call, or refuses it."""
    servers = []

    def start(code=None):
        def answer(request, context):
            if code is not None:
                context.abort(code, "no")
            return b""

        class Handler(grpc.GenericRpcHandler):
            def service(self, details):
                return grpc.unary_unary_rpc_method_handler(answer)

        server = grpc.server(futures.ThreadPoolExecutor(2), handlers=(Handler(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return port

    yield start
    for server in servers:
        server.stop(0).wait()


def test_a_cluster_without_a_token_is_refused_beyond_the_loopback(answering, monkeypatch):
    port = answering()
    assert joining.asks_for_token("127.0.0.1", port) is False
    monkeypatch.setattr(joining, "is_loopback", lambda host: False)
    with pytest.raises(ClusterError, match="asks for no token") as refusal:
        joining.connect(f"ray://127.0.0.1:{port}")
    assert "--unauthenticated-cluster" in refusal.value.step


def test_a_cluster_that_asks_for_a_token_says_so(answering):
    assert joining.asks_for_token("127.0.0.1", answering(grpc.StatusCode.UNAUTHENTICATED)) is True


def test_nobody_there(answering):
    with pytest.raises(ClusterError, match="No cluster answers"):
        joining.connect("ray://127.0.0.1:1")
    for wrong in ("ray://", "ray://host:x", "ray://host/path"):
        with pytest.raises(ClusterError, match="no address"):
            joining.connect(wrong)
    with pytest.raises(JobError, match="Nothing can be rendered"):
        Place(on="http://host")


def test_the_loopback_is_this_machine_alone():
    assert joining.is_loopback("localhost")
    assert joining.is_loopback("127.0.0.1")
    assert not joining.is_loopback("192.0.2.7")


def nodes(*resources):
    return [{"Resources": each, "NodeManagerHostname": f"n{i}"} for i, each in enumerate(resources)]


def test_needs_are_met_by_cores_cards_and_memory(tones):
    small, large = {"CPU": 2, "memory": 1500}, {"CPU": 8, "memory": 4000, "GPU": 1}
    needs, held = needs_of(tones(1), nodes(small))
    assert (list(needs.values()), held) == ([Need(2, 0, 1000)], 1)  # memory for one: both cores
    needs, held = needs_of(tones(1, device="auto"), nodes(small, large))
    assert (list(needs.values()), held) == ([Need(1, 1, 0)], 1)
    with pytest.raises(ClusterError, match="graphics card") as refusal:
        needs_of(tones(1, device="cuda"), nodes(small))
    assert "n0 (2 cores, 0 graphics cards" in refusal.value.step
    with pytest.raises(ClusterError, match="memory"):
        needs_of(tones(1), nodes({"CPU": 8, "memory": 900}))
