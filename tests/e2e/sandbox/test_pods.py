"""What becomes of pods that only pretend to run."""

from tests.e2e import manifests
from tests.e2e.support import eventually

from mooring.sandbox.client import ApiError
from mooring.sandbox.launcher import Sandbox


def test_who_deletes_pods(sandbox: Sandbox, namespace: str) -> None:
    """Their node, after their grace, as a kubelet does; none that had no grace: by now another may have its name."""
    since = sandbox.audit_offset()
    for name, grace in (("at-once", 0), ("with-grace", 30)):
        _live_and_die(sandbox, namespace, name, grace=grace)

    eventually(lambda: _deleted_by_nodes(sandbox, namespace, since))
    assert _deleted_by_nodes(sandbox, namespace, since) == {"with-grace"}


def _live_and_die(sandbox: Sandbox, namespace: str, name: str, *, grace: int) -> None:
    collection = f"/api/v1/namespaces/{namespace}/pods"
    path = f"{collection}/{name}"
    with sandbox.client() as client:

        def is_gone() -> bool:
            try:
                client.get(path)
            except ApiError as error:
                return error.status == 404
            return False

        client.create(collection, manifests.pod(name, terminationGracePeriodSeconds=grace))
        eventually(lambda: client.get(path)["status"]["phase"] == "Running")
        client.request("DELETE", path)
        eventually(is_gone)


def _deleted_by_nodes(sandbox: Sandbox, namespace: str, since: int) -> set[str]:
    return {
        event["objectRef"]["name"]
        for event in sandbox.audit(user="kwok", since=since)
        if (event["verb"], event["objectRef"].get("namespace")) == ("delete", namespace)
    }
