"""Room: what pods ask for, what nodes offer, and sums that do not drift."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit import builders

from mooring.cluster.records import Pod
from mooring.cluster.room import Amount, Usage, allocatable, requested


@pytest.mark.parametrize(
    ("containers", "amount"),
    [
        ([], Amount(0, 0, 1)),
        ([{}], Amount(0, 0, 1)),
        ([{"resources": {"requests": {"cpu": "100m", "memory": "1Ki"}}}], Amount(100, 1024, 1)),
        ([{"resources": {"requests": {"cpu": 2}}}, {"resources": {"requests": {"cpu": "0.5"}}}], Amount(2500, 0, 1)),
        ([{"resources": {"requests": {"nvidia.com/gpu": "1", "pods": "7"}}}], Amount(0, 0, 1)),
    ],
)
def test_a_pod_asks_for_the_sum_of_its_containers(containers: list[dict[str, object]], amount: Amount) -> None:
    """CPU in thousandths, memory in bytes, and one pod whatever a container claims."""
    assert requested(builders.pod(containers=containers).spec) == amount


def test_a_node_offers_what_it_states() -> None:
    """A quantity that is not stated is none at all."""
    assert allocatable(builders.node("n1")) == Amount(4000, 8 * 1024**3, 110)
    assert allocatable(builders.node("n1", allocatable={"cpu": "3900m"})) == Amount(3900, 0, 0)
    assert allocatable(builders.node("n1", allocatable={})) == Amount()


def test_only_pods_that_run_or_are_to_run_somewhere_take_room() -> None:
    """A pod without a node and a pod that has ended take none; a nominated one does, until it runs elsewhere."""
    usage = Usage()
    for pod in (
        builders.pod("runs", on="n1", requests={"cpu": "1"}),
        builders.pod("comes", nominated="n1", requests={"cpu": "2"}),
        builders.pod("runs-elsewhere", on="n2", nominated="n1", requests={"cpu": "4"}),
        builders.pod("waits", requests={"cpu": "8"}),
        builders.pod("ended", on="n1", requests={"cpu": "16"}, phase="Succeeded"),
    ):
        usage.put(pod)

    assert usage.of("n1") == Amount(3000, 0, 2)
    assert usage.of("n2") == Amount(4000, 0, 1)
    assert usage.of("n3") == Amount()
    assert [usage.node_of(f"shop/{name}") for name in ("comes", "waits", "ended", "nobody")] == ["n1", "", "", ""]


def test_sums_do_not_drift() -> None:
    """A node filled to the brim with tenths of a core is full, and neither overfull nor roomy."""
    usage = Usage()
    pods = [builders.pod(f"p{number}", on="n1", requests={"cpu": "100m"}) for number in range(3)]
    for pod in pods:
        usage.put(pod)

    assert usage.of("n1") == Amount(cpu=300, memory=0, pods=3)
    for pod in pods:
        usage.remove(pod.key)
    assert usage.of("n1") == Amount()


def test_a_pods_own_room_can_be_left_out() -> None:
    """A node on which room is kept for a pod is no fuller for that pod; for any other pod it is."""
    usage = Usage()
    usage.put(builders.pod("comes", nominated="n1", requests={"cpu": "1"}))
    usage.put(builders.pod("runs", on="n2", requests={"cpu": "2"}))

    assert usage.of("n1", besides="shop/comes") == Amount()
    assert usage.of("n1", besides="shop/runs") == usage.of("n1", besides="shop/nobody") == Amount(1000, 0, 1)
    assert usage.of("n2", besides="shop/comes") == Amount(2000, 0, 1)


@pytest.mark.parametrize(
    ("then", "takes"),
    [
        (builders.pod("web"), "n1"),
        (builders.pod("web", annotations={"mooring.dev/note": "x"}), "n1"),
        (builders.pod("web", nominated="n2"), "n2"),
        (builders.pod("web", on="n2"), "n2"),
        (builders.pod("web", phase="Failed"), ""),
        (None, ""),
    ],
    ids=["not told yet", "another change", "nominated elsewhere", "runs elsewhere", "ended", "gone"],
)
def test_a_promise_holds_until_the_api_server_says_where_the_pod_is(then: Pod | None, takes: str) -> None:
    """A nomination that was written may come back after other changes of the pod; then its own place counts."""
    usage = Usage()
    pod = builders.pod("web")
    usage.put(pod)
    usage.promise(pod, "n1")
    assert usage.of("n1") == Amount(pods=1)

    if then is None:
        usage.remove(pod.key)
    else:
        usage.put(then)

    assert usage.node_of(pod.key) == takes
    assert [usage.of(node).pods for node in ("n1", "n2")] == [int(takes == node) for node in ("n1", "n2")]


def test_what_was_promised_is_forgotten_with_the_answer() -> None:
    """A nomination that the scheduler clears, and a pod that comes back under its name, have no room kept for them."""
    usage = Usage()
    pod = builders.pod("web")
    usage.promise(pod, "n1")
    usage.put(builders.pod("web", nominated="n1"))
    usage.put(pod)
    assert usage.node_of(pod.key) == ""

    usage.promise(pod, "n1")
    usage.remove(pod.key)
    usage.put(pod)
    assert usage.node_of(pod.key) == ""


def test_a_promise_can_be_withdrawn() -> None:
    """Then the pod's own place counts again; without a promise nothing changes."""
    usage = Usage()
    nowhere, nominated = builders.pod("nowhere"), builders.pod("nominated", nominated="n2")
    for pod in (nowhere, nominated):
        usage.put(pod)
        usage.withdraw(pod)
        usage.promise(pod, "n1")
    assert usage.of("n1").pods == 2

    for pod in (nowhere, nominated):
        usage.withdraw(pod)

    assert (usage.of("n1"), usage.of("n2")) == (Amount(), Amount(pods=1))


_NODES = ("n1", "n2", "n3")
_PODS = st.builds(
    lambda name, on, nominated, cpu, phase: builders.pod(
        name, on=on, nominated=nominated, requests={"cpu": cpu}, phase=phase
    ),
    st.sampled_from(["p1", "p2", "p3"]),
    st.sampled_from(["", "", *_NODES]),
    st.sampled_from(["", "", *_NODES]),
    st.sampled_from(["100m", "0.7", "3"]),
    st.sampled_from(["Pending", "Running", "Pending", "Failed"]),
)
_STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "remove", "promise", "promise", "withdraw"]), _PODS)
    | st.tuples(st.just("put"), _PODS),
    max_size=30,
)


@given(steps=_STEPS, promised_to=st.sampled_from(_NODES))
def test_whatever_happens_sums_are_those_made_from_scratch(steps: Sequence[tuple[str, Pod]], promised_to: str) -> None:
    """Each pod counts once: where it was promised to since, else where it runs, else where it is nominated to."""
    usage = Usage()
    there: dict[str, Pod] = {}
    promised: set[str] = set()
    for verb, pod in steps:
        place = pod.spec.node_name or pod.status.nominated_node_name
        if verb == "put":
            usage.put(pod)
            there[pod.key] = pod
            promised -= {pod.key} if place else set()
        elif verb == "remove":
            usage.remove(pod.key)
            there.pop(pod.key, None)
            promised.discard(pod.key)
        elif verb == "promise" and pod.key in there:
            usage.promise(there[pod.key], promised_to)
            promised.add(pod.key)
        elif pod.key in there:
            usage.withdraw(there[pod.key])
            promised.discard(pod.key)

    def takes(pod: Pod) -> str:
        """The node on which a pod takes room."""
        if pod.finished:
            return ""
        return promised_to if pod.key in promised else pod.spec.node_name or pod.status.nominated_node_name

    for node in (*_NODES, "ghost"):
        asked = [requested(pod.spec) for pod in there.values() if takes(pod) == node]
        assert usage.of(node) == _sum(asked)
        for pod in there.values():
            others = [requested(each.spec) for each in there.values() if each is not pod and takes(each) == node]
            assert usage.of(node, besides=pod.key) == _sum(others)
    assert {key: usage.node_of(key) for key in there} == {key: takes(pod) for key, pod in there.items()}


def _sum(amounts: Sequence[Amount]) -> Amount:
    return Amount(*(sum(column) for column in zip(*amounts, strict=True))) if amounts else Amount()
