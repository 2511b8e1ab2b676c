"""Replicas that move: the answers follow, and so do the pods."""

from tests.e2e import manifests
from tests.e2e.follow.field import Field


def test_strict_pods_go_where_the_data_is_now(field: Field) -> None:
    """Each of several pods runs where its volume's only replica was moved to before."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1")
    field.locator()
    field.await_kept("data", "node-1")

    for node in ("node-4", "node-2", "node-6"):
        field.move("one", node)
        field.await_kept("data", node)
        name = f"on-{node}"
        field.stage.pod(name, "data", annotations=manifests.STRICT, schedulerName="mooring")
        assert field.stage.node_of(name) == node
        field.stage.delete(field.stage.path("pods", name))


def test_a_replica_that_fails_is_no_place_to_go(field: Field) -> None:
    """It is until it fails and after it is mended; one that is deleted is gone."""
    field.volume("data")
    field.install()
    field.replica("one", "data", "node-1")
    field.replica("two", "data", "node-2")
    field.locator()
    field.await_kept("data", "node-1", "node-2")

    field.stage.patch(field.path("one"), {"spec": {"failedAt": "2026-08-01T10:00:00Z"}})
    field.await_kept("data", "node-2")
    field.stage.patch(field.path("one"), {"spec": {"failedAt": ""}})
    field.await_kept("data", "node-1", "node-2")
    field.stage.delete(field.path("two"))
    field.await_kept("data", "node-1")
