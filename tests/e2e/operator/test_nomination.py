"""Nominated nodes, under the stock scheduler: how many pods they bring to their data, and what if they do not fit."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import HOSTNAME, Manifest
from tests.e2e.operator.gates import History, cordon, is_given_up
from tests.e2e.operator.webhooks import stored
from tests.e2e.stage import VOLUME_LOCAL, Stage, stays
from tests.e2e.support import eventually


@pytest.fixture
def history(admitted: Stage) -> History:
    """Give what becomes of the test's pods."""
    return History(admitted)


def test_as_many_pods_as_fit_are_local(admitted: Stage) -> None:
    """Fifty at once, with room for ten on each of two nodes with the data: twenty run there, and all run."""
    pool = {"pool": admitted.namespace}
    near, where = admitted.own_nodes(2, cpu="1", labels=pool)
    admitted.own_nodes(3, cpu="8", labels=pool)
    admitted.volume("data", *near, modes=["ReadWriteMany"])
    admitted.policy("near")
    names = iter(pods := [f"web-{number}" for number in range(50)])

    def create() -> None:
        with admitted.sandbox.client() as client:
            # A list's iterator hands each name to one thread only.
            for name in names:
                made = manifests.pod(name, "data", cpu="100m", **where | {"nodeSelector": pool})
                client.create(admitted.path("pods"), made)

    with ThreadPoolExecutor(8) as workers:
        for done in [workers.submit(create) for _ in range(8)]:
            done.result()

    places = list(admitted.nodes_of(pods).values())
    assert [places.count(node) for node in near] == [10, 10]


def listening(name: str, *claims: str, **fields: Any) -> Manifest:
    """Give a pod that wants port 80 of its node."""
    made = manifests.pod(name, *claims, **fields)
    made["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
    return made


def apart_from(app: str) -> Manifest:
    """Give the affinity of a pod that must not run beside another workload's."""
    term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"app": app}}}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


@pytest.mark.parametrize("reason", ["port", "anti-affinity"])
def test_a_nominated_node_that_does_not_fit_is_passed_over(admitted: Stage, history: History, reason: str) -> None:
    """For a reason that only kube-scheduler looks at: the pod runs elsewhere at once, and says where its data is."""
    nodes, where = admitted.own_nodes(2)
    admitted.volume("data", nodes[0])
    admitted.policy("near")
    pods = admitted.path("pods")
    admitted.client.create(pods, listening("other", labels={"app": "other"}, nodeName=nodes[0]))
    fields = where if reason == "port" else {**where, "affinity": apart_from("other")}
    make = listening if reason == "port" else manifests.pod

    admitted.client.create(pods, make("web", "data", **fields))

    assert admitted.node_of("web") == nodes[1]
    assert history.nominations()["web"] == [nodes[0]]
    admitted.await_reason("pods", "web", VOLUME_LOCAL, "NotLocal")


@pytest.mark.parametrize("change", ["room", "uncordoned"])
def test_a_pod_that_waits_is_nominated_when_there_is_room(admitted: Stage, history: History, change: str) -> None:
    """It found no node at all; when there is room near its data and elsewhere, it does not run where it would rather.

    The scheduler is stopped meanwhile, for otherwise it would come down to who is faster.
    """
    nodes, where = admitted.own_nodes(2, cpu="1")
    path = f"/api/v1/nodes/{nodes[0]}"
    if change == "uncordoned":
        # First of all: a policy is in force a second after Mooring has heard of it, and of the cordon by then.
        cordon(admitted, nodes[0], scheduler="default-scheduler", **where)
    else:
        admitted.pod("near-filler", cpu="1", nodeName=nodes[0])
    admitted.volume("data", nodes[0])
    admitted.policy("near")
    admitted.pod("filler", cpu="1", nodeName=nodes[1])
    admitted.pod("web", "data", cpu="1", affinity=manifests.on_nodes(nodes[1]), **where)
    eventually(lambda: is_given_up(stored(admitted, "web")))

    admitted.sandbox.stop("kube-scheduler")
    try:
        admitted.delete(admitted.path("pods", "filler"))
        if change == "uncordoned":
            admitted.patch(path, {"spec": {"unschedulable": None}})
        else:
            admitted.delete(admitted.path("pods", "near-filler"))
        eventually(lambda: nominated(admitted, "web") == nodes[0])
    finally:
        admitted.sandbox.start("kube-scheduler")

    assert admitted.node_of("web") == nodes[0]
    assert history.writes("web")["nomination"] == 1


def nominated(stage: Stage, pod: str) -> str:
    """Give the node that is nominated for a pod now."""
    return str(stored(stage, pod)["status"].get("nominatedNodeName", ""))


def test_nothing_is_nominated_again_in_vain(admitted: Stage, history: History) -> None:
    """Mooring sees room that kube-scheduler does not: an attempt that fails is repeated once that node has changed."""
    nodes, where = admitted.own_nodes(2)
    admitted.volume("data", nodes[0])
    admitted.policy("near")
    for name, node in {"near": nodes[0], "far": nodes[1], "further": nodes[1]}.items():
        admitted.pod(name, labels={"app": "other"}, nodeName=node)
    admitted.pod("beside", nodeName=nodes[0])
    admitted.pod("web", "data", affinity=apart_from("other"), **where)
    eventually(lambda: is_given_up(stored(admitted, "web")) and nominated(admitted, "web") == "")
    history.await_writes("web", nomination=1)

    admitted.delete(admitted.path("pods", "further"))
    stays(lambda: history.writes("web")["nomination"] == 1, seconds=3)
    admitted.delete(admitted.path("pods", "beside"))
    eventually(lambda: history.writes("web")["nomination"] == 2)
    stays(lambda: history.writes("web")["nomination"] == 2, seconds=2)

    admitted.delete(admitted.path("pods", "near"))
    assert admitted.node_of("web") == nodes[0]
