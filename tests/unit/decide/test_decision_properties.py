"""What must hold of every decision, whatever the cluster looks like."""

from collections.abc import Collection, Mapping

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.unit import builders
from tests.unit.worlds import NODES, SHARED, World, any_policies, one_policy, worlds

from mooring.cluster.index import Cluster
from mooring.cluster.records import Expression, Node, NodeAffinity, NodeSelector, Term
from mooring.decide.affinity import node_affinity
from mooring.decide.decision import Decision, decide
from mooring.decide.explain import explain
from mooring.decide.subject import subject_of_pod
from mooring.decide.volumes import VolumeState
from mooring.locate.locator import Locator

_BROKEN = {"StorageDown", "Degraded", "Offline"}

any_world = worlds() | worlds(ragged=True)
tried = settings(deadline=None, max_examples=100)


@tried
@given(world=any_world)
def test_scores_stay_between_0_and_100(world: World) -> None:
    """No mix of volumes, tiers and states leaves the range of a score."""
    cluster = world.cluster
    decision = _decide(world, cluster)

    assert all(0 <= decision.scores.of(name) <= 100 for name in [*cluster.nodes, "ghost"])


@tried
@given(
    world=worlds(policies=one_policy(), max_claims=2) | worlds(ragged=True, policies=one_policy(), max_claims=2),
    data=st.data(),
)
def test_a_further_replica_never_lowers_the_score_of_its_node(world: World, data: st.DataObject) -> None:
    """A node that gains a replica of a volume becomes at least as good, while its storage is online there."""
    cluster = world.cluster
    claim = data.draw(st.sampled_from(world.pod.claims))
    name = data.draw(st.sampled_from(sorted(cluster.nodes)))
    holders = data.draw(st.sets(st.sampled_from(sorted(cluster.nodes)), min_size=1))
    driver = data.draw(st.sampled_from(["csi.one", "csi.two"]))
    registered = cluster.storage.nodes_with(driver)
    assume(name not in cluster.storage.states(driver) and (not registered or name in registered))

    def score(replicas: Collection[str]) -> float:
        """The score of the node when the volume's data lies on these nodes."""
        for obj in builders.data(claim, replicas=",".join(sorted(replicas)), driver=driver):
            cluster.put(builders.kind_of(obj), obj)
        return _decide(world, cluster).scores.of(name)

    assert score(holders | {name}) >= score(holders)


@tried
@given(
    world=worlds(policies=any_policies()) | worlds(ragged=True), replicas=st.sets(NODES, min_size=1), only=st.booleans()
)
def test_a_volume_to_stay_away_from_never_changes_what_is_near(world: World, replicas: set[str], *, only: bool) -> None:
    """The other volumes are seen as without it, and what refuses nodes because of them still does."""
    cluster = world.cluster
    without = _decide(world, cluster)
    shared = builders.volume("pv-shared", replicas=",".join(replicas), labels=SHARED, driver="csi.one")
    said = {"mooring.dev/preferRemoteNodeOnly": str(only).lower()}
    cluster.put("PersistentVolume", shared)
    cluster.put("PersistentVolumeClaim", builders.claim("shared", "pv-shared", annotations=said))
    pod = builders.pod("web", *world.pod.claims, "shared", annotations=world.pod.annotations)
    decision = decide(subject_of_pod(pod), cluster, Locator(cluster))
    assume(without.rule is not None and without.rule == decision.rule)
    *others, added = decision.volumes

    assert added.remote
    assert tuple(others) == without.volumes
    assert (decision.obstacle, decision.obstacle_detail) == (without.obstacle, without.obstacle_detail)
    assert {test.message for test in without.tests} <= {test.message for test in decision.tests}
    assert set(builders.eligible(decision, cluster.nodes)) <= set(builders.eligible(without, cluster.nodes))


@tried
@given(world=worlds(policies=one_policy(whenUnsatisfiable="DoNotSchedule", placement="Remote")))
def test_strict_keeps_nodes_with_the_data_away_where_the_data_is_to_be_elsewhere(world: World) -> None:
    """No node near usable data of a volume that counts passes, and a volume that nobody else can mount never counts."""
    _no_node_passes_in_the_wrong_place(world)
    decision = _decide(world, world.cluster)

    assert not any(view.location.confined or not view.remote for view in decision.counting)
    assert not any(view.near & set(builders.eligible(decision, world.nodes)) for view in decision.counting)


@tried
@given(world=worlds(policies=one_policy(whenUnsatisfiable="DoNotSchedule")))
def test_strict_keeps_nodes_without_the_data_away(world: World) -> None:
    """With equal labels everywhere, no node passes that is away from the usable data of a volume that counts."""
    _no_node_passes_in_the_wrong_place(world)


@tried
@given(world=worlds(ragged=True, policies=one_policy(whenUnsatisfiable="DoNotSchedule")))
def test_strict_keeps_nodes_without_the_data_away_where_labels_differ(world: World) -> None:
    """The same where some nodes lack some labels, be it their hostname."""
    _no_node_passes_in_the_wrong_place(world)


def _no_node_passes_in_the_wrong_place(world: World) -> None:
    cluster = world.cluster
    decision = _decide(world, cluster)
    for name in builders.eligible(decision, cluster.nodes):
        for view in decision.required:
            held = _holders(world, view.claim)
            usable = {holder for holder in held if _works(world, cluster, view.claim, holder)}
            value = world.nodes[name].labels.get(view.aim.topology_key)
            shared = {holder for holder in usable if world.nodes[holder].labels.get(view.aim.topology_key) == value}
            is_near = name in held if view.state is VolumeState.COARSE else value is not None and bool(shared)
            assert view.remote or usable
            assert is_near is not view.remote


@tried
@given(world=worlds(healthy=True, policies=one_policy(whenUnsatisfiable="DoNotSchedule"), max_claims=1))
def test_strict_lets_every_node_with_the_data_pass(world: World) -> None:
    """A node that shares the topologyKey with a replica that is known to the node is never refused."""
    decision = _decide(world, world.cluster)
    assume(decision.counting and decision.counting[0].state is VolumeState.LOCATED)
    assume(not decision.counting[0].remote)
    key = _key(decision)
    values = {world.nodes[holder].labels.get(key) for holder in _holders(world, decision.counting[0].claim)}

    assert set(builders.eligible(decision, world.nodes)) == {
        name for name, node in world.nodes.items() if node.labels.get(key, "") in values
    }


@tried
@given(world=worlds(healthy=True, policies=any_policies()) | worlds(ragged=True, healthy=True, policies=any_policies()))
def test_unknown_places_constrain_nothing(world: World) -> None:
    """Where no volume's place is known all nodes pass with one score, and an unknown volume never changes an answer."""
    cluster = world.cluster
    decision = _decide(world, cluster)
    if not decision.counting:
        assert builders.eligible(decision, cluster.nodes) == list(cluster.nodes)
        assert {decision.scores.of(name) for name in cluster.nodes} == {0}
        assert node_affinity(decision, cluster.topology) is None
    assume(decision.rule is not None)
    unknown = "newcomer"
    cluster.put("PersistentVolumeClaim", builders.claim(unknown))
    pod = builders.pod("web", *world.pod.claims, unknown)
    with_unknown = decide(subject_of_pod(pod), cluster, Locator(cluster))
    assume(with_unknown.rule == decision.rule)

    assert builders.eligible(with_unknown, cluster.nodes) == builders.eligible(decision, cluster.nodes)
    assert [with_unknown.scores.of(name) for name in cluster.nodes] == [
        decision.scores.of(name) for name in cluster.nodes
    ]
    assert node_affinity(with_unknown, cluster.topology) == node_affinity(decision, cluster.topology)


@tried
@given(world=worlds(healthy=True))
def test_filter_affinity_and_explanation_agree(world: World) -> None:
    """With all storage online, required terms select exactly the nodes that pass, and the explanation says so."""
    cluster = world.cluster
    decision = _decide(world, cluster)
    eligible = builders.eligible(decision, sorted(cluster.nodes))
    affinity = node_affinity(decision, cluster.topology)
    explained = {entry["name"]: entry for entry in explain(decision, cluster)["nodes"]}

    assert [name for name, entry in explained.items() if entry["eligible"]] == eligible
    assert all(bool(entry["refusals"]) is not entry["eligible"] for entry in explained.values())
    assert {name: entry["score"] for name, entry in explained.items()} == {
        name: decision.scores.of(name) for name in explained
    }
    if decision.rule is None or not decision.rule.acts or not decision.required:
        assert eligible == sorted(cluster.nodes)
        assert affinity is None or affinity.required is None
    elif decision.obstacle:
        assert (eligible, affinity) == ([], None)
    else:
        local = [view for view in decision.required if not view.remote]
        assert [name for name in eligible if local and not explained[name]["near"]] == []
        required = affinity.required if affinity else None
        assert [name for name, node in world.nodes.items() if _allows(required, node)] == eligible


@tried
@given(world=worlds(healthy=True, max_claims=1, policies=one_policy(whenUnsatisfiable="ScheduleAnyway")))
def test_preferred_weights_add_up_to_the_score(world: World) -> None:
    """For one volume, kube-scheduler's sum of the weights of matching terms is our score, on every node."""
    cluster = world.cluster
    decision = _decide(world, cluster)
    assume(not decision.required)
    affinity = node_affinity(decision, cluster.topology)

    assert {name: _weight(affinity, node) for name, node in world.nodes.items()} == {
        name: decision.scores.of(name) for name in world.nodes
    }


@tried
@given(world=worlds(healthy=True, policies=one_policy(whenUnsatisfiable="ScheduleAnyway")))
def test_preferred_weights_of_several_volumes_add_up_but_for_rounding(world: World) -> None:
    """Weights are whole numbers, so that several volumes may be off by half for each term, and by no more."""
    cluster = world.cluster
    decision = _decide(world, cluster)
    assume(not decision.required)
    affinity = node_affinity(decision, cluster.topology)
    terms = len(affinity.preferred or ()) if affinity else 0

    for name, node in world.nodes.items():
        assert abs(_weight(affinity, node) - decision.scores.of(name)) <= terms / 2


@tried
@given(world=any_world, data=st.data())
def test_the_order_in_which_objects_come_never_matters(world: World, data: st.DataObject) -> None:
    """A shuffled cluster gives the same explanation to the letter."""
    shuffled = builders.cluster_of(*data.draw(st.permutations(list(world.objects))))

    assert _explained(world, shuffled) == _explained(world, world.cluster)


@tried
@given(before=any_world, after=any_world, data=st.data())
def test_what_was_there_before_never_matters(before: World, after: World, data: st.DataObject) -> None:
    """Objects that came, changed and went leave no trace, nor do locations that were remembered meanwhile."""
    cluster = before.cluster
    locator = Locator(cluster)
    decide(subject_of_pod(before.pod), cluster, locator)
    fresh: dict[str, list[object]] = {kind: [] for kind in _KINDS} | _by_kind(after)
    for kind in data.draw(st.permutations(sorted(fresh))):
        list(cluster.replace(kind, fresh[kind]))
        decide(subject_of_pod(after.pod), cluster, locator)

    decision = decide(subject_of_pod(after.pod), cluster, locator)
    assert explain(decision, cluster) == _explained(after, after.cluster)


_KINDS = (
    "Node",
    "CSINode",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "VolumePlacementPolicy",
    "ClusterVolumePlacementPolicy",
)


def _by_kind(world: World) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for obj in world.objects:
        found.setdefault(builders.kind_of(obj), []).append(obj)
    return found


def _decide(world: World, cluster: Cluster) -> Decision:
    return decide(subject_of_pod(world.pod), cluster, Locator(cluster))


def _explained(world: World, cluster: Cluster) -> Mapping[str, object]:
    return explain(_decide(world, cluster), cluster)


def _key(decision: Decision) -> str:
    assert decision.rule is not None
    return decision.rule.topology_key


def _holders(world: World, claim: str) -> set[str]:
    """The nodes that hold the data, worked out the long way round."""
    volume = world.volume_of(claim)
    affinity = volume.spec.node_affinity
    selected = {name for name, node in world.nodes.items() if affinity is None or _allows(affinity.required, node)}
    named = volume.annotations.get("mooring.dev/replica-nodes")
    return selected & set(named.split(",")) if named is not None else selected


def _works(world: World, cluster: Cluster, claim: str, node: str) -> bool:
    driver = world.volume_of(claim).driver
    registered = cluster.storage.nodes_with(driver)
    state = world.nodes[node].annotations.get(f"storage-state.mooring.dev/{driver}")
    return state not in _BROKEN and (not registered or node in registered)


# kube-scheduler's node affinity in few lines, written apart from Mooring's own evaluation on purpose.


def _allows(required: NodeSelector | None, node: Node) -> bool:
    return required is None or any(_matches(term, node) for term in required.node_selector_terms)


def _weight(affinity: NodeAffinity | None, node: Node) -> int:
    preferred = (affinity.preferred or ()) if affinity else ()
    return sum(term.weight for term in preferred if _matches(term.preference, node))


def _matches(term: Term, node: Node) -> bool:
    checks = [_fulfils(expression, node.labels) for expression in term.match_expressions]
    checks += [_fulfils(field, {"metadata.name": node.name}) for field in term.match_fields]
    return bool(checks) and False not in checks


def _fulfils(expression: Expression, labels: Mapping[str, str]) -> bool:
    has = expression.key in labels
    inside = has and labels[expression.key] in expression.values
    return {"In": inside, "NotIn": not inside, "Exists": has, "DoesNotExist": not has}[expression.operator]
