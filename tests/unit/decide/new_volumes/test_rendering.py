"""What is asked of the node of new volumes, said in the ways in which kube-scheduler hears it."""

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.builders import HOSTNAME, ZONE, capacity, cluster_of, decision_on, soft
from tests.unit.decide.new_volumes.support import LATE, new, rule
from tests.unit.worlds import selectors

from mooring.api.annotations import GATE
from mooring.cluster.index import Cluster
from mooring.cluster.records import Affinity, NodeAffinity, NodeSelector
from mooring.decide.affinity import pod_affinity
from mooring.decide.gate import release
from mooring.decide.new_volumes.demand import narrow
from mooring.decide.nominate import roomy_nodes
from mooring.decide.required import required_affinity
from mooring.locate.selector import matches_selector, matches_term

_NAMES = [f"n{number}" for number in range(1, 6)]
_LABELS = st.fixed_dictionaries(
    {}, optional={ZONE: st.sampled_from("ab"), "disk": st.sampled_from(["ssd", "hdd"]), "size": st.sampled_from("149")}
)
_ENFORCEMENTS = st.sampled_from(["Required", "Required", "Preferred"])
_KEYS = st.sampled_from([HOSTNAME, ZONE, "disk"])
_NODE_RULES = st.builds(
    lambda expression, enforcement: rule(*expression, enforcement=enforcement),
    st.sampled_from(
        [
            ("disk", "In", "ssd"),
            ("disk", "In", "ssd", "${pvc.labels.app}"),
            ("disk", "NotIn", "ssd"),
            ("disk", "Exists"),
            ("disk", "DoesNotExist"),
            ("size", "Gt", "3"),
            ("size", "Lt", "5"),
        ]
    ),
    _ENFORCEMENTS,
)
_VOLUME_RULES = st.builds(
    lambda app, key, enforcement: rule("app", "In", app, topologyKey=key, enforcement=enforcement),
    st.sampled_from(["db", "web", "nobody"]),
    _KEYS,
    _ENFORCEMENTS,
)
_POOLS = st.lists(st.sampled_from(_NAMES), max_size=3, unique=True)


@st.composite
def _clusters(draw: st.DrawFn, *, hostnames: bool) -> Cluster:
    """Up to five nodes with labels of their own choosing, volumes on some of them, and rules for a new one."""
    nodes = [builders.bare_node(name, ({HOSTNAME: name} if hostnames else {}) | draw(_LABELS)) for name in _NAMES]
    for each in nodes:
        each.status = builders.node("any").status
    there = draw(st.lists(st.tuples(st.sampled_from([*_NAMES, "gone"]), st.sampled_from(["db", "web"])), max_size=3))
    volumes = [
        [
            builders.claim(f"v{number}", f"pv-v{number}", labels={"app": app}),
            builders.volume(f"pv-v{number}", replicas=on),
        ]
        for number, (on, app) in enumerate(there)
    ]
    full = [capacity(name, "late", "1", labels={"disk": "ssd"}) for name in draw(_POOLS)]
    spec = {
        "nodeAffinity": draw(st.lists(_NODE_RULES, max_size=2)),
        "volumeAffinity": draw(st.lists(_VOLUME_RULES, max_size=1)),
        "volumeAntiAffinity": draw(st.lists(_VOLUME_RULES, max_size=2)),
    }
    mine = new("c", labels={"app": draw(st.sampled_from(["db", "none"]))}, size=draw(st.sampled_from("12")))
    return cluster_of(nodes, LATE, volumes, full, mine, soft(newVolumes=spec))


def _selected(selector: NodeSelector | None, cluster: Cluster) -> set[str]:
    labels = cluster.topology.labels
    return {name for name in _NAMES if selector is None or matches_selector(selector, name, labels(name))}


@settings(deadline=None, max_examples=200)
@given(cluster=_clusters(hostnames=True), own=selectors(), by_hostname=st.booleans())
def test_affinity_selects_what_is_asked_for(cluster: Cluster, own: NodeSelector | None, *, by_hostname: bool) -> None:
    """Exactly the nodes that meet every demand, and the pod's own terms; and adding it again changes nothing."""
    decision = decision_on(builders.pod("web", "c"), cluster)
    among = roomy_nodes(decision, cluster, chosen="")
    wanted = narrow(decision.demands.required, cluster.topology.nodes)

    def required(there: NodeSelector | None) -> NodeSelector | None:
        return required_affinity(decision, cluster.topology, there, by_hostname=by_hostname, among=among)

    if not decision.demands.unmet:
        assert _selected(required(own), cluster) == wanted & _selected(own, cluster)
    else:
        assert not wanted
    assert required(required(own)) == required(own)


@settings(deadline=None, max_examples=200)
@given(cluster=_clusters(hostnames=True))
def test_a_pod_is_bound_to_a_place_that_will_do(cluster: Cluster) -> None:
    """Whatever the release says allows the nominated node, and no node that is refused."""
    pod = builders.pod("web", "c", gates=[GATE])
    decision = decision_on(pod, cluster)
    found = release(pod, decision, cluster)
    if found is None:
        assert decision.demands.unmet or decision.demands.are_fleeting
        return
    allowed = _selected(found.required, cluster)
    assert allowed <= set(builders.eligible(decision, _NAMES))
    assert not found.node or found.node in allowed
    if decision.demands.are_exclusive:
        labels = cluster.topology.labels
        keys = {demand.key for demand in decision.demands.required if demand.key}
        assert all(labels(name).get(key) == labels(found.node).get(key) for name in allowed for key in keys)
    # Tried again, because it could not be written or not be seen: the same.
    pod.spec.affinity = Affinity(node_affinity=NodeAffinity(required=found.required))
    again = release(pod, decision_on(pod, cluster), cluster)
    assert again == msgspec.structs.replace(found, required=None)


@settings(deadline=None, max_examples=200)
@given(cluster=_clusters(hostnames=False))
def test_preferences_are_the_scores(cluster: Cluster) -> None:
    """As far as labels say them: a node collects the weights of the wishes that it meets."""
    decision = decision_on(builders.pod("web", "c"), cluster)
    terms = pod_affinity(decision, cluster.topology, NodeAffinity(), mark=None, prefer=True).affinity.preferred or ()
    wishes = [demand for demand in decision.demands.preferred if demand.expressions]

    assert len(terms) == len(wishes)
    assert all(1 <= term.weight <= 100 for term in terms)
    for name in _NAMES:
        labels = cluster.topology.labels(name)
        met: Sequence[Any] = [wish.narrow({name}) for wish in wishes]
        assert [matches_term(term.preference, name, labels) for term in terms] == [bool(each) for each in met]
