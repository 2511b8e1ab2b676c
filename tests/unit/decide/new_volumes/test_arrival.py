"""Pods of new volumes that come at the same time: whatever is seen when, what is required of all of them holds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import HOSTNAME, ZONE, claim, on_hosts, stateful_set, volume
from tests.unit.decide.new_volumes.support import NODES, new, rule, world

from mooring.api.annotations import GATE
from mooring.cluster.index import Cluster
from mooring.cluster.records import Affinity, NodeAffinity, Pod
from mooring.decide.decision import decide
from mooring.decide.gate import Release, release
from mooring.decide.subject import subject_of_pod
from mooring.decide.waiting import why_held
from mooring.locate.locator import Locator
from mooring.locate.selector import matches_selector

_APP: Final = {"app": "db"}
_LABELS: Final = {each.name: each.labels for each in NODES}


@dataclass(kw_only=True)
class Arrival:
    """One pod of a StatefulSet on its way from our gate to a node, a step at a time.

    kube-scheduler is as unhelpful as it may be: it forgets nominations, and takes any node that the affinity allows.
    """

    cluster: Cluster
    number: int
    by_hostname: bool
    stage: str = "gated"
    found: Release | None = None
    node: str = ""

    def __post_init__(self) -> None:
        self.cluster.put("PersistentVolumeClaim", new(f"data-{self.name}", labels=_APP))
        self.cluster.put("Pod", self.pod(gates=[GATE]))

    @property
    def name(self) -> str:
        """The pod's name."""
        return f"db-{self.number}"

    def pod(self, **fields: Any) -> Pod:
        """The pod as the API server tells of it."""
        pod = builders.pod(self.name, f"data-{self.name}", of_set="db", uid=self.name, **fields)
        if self.found is not None and self.found.required is not None:
            pod.spec.affinity = Affinity(node_affinity=NodeAffinity(required=self.found.required))
        return pod

    def step(self, choice: int) -> bool:
        """Go one step further, and tell whether there was one."""
        match self.stage:
            case "gated":
                return self._pass_gate()
            case "passed":
                assert self.found is not None
                self.cluster.put("Pod", self.pod(nominated=self.found.node))
                self.stage = "seen"
            case "seen":
                self.cluster.put("Pod", self.pod())
                self.stage = "forgotten"
            case "forgotten":
                self._bind(choice)
            case _:
                return False
        return True

    def held_because(self) -> str:
        """What is said of the pod while it is gated."""
        pod = self.pod(gates=[GATE])
        return why_held(pod, decide(subject_of_pod(pod), self.cluster, Locator(self.cluster)))

    def _pass_gate(self) -> bool:
        pod = self.pod(gates=[GATE])
        decision = decide(subject_of_pod(pod), self.cluster, Locator(self.cluster))
        self.found = release(pod, decision, self.cluster, by_hostname=self.by_hostname)
        if self.found is None:
            return False
        assert self.found.node
        self.cluster.promise(pod, self.found.node)
        assert release(pod, decide(subject_of_pod(pod), self.cluster, Locator(self.cluster)), self.cluster) is not None
        self.stage = "passed"
        return True

    def _bind(self, choice: int) -> None:
        assert self.found is not None
        topology = self.cluster.topology
        names = sorted(topology.nodes)
        required = self.found.required
        allowed = [name for name in names if not required or matches_selector(required, name, topology.labels(name))]
        self.node = allowed[choice % len(allowed)]
        self.cluster.put("Pod", self.pod(on=self.node, phase="Running"))
        self.cluster.put("PersistentVolume", volume(f"pv-{self.name}", on_hosts(self.node)))
        self.cluster.put("PersistentVolumeClaim", claim(f"data-{self.name}", f"pv-{self.name}", labels=_APP))
        self.stage = "bound"


def arrivals(
    count: int, steps: Sequence[tuple[int, int]], *nodes: Any, by_hostname: bool, **new_volumes: Any
) -> list[Arrival]:
    """Let pods come, go these steps (whose, and which node if it is the last), and then on until nothing moves."""
    cluster = world(stateful_set("db", "data", replicas=count), *nodes, **new_volumes)
    found = [Arrival(cluster=cluster, number=number, by_hostname=by_hostname) for number in range(count)]
    for number, choice in steps:
        found[number % count].step(choice)
    while any(each.step(each.number) for each in found):
        pass
    return found


_STEPS: Final = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30)
_COUNTS: Final = st.integers(1, 6)


@settings(deadline=None)
@given(count=_COUNTS, steps=_STEPS, by_hostname=st.booleans(), key=st.sampled_from([ZONE, HOSTNAME]))
def test_volumes_that_must_part_never_meet(
    count: int, steps: Sequence[tuple[int, int]], key: str, *, by_hostname: bool
) -> None:
    """As many as there are places get one each, and the others wait, with a reason."""
    away = rule("app", "In", "db", topologyKey=key)
    found = arrivals(count, steps, by_hostname=by_hostname, volumeAntiAffinity=[away])

    places = [_LABELS[each.node][key] for each in found if each.node]
    assert len(places) == len(set(places)) == min(count, 3 if key == ZONE else 6)
    assert all("no node will do" in each.held_because() for each in found if not each.node)


@settings(deadline=None)
@given(count=_COUNTS, steps=_STEPS, by_hostname=st.booleans())
def test_a_node_without_the_label_is_away_from_everything(
    count: int, steps: Sequence[tuple[int, int]], *, by_hostname: bool
) -> None:
    """It takes what the zones do not, and whoever was sent there stays there."""
    bare = builders.node("bare")
    away = rule("app", "In", "db", topologyKey=ZONE)
    found = arrivals(count, steps, bare, by_hostname=by_hostname, volumeAntiAffinity=[away])

    places = Counter(_LABELS[each.node][ZONE] if each.node != "bare" else "" for each in found)
    assert sum(places.values()) == count
    assert all(number == 1 for zone, number in places.items() if zone)


@settings(deadline=None)
@given(count=_COUNTS, steps=_STEPS, by_hostname=st.booleans(), key=st.sampled_from([ZONE, HOSTNAME]))
def test_volumes_that_must_meet_never_part(
    count: int, steps: Sequence[tuple[int, int]], key: str, *, by_hostname: bool
) -> None:
    """The first one says where, however late that is heard of."""
    near = rule("app", "In", "db", topologyKey=key)
    found = arrivals(count, steps, by_hostname=by_hostname, volumeAffinity=[near])

    assert all(each.node for each in found)
    assert len({_LABELS[each.node][key] for each in found}) == 1


@settings(deadline=None)
@given(count=st.integers(1, 9), steps=_STEPS, by_hostname=st.booleans(), skew=st.integers(1, 3))
def test_volumes_are_spread_as_they_come(
    count: int, steps: Sequence[tuple[int, int]], skew: int, *, by_hostname: bool
) -> None:
    """At every moment, and all of them find a place."""
    spread = {"topologyKey": ZONE, "maxSkew": skew}
    found = arrivals(count, steps, by_hostname=by_hostname, spread=spread)
    counts = Counter(_LABELS[each.node][ZONE] for each in found)

    assert sum(counts.values()) == count
    assert max(counts.values()) - min(counts[zone] for zone in "abc") <= skew


@pytest.mark.parametrize(
    "spread", [{"topologyKey": ZONE}, {"topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway"}]
)
def test_three_pods_at_once_go_to_three_zones(spread: Any) -> None:
    """Also where that is only preferred: each nomination is known to the next pod."""
    cluster = world(stateful_set("db", "data"), spread=spread)
    found = [Arrival(cluster=cluster, number=number, by_hostname=False) for number in range(3)]
    for each in found:
        each.step(0)

    assert sorted(_LABELS[each.found.node][ZONE] for each in found if each.found) == ["a", "b", "c"]
