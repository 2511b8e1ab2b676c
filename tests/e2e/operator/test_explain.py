"""`mooring explain` against a cluster says what the operator does, and the same as from a dump of that cluster."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e import manifests
from tests.e2e.stage import Stage

_KINDS = "namespaces,nodes,csinodes,persistentvolumes,persistentvolumeclaims,pods,deployments,vpp,cvpp"


def explain(stage: Stage, *args: str) -> str:
    """Run `mooring explain` in the test's namespace as the operator's user, and give what it printed."""
    command = [sys.executable, "-m", "mooring", "explain", "-n", stage.namespace, *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_cluster_snapshot_and_extender_agree(stage: Stage, tmp_path: Path) -> None:
    """Three ways to ask, one answer: the cluster, a `kubectl get -o yaml` of it, and the extender."""
    stage.volumes({"tables": ["node-2", "node-3"], "logs": ["node-3"]})
    stage.policy("near", whenUnsatisfiable="DoNotSchedule")
    manifest = stage.pod("web", "tables", "logs", nodeName="node-1")
    stage.await_counts("near", matched=1, remote=1)
    dump = tmp_path / "cluster.yaml"
    dump.write_text(stage.sandbox.kubectl("get", _KINDS, "--all-namespaces", "-o", "yaml"), encoding="utf-8")
    live = ("--kubeconfig", str(stage.sandbox.kubeconfig("mooring")))

    told: dict[str, Any] = json.loads(explain(stage, *live, "pod/web", "-o", "json"))

    assert told == json.loads(explain(stage, "--snapshot", str(dump), "pod/web", "-o", "json"))
    assert told["rule"]["name"] == f"VolumePlacementPolicy/{stage.namespace}/near"
    assert told["locality"]["reason"] == "NotLocal"
    names = [node["name"] for node in told["nodes"]]
    answer = stage.operator.ask("filter", {"Pod": manifest, "NodeNames": names})
    assert answer["NodeNames"] == ["node-3"] == [node["name"] for node in told["nodes"] if node["eligible"]]
    refusals = {node["name"]: node["refusals"][0] for node in told["nodes"] if node["refusals"]}
    assert refusals == answer["FailedAndUnresolvableNodes"]
    scores = {
        each["Host"]: each["Score"] for each in stage.operator.ask("prioritize", {"Pod": manifest, "NodeNames": names})
    }
    assert scores == {node["name"]: max(bool(node["score"]), int(node["score"] / 10 + 0.5)) for node in told["nodes"]}


def test_a_deployment_is_explained_in_words(stage: Stage) -> None:
    """The text names the rule, the data, who says so, and where the pod may not run."""
    stage.volume("tables", "node-2")
    stage.policy("near", whenUnsatisfiable="DoNotSchedule")
    stage.deployment("shop", "tables", replicas=0)
    live = ("--kubeconfig", str(stage.sandbox.kubeconfig("mooring")))

    text = explain(stage, *live, "deployment/shop")

    assert f"Deployment {stage.namespace}/shop" in text
    assert f"Rule:      VolumePlacementPolicy/{stage.namespace}/near (strict, kubernetes.io/hostname, Initial)" in text
    assert "tables: Located on node-2 (says" in text
    assert manifests.REPLICAS in text
    assert "Score   100: node-2 (node)" in text
    assert "not near the data of tables, which lies on node-2" in text
