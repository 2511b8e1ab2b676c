"""Resources that come, go, change their version, or may not be read."""

from tests.e2e.follow.field import Field

#: For what Mooring has to look for, or the API server for the last objects of a resource: both may look a minute later.
LOOK = 150


def test_a_resource_is_followed_from_when_it_comes_until_it_goes(field: Field) -> None:
    """No restart is needed, and what was known goes with the resource."""
    field.volume("data")
    locator = field.locator()
    field.await_status(locator, reason="ResourceAbsent", status="True", resource="", observedGeneration=1)
    assert field.kept("data") == field.nodes

    field.install()
    field.replica("one", "data", "node-2")

    field.await_kept("data", "node-2", timeout=LOOK)
    field.await_status(
        locator,
        reason="Following",
        status="True",
        resource=f"{field.group}/v1 replicas",
        volumes=1,
        replicas={"total": 1, "usable": 1, "unknown": 0},
    )

    field.uninstall()

    field.await_unknown("data", timeout=LOOK)
    field.await_status(
        locator,
        timeout=LOOK,
        reason="ResourceAbsent",
        message=f"the cluster does not serve replicas.{field.group}",
        resource="",
        volumes=0,
        replicas={"total": 0, "usable": 0, "unknown": 0},
    )


def test_what_may_not_be_read_is_said(field: Field) -> None:
    """The status names the right that is missing and how to grant it; granted, the resource is followed."""
    field.volume("data")
    field.install(allowed=False)
    field.replica("one", "data", "node-3")
    locator = field.locator()

    told = field.await_status(
        locator, reason="NotReadable", status="False", message=f"list replicas.{field.group}: 403"
    )
    assert 'mooring.dev/aggregate-to-operator: "true"' in told["conditions"][0]["message"]
    assert field.kept("data") == field.nodes

    field.allow()

    field.await_status(locator, reason="Following", timeout=LOOK)
    field.await_kept("data", "node-3")


def test_the_newest_version_is_followed(field: Field) -> None:
    """By its numbers, not by its letters; another one that appears, or the followed one's end, is noticed."""
    field.volume("data")
    field.install(versions=["v1-9-0", "v1-33-1"])
    field.replica("one", "data", "node-1", version="v1-9-0")
    locator = field.locator()
    # Of versions that are new together the API server may name one a moment before the others.
    field.await_status(locator, reason="Following", resource=f"{field.group}/v1-33-1 replicas", timeout=LOOK)
    field.await_kept("data", "node-1")

    field.serve("v1-9-0", "v1-33-1", "v1-100-0")

    field.await_status(locator, resource=f"{field.group}/v1-100-0 replicas", timeout=LOOK)
    field.move("one", "node-2", version="v1-9-0")
    field.await_kept("data", "node-2")

    field.serve("v1-9-0", "v1-33-1")

    field.await_status(locator, resource=f"{field.group}/v1-33-1 replicas", timeout=LOOK)
    field.move("one", "node-3", version="v1-9-0")
    field.await_kept("data", "node-3")


def test_a_version_that_is_named_is_kept_to(field: Field) -> None:
    """A newer one is passed over, and one that is not served is absent."""
    field.install(versions=["v1", "v2"])

    named = field.locator("named-" + field.stage.namespace, resource={"version": "v1"})
    missing = field.locator("missing-" + field.stage.namespace, resource={"version": "v3"})

    field.await_status(named, reason="Following", resource=f"{field.group}/v1 replicas")
    field.await_status(missing, reason="ResourceAbsent", message="in version v3")


def test_selector_and_namespace_narrow_what_is_read(field: Field) -> None:
    """In the first list and in the watch, also when an object's labels change."""
    field.volume("data")
    field.install()
    field.replica("early", "data", "node-1", labels={"tier": "gold"})
    field.replica("other", "data", "node-2", labels={"tier": "lead"})
    expression = {"key": "tier", "operator": "In", "values": ["gold", "silver"]}
    chosen = {"labelSelector": {"matchExpressions": [expression]}, "namespace": field.stage.namespace}
    locator = field.locator(resource=chosen)
    field.locator("away-" + field.stage.namespace, resource={"namespace": "default"})
    field.await_kept("data", "node-1")

    field.replica("late", "data", "node-3", labels={"tier": "silver"})
    field.await_kept("data", "node-1", "node-3")
    field.stage.patch(field.path("early"), {"metadata": {"labels": {"tier": "lead"}}})
    field.await_kept("data", "node-3")

    field.await_status(locator, replicas={"total": 1, "usable": 1, "unknown": 0})
    field.await_status("away-" + field.stage.namespace, reason="Following", volumes=0)


def test_other_parts_are_followed_with_the_replicas(field: Field) -> None:
    """What turns ids into names, and who serves a shared volume, matter only where there are replicas."""
    field.volume("data")
    for plural in ("members", "exports"):
        field.install(plural=plural)
    member = {"spec": {"id": "id-4", "name": "node-4"}}
    export = {"spec": {"volumeName": field.stage.volume_name("data"), "nodeID": "id-6"}}
    field.create("members", "four", member)
    field.create("members", "six", {"spec": {"id": "id-6", "name": "node-6"}})
    since = field.stage.sandbox.audit_offset()
    locator = field.locator(
        parts={
            "nodes": {"resource": field.resource("members"), "id": "object.spec.id", "node": "object.spec.name"},
            "serving": {
                "resource": field.resource("exports"),
                "volume": "object.spec.volumeName",
                "node": "object.spec.nodeID",
            },
        }
    )
    field.await_status(locator, reason="ResourceAbsent", message=f"replicas.{field.group}")
    assert field.asked_for("members", since=since) == 0

    field.install()
    field.replica("one", "data", "id-4")

    field.await_kept("data", "node-4", timeout=LOOK)
    field.await_status(locator, reason="Following")
    field.create("exports", "shared", export)
    field.await_kept("data", "node-6")
