"""The demo's steps, each of which must turn out as it is told."""

import json
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console
from rich.table import Table

import mooring
from mooring.api.webhook import mutating_webhook_configuration
from mooring.cli.demo.observer import NAMESPACE, REPLICAS, Manifest, Observer
from mooring.cli.demo.scenery import DemoError
from mooring.sandbox.components import NAMESPACE as RELEASE_NAMESPACE
from mooring.sandbox.launcher import Sandbox

_VOLUME: Final = "mysql-volume"
_SHARDS: Final = {"data-postgres-0": "node-2", "data-postgres-1": "node-6", "data-postgres-2": "node-4"}


class Story:
    """Six scenes: without a policy, then (a) to (e)."""

    def __init__(self, sandbox: Sandbox, console: Console, *, webhook: str) -> None:
        self._cluster: Final = Observer(sandbox)
        self._console: Final = console
        self._webhook: Final = webhook

    def tell(self) -> None:
        """Go through the scenes.

        Raises:
            DemoError, SandboxError: something did not turn out as told.
        """
        self._cluster.kubectl("create", "namespace", NAMESPACE)
        deployment, claim = _example()
        self._cluster.apply(_volume(_VOLUME, claim="mysql-data"), claim)
        self._without_policy(deployment)
        self._policy()
        self._stork(deployment)
        self._strict(deployment)
        self._opted_out(deployment)
        self._admission()
        self._console.print("\n[bold green]done:[/] every step turned out as told")

    def _without_policy(self, deployment: Manifest) -> None:
        self._say("MySQL is scheduled by the stock scheduler; its volume can be mounted from every node.")
        del deployment["spec"]["template"]["spec"]["schedulerName"]
        self._cluster.apply(deployment)
        node = self._cluster.running()["spec"]["nodeName"]
        data = self._cluster.move_data_away(_VOLUME, node)
        self._say(f"Now we learn that the data lies on {data}. Without a policy nothing moves:")
        self._cluster.expect_still(node)
        self._show()

    def _policy(self) -> None:
        self._say("(a) A policy with updateMode: Reconcile, still under the stock scheduler:")
        data = self._cluster.data_of(_VOLUME)
        self._cluster.apply(_policy("databases", "mysql", updateMode="Reconcile"))
        affinity = self._cluster.await_(self._node_affinity, "node affinity")
        preferred = affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]
        self._console.print(f"    its first term, on the Deployment: {json.dumps(preferred)}", soft_wrap=True)
        self._cluster.kubectl("rollout", "status", "deployment/mysql", "--timeout=60s", timeout=70)
        condition = "--for=condition=mooring.dev/VolumeLocal"
        waited = self._cluster.kubectl("wait", condition, "deployment/mysql", "--timeout=60s", timeout=70)
        self._console.print(f"    kubectl wait {condition}: {waited.strip()}")
        self._cluster.expect_on(data)
        self._show()
        self._cluster.await_(self._is_counted_local, "the policy's status")
        self._console.print(_indented(self._cluster.kubectl("get", "vpp")))

    def _stork(self, deployment: Manifest) -> None:
        self._cluster.kubectl("delete", "vpp", "databases")
        self._cluster.kubectl("delete", "deployment", "mysql")
        self._cluster.await_(lambda: not self._cluster.pods(), "the old pod to go")
        data = self._cluster.move_data_away(_VOLUME, self._cluster.data_of(_VOLUME))
        self._say(f"(b) No policy, schedulerName: stork; the data lies on {data} now. The extender brings it there:")
        deployment["spec"]["template"]["spec"]["schedulerName"] = "stork"
        self._cluster.apply(deployment)
        self._cluster.expect_on(data)
        self._show()

    def _strict(self, deployment: Manifest) -> None:
        data = self._cluster.data_of(_VOLUME)
        self._say(f"(c) Strict, by annotation, while {data} is cordoned: it waits, and says why.")
        self._cluster.kubectl("cordon", data)
        deployment["spec"]["template"]["metadata"]["annotations"] = {
            "stork.libopenstorage.org/preferLocalNodeOnly": "true"
        }
        deployment["spec"]["strategy"] = {"type": "Recreate", "rollingUpdate": None}
        self._cluster.apply(deployment)
        refusal = self._cluster.await_(self._cluster.refusal, "the scheduler's refusal")
        self._console.print(f"    {refusal.partition('. ')[0]}")
        self._show()
        self._cluster.kubectl("uncordon", data)
        self._say(f"    {data} is uncordoned:")
        self._cluster.expect_on(data)
        self._show()

    def _opted_out(self, deployment: Manifest) -> None:
        self._say("(d) Opted out by a label: Mooring has no opinion, all nodes are equal.")
        deployment["spec"]["template"]["metadata"]["labels"]["mooring.dev/ignore"] = "true"
        self._cluster.apply(deployment)
        self._cluster.kubectl("rollout", "status", "deployment/mysql", "--timeout=60s", timeout=70)
        explanation = self._cluster.explain(self._cluster.running()["metadata"]["name"])
        if explanation["rule"] is not None:
            raise DemoError(f"a rule holds although the pod opted out: {explanation['rule']}")
        self._show()

    def _admission(self) -> None:
        self._say(
            "(e) Strict, for a StatefulSet under the stock scheduler: the webhook tells each pod where its data lies."
        )
        client_config = {"url": self._webhook}
        self._cluster.apply(
            _secret(),
            mutating_webhook_configuration(name="mooring", namespace=RELEASE_NAMESPACE, client_config=client_config),
            _policy("shards", "postgres", whenUnsatisfiable="DoNotSchedule"),
            *(_volume(f"{claim}-volume", claim=claim, node=node) for claim, node in _SHARDS.items()),
            *(_claim(claim) for claim in _SHARDS),
        )
        self._cluster.await_(self._webhook_answers, "the webhook to be trusted")
        phase = "--for=jsonpath={.status.phase}=Bound"
        self._cluster.kubectl("wait", phase, *(f"pvc/{claim}" for claim in _SHARDS), "--timeout=60s", timeout=70)
        self._cluster.apply(_stateful_set())
        self._cluster.kubectl("rollout", "status", "statefulset/postgres", "--timeout=60s", timeout=70)
        for pod, (claim, node) in zip(self._cluster.pods("postgres"), sorted(_SHARDS.items()), strict=True):
            if pod["spec"]["nodeName"] != node:
                raise DemoError(f"{pod['metadata']['name']} runs on {pod['spec']['nodeName']}, {claim} lies on {node}")
        self._show("postgres")

    # What is looked at.

    def _node_affinity(self) -> Manifest | None:
        spec = self._cluster.read("deployment", "mysql")["spec"]["template"]["spec"]
        found: Manifest | None = spec.get("affinity", {}).get("nodeAffinity")
        return found

    def _is_counted_local(self) -> bool:
        return bool(self._cluster.read("vpp", "databases").get("status", {}).get("pods", {}).get("local") == 1)

    def _webhook_answers(self) -> bool:
        """Whether a pod that is only tried out comes back with node affinity."""
        trial = _stateful_set()["spec"]["template"]
        trial["metadata"]["name"] = "trial"
        trial["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data-postgres-0"}}]
        text = yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **trial})
        answer = json.loads(self._cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=text))
        return "affinity" in answer["spec"]

    # What is shown.

    def _say(self, line: str) -> None:
        self._console.print(f"\n[bold]{line}[/]")

    def _show(self, app: str = "mysql") -> None:
        table = Table("pod", "node", "data on", "rule", "tier", "score", box=None, padding=(0, 2))
        for pod in self._cluster.pods(app)[: None if app != "mysql" else 1]:
            table.add_row(*self._row(pod))
        self._console.print(table)

    def _row(self, pod: Manifest) -> tuple[str, ...]:
        name, node = pod["metadata"]["name"], pod["spec"].get("nodeName", "")
        explanation = self._cluster.explain(name)
        here = next((each for each in explanation["nodes"] if each["name"] == node), None)
        rule = explanation["rule"]
        claim = f"data-{name}"
        volume = f"{claim}-volume" if claim in _SHARDS else _VOLUME
        return (
            name,
            node or "(pending)",
            self._cluster.data_of(volume),
            rule["name"] if rule else "none",
            here["tier"] if here and rule else "-",
            f"{here['score']:g}" if here and rule else "-",
        )


def _example() -> tuple[Manifest, Manifest]:
    """The MySQL Deployment and its claim, from the ready-made policies: beside the package, or in the source tree."""
    package = Path(mooring.__file__).parent
    places = (package / "policies", package.parents[1] / "policies")
    folder = next(place for place in places if place.is_dir())
    manifests = {each["kind"]: each for each in yaml.safe_load_all((folder / "examples/mysql.yaml").read_text())}
    for manifest in manifests.values():
        manifest["metadata"]["namespace"] = NAMESPACE
    return manifests["Deployment"], manifests["PersistentVolumeClaim"]


def _policy(name: str, app: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VolumePlacementPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"podSelector": {"matchLabels": {"app": app}}, **spec},
    }


def _volume(name: str, *, claim: str, node: str = "") -> Manifest:
    """A volume without node affinity: it can be mounted everywhere, and nothing draws its pod anywhere."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {REPLICAS: node} if node else {}},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "fake.csi.mooring.dev", "volumeHandle": name},
            "claimRef": {"namespace": NAMESPACE, "name": claim},
        },
    }


def _claim_spec() -> Manifest:
    requests = {"requests": {"storage": "1Gi"}}
    return {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": requests}


def _claim(name: str) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": _claim_spec()}


def _stateful_set() -> Manifest:
    labels = {"app": "postgres"}
    mounts = [{"name": "data", "mountPath": "/var/lib/postgresql"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "postgres", "namespace": NAMESPACE},
        "spec": {
            "replicas": len(_SHARDS),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "postgres", "image": "postgres:17", "volumeMounts": mounts}]},
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": _claim_spec()}],
        },
    }


def _secret() -> Manifest:
    """Where the operator keeps the webhook's certificate, as the chart makes it: empty."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "mooring-webhook", "namespace": RELEASE_NAMESPACE},
    }


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())
