"""Once everything is said, nothing is written. Runs after all other tests, for it needs a quiet cluster."""

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e import manifests
from tests.e2e.stage import Stage
from tests.e2e.support import eventually

_DEPLOYMENTS = 200
_WRITES = {"create", "update", "patch", "delete", "deletecollection"}


def test_steady_state_writes_nothing(stage: Stage) -> None:
    """200 Deployments settle; then the audit log shows a minute without a write, but to the leader's Lease."""
    stage.volumes({"data": ["node-1", "node-4"]}, modes=["ReadWriteMany"])
    stage.policy("near", updateMode="Reconcile", disruption={"cooldown": "0s", "maxConcurrent": 50})
    since = stage.sandbox.audit_offset()
    _create(stage)
    eventually(lambda: stage.policy_status("near")["pods"]["matched"] == _DEPLOYMENTS, timeout=180)

    # The settling is real: this is when everything is written.
    eventually(lambda: _writes(stage, since))
    eventually(lambda: _quiet_seconds(stage, since) > 30, timeout=300, every=1)
    before = stage.sandbox.audit_offset()
    time.sleep(60)

    assert _writes(stage, before) == []


def _create(stage: Stage) -> None:
    def create(numbers: range) -> None:
        with stage.sandbox.client() as client:
            for number in numbers:
                client.create(stage.path("deployments"), manifests.deployment(f"shop-{number:03}", "data"))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(create, range(start, _DEPLOYMENTS, 4)) for start in range(4)]:
            done.result()


def _quiet_seconds(stage: Stage, since: int) -> float:
    *_, (_verb, _uri, latest) = _writes(stage, since)
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(latest)).total_seconds()


def _writes(stage: Stage, since: int) -> list[Any]:
    return [
        (event["verb"], event["requestURI"], event["requestReceivedTimestamp"])
        for event in stage.sandbox.audit(user=stage.user, since=since)
        if event["verb"] in _WRITES and event["objectRef"]["resource"] != "leases"
    ]
