"""Room: what pods ask for, what nodes offer, and sums that do not drift."""

import pytest
from tests.unit import builders

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


def test_only_pods_that_run_somewhere_take_room() -> None:
    """A pod without a node and a pod that has ended take none."""
    usage = Usage()
    for pod in (
        builders.pod("runs", on="n1", requests={"cpu": "1"}),
        builders.pod("waits", requests={"cpu": "1"}),
        builders.pod("ended", on="n1", requests={"cpu": "1"}, phase="Succeeded"),
    ):
        usage.add(pod)

    assert usage.of("n1") == Amount(1000, 0, 1)
    assert usage.of("n2") == Amount()


def test_sums_do_not_drift() -> None:
    """A node filled to the brim with tenths of a core is full, and neither overfull nor roomy."""
    usage = Usage()
    pods = [builders.pod(f"p{number}", on="n1", requests={"cpu": "100m"}) for number in range(3)]
    for pod in pods:
        usage.add(pod)

    assert usage.of("n1") == Amount(cpu=300, memory=0, pods=3)
    for pod in pods:
        usage.remove(pod)
    assert usage.of("n1") == Amount()
