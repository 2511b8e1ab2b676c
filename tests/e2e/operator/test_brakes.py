"""The brakes on moves of running pods."""

from typing import Any

from tests.e2e.stage import PLACEMENT_APPLIED, Stage, is_complete, stays
from tests.e2e.support import eventually


def drifted(stage: Stage, count: int, *, modes: tuple[str, ...] = ("ReadWriteOnce",), **fields: Any) -> dict[str, str]:
    """Create Deployments, and then say that their data lies on other nodes; gives those by name."""
    names = [f"shop-{number}" for number in range(count)]
    stage.volumes(dict.fromkeys(names, ()), modes=modes)
    for name in names:
        stage.deployment(name, name, **fields)
    places = {}
    for name in names:
        stage.await_complete(name)
        places[name] = "node-1" if stage.runs_on(name) != {"node-1"} else "node-2"
        stage.move_data(name, places[name])
    for name, node in places.items():
        stage.await_known(name, [node])
    return places


def moved(stage: Stage, names: list[str]) -> list[str]:
    """Give the Deployments whose templates were written."""
    return [name for name in names if stage.affinity_of(name)]


def test_one_move_at_a_time(stage: Stage) -> None:
    """With maxConcurrent 1 the next move begins when the rollout before is over, and in the end all are made."""
    # Each rollout takes a second, in which a second one would be seen.
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    places = drifted(stage, 3, minReadySeconds=1, strategy=strategy)
    rolling_at_once = []

    def all_moved() -> bool:
        listed = stage.client.get(stage.path("deployments"))["items"]
        rolling_at_once.append(sum(not is_complete(each) for each in listed))
        return all(stage.runs_on(name) == {node} for name, node in places.items())

    stage.policy("near", updateMode="Reconcile", disruption={"maxConcurrent": 1, "cooldown": "10m"}, settled=False)

    eventually(all_moved, timeout=120)
    assert max(rolling_at_once) == 1


def test_a_held_move_says_what_it_waits_for(stage: Stage) -> None:
    """While one rollout hangs, the others are Deferred and name it."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}}
    places = drifted(stage, 2, replicas=2, modes=("ReadWriteMany",), strategy=strategy)
    # A rollout of two pods, one at a time, is over when the first has been ready for ten minutes, and the second too.
    for name in places:
        stage.patch(stage.path("deployments", name), {"spec": {"minReadySeconds": 600, "progressDeadlineSeconds": 601}})
    stage.policy("near", updateMode="Reconcile", disruption={"maxConcurrent": 1, "cooldown": "10m"})

    (first,) = eventually(lambda: moved(stage, list(places)))
    (second,) = places.keys() - {first}
    said = stage.await_reason("deployments", second, PLACEMENT_APPLIED, "Deferred", saying="disruption.maxConcurrent")

    assert f"{stage.namespace}/{first}" in said["message"]


def test_the_cooldown_keeps_a_workload_where_it_is(stage: Stage) -> None:
    """What was moved a moment ago is not moved again for data that moved on, until the policy allows it."""
    (place,) = drifted(stage, 1).values()
    stage.policy("near", updateMode="Reconcile", disruption={"cooldown": "10m"})
    stage.await_on("shop-0", place)

    stage.move_data("shop-0", "node-5")

    eventually(
        lambda: "disruption.cooldown" in stage.condition("deployments", "shop-0", PLACEMENT_APPLIED).get("message", "")
    )
    stays(lambda: stage.runs_on("shop-0") == {place}, seconds=1)
    path = stage.path("volumeplacementpolicies", "near")
    stage.patch(path, {"spec": {"disruption": {"cooldown": "0s"}}})
    stage.await_on("shop-0", "node-5")
