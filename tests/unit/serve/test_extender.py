"""The extender without a socket: what it answers when it cannot decide, and how it counts."""

import json
from typing import Any

import pytest
from tests.unit import builders
from tests.unit.builders import on_hosts

from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolume
from mooring.locate.location import Location
from mooring.locate.locator import Locator
from mooring.serve.extender import Extender
from mooring.serve.metrics import Metrics
from mooring.serve.priorities import ScoreProfile

_NODES = ["n1", "n2", "n3"]
_STRICT = {"stork.libopenstorage.org/preferLocalNodeOnly": "true"}


class BrokenLocator(Locator):
    """A locator with a defect."""

    def locate(self, volume: PersistentVolume) -> Location:
        """Fail, as no locator should.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f"no idea where {volume.name} is")


def cluster_with(*objects: Any) -> Cluster:
    """A cluster of three nodes with the data on n1."""
    return builders.cluster_of(*(builders.node(name) for name in _NODES), builders.data("c", on_hosts("n1")), *objects)


def body(*, annotations: dict[str, str] | None = None, scheduler: str = "stork") -> bytes:
    """Give a call about a pod that mounts the claim."""
    metadata = {"name": "web", "namespace": builders.NAMESPACE, "annotations": annotations or {}}
    spec = {
        "schedulerName": scheduler,
        "volumes": [{"name": "c", "persistentVolumeClaim": {"claimName": "c"}}],
    }
    return json.dumps({"Pod": {"metadata": metadata, "spec": spec}, "NodeNames": _NODES}).encode()


@pytest.mark.parametrize(
    ("annotations", "policies", "kept"),
    [(_STRICT, [], []), ({}, [builders.strict()], []), ({}, [builders.soft()], _NODES), ({}, [], _NODES)],
    ids=["strict by annotation", "strict by policy", "soft by policy", "soft"],
)
@pytest.mark.parametrize("why", ["not ready", "broken"])
def test_no_decision_is_an_answer(why: str, annotations: dict[str, str], policies: list[Any], kept: list[str]) -> None:
    """A strict pod gets no node and the reason, any other pod all of them: never an error, which would be skipped."""
    cluster = cluster_with(*policies)
    locator = BrokenLocator(cluster) if why == "broken" else Locator(cluster)
    extender = Extender(cluster, locator, Metrics(), is_ready=lambda: why == "broken")

    answer = json.loads(extender.filter(body(annotations=annotations)))

    assert answer["NodeNames"] == kept
    assert answer["FailedAndUnresolvableNodes"].keys() == set(_NODES) - set(kept)
    assert all(reason.startswith("Mooring") for reason in answer["FailedAndUnresolvableNodes"].values())
    assert answer["Error"] == ""
    assert json.loads(extender.prioritize(body(annotations=annotations))) == [
        {"Host": node, "Score": 0} for node in _NODES
    ]


@pytest.mark.parametrize(
    ("sent", "objects", "outcome"),
    [
        (body(), (), "soft"),
        (body(annotations=_STRICT), (), "strict"),
        (body(scheduler=""), (), "no-opinion"),
        (body(), (builders.policy("p", updateMode="Audit"),), "audit"),
        (body(annotations=_STRICT), (builders.csi_node("n2", builders.DRIVER),), "obstructed"),
        (body(), (builders.volume("pv-c"),), "unknown"),
    ],
)
def test_decisions_are_counted_by_outcome(sent: bytes, objects: tuple[Any, ...], outcome: str) -> None:
    """Each call counts once, under the one word that says what it came to."""
    cluster, metrics = cluster_with(*objects), Metrics()

    Extender(cluster, Locator(cluster), metrics).filter(sent)

    counted = [line for line in metrics.render().decode().splitlines() if line.startswith("mooring_decisions_total{")]
    assert counted == [f'mooring_decisions_total{{outcome="{outcome}",verb="filter"}} 1.0']


@pytest.mark.parametrize(
    ("scheduler", "ready", "mooring", "stork"),
    [
        ("stork", True, [10, 0, 0], [100, 5, 5]),
        ("", True, [0, 0, 0], [5, 5, 5]),
        ("stork", False, [0, 0, 0], [5, 5, 5]),
    ],
    ids=["soft", "no opinion", "not ready"],
)
def test_the_profile_says_whose_numbers_count(
    scheduler: str, mooring: list[int], stork: list[int], *, ready: bool
) -> None:
    """Mooring's own, or STORK's for clusters that are tuned to them."""
    cluster = cluster_with()
    for profile, scores in ((ScoreProfile.MOORING, mooring), (ScoreProfile.STORK, stork)):
        extender = Extender(cluster, Locator(cluster), Metrics(), is_ready=lambda: ready, profile=profile)

        answer = json.loads(extender.prioritize(body(scheduler=scheduler)))

        assert answer == [{"Host": name, "Score": score} for name, score in zip(_NODES, scores, strict=True)]
