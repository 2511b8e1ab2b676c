"""Portworx as far as Mooring sees it: OpenStorage's own SDK server, with volumes that a test creates through its API.

The server is `tests/openstorage`, which stores nothing.
"""

import base64
import hashlib
import hmac
import json
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from tests.e2e import manifests
from tests.e2e.follow.field import LOCATORS, Field
from tests.e2e.support import REPOSITORY, eventually

from mooring.sandbox.build import build_program
from mooring.sandbox.components import NAMESPACE
from mooring.sandbox.processes import LOOPBACK, free_ports
from mooring.sandbox.progress import Progress

OK: Final = 2
OFFLINE: Final = 3
STORAGE_DOWN: Final = 8
"""Statuses of nodes, as `openstorage.api.Status` numbers them."""

_MODULE: Final = REPOSITORY / "tests" / "openstorage"
_CLUSTER_NODES: Final = 6


def build_openstorage(progress: Progress) -> Path:
    """Give the path of the server, building it first if there is none."""
    return build_program("openstorage", progress, module=_MODULE)


def token(secret: str, *, issuer: str = "tests", seconds: float = 3600.0) -> str:
    """Sign a token for an administrator that lasts so long, as `pxctl auth token generate` does."""
    now = time.time()
    who = {"sub": "mooring", "name": "mooring", "email": "mooring@example.com", "roles": ["system.admin"]}
    parts = ({"alg": "HS256", "typ": "JWT"}, {**who, "iss": issuer, "iat": int(now), "exp": int(now + seconds)})
    text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_base64(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))}"


class OpenStorageServer:
    """The SDK's REST gateway on loopback. Use it in a `with` statement: no process of it is left afterwards.

    Attributes:
        port: where it listens.
    """

    def __init__(
        self, binary: Path, directory: Path, *, secret: str = "", tls: tuple[Path, Path] | None = None
    ) -> None:
        """Take where to put its files; `secret` signs tokens, without which nobody is let in then."""
        self.port: Final = free_ports(["sdk"], taken=[])["sdk"]
        self._binary: Final = binary
        self._directory: Final = directory
        self._secret: Final = secret
        self._tls: Final = tls
        self._nodes: Final = directory / "nodes.json"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it, with an id in the storage system for each node of a sandbox."""
        self.set_nodes({})
        options = {"address": f"{LOOPBACK}:{self.port}", "home": self._directory, "nodes": self._nodes}
        if self._secret:
            options["secret"] = self._secret
        if self._tls is not None:
            options["certificate"], options["key"] = self._tls
        command = [str(self._binary), *(f"--{name}={value}" for name, value in options.items())]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: self.request("GET", "/v1/nodes"))
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        assert self._process is not None, "it was not started"
        self._process.kill()
        self._process.wait()

    def set_nodes(self, statuses: Mapping[str, int]) -> None:
        """Say how the storage on nodes is; that of the others is OK."""
        names = [f"node-{number}" for number in range(1, _CLUSTER_NODES + 1)]
        nodes = [{"Id": node_id(name), "SchedulerNodeName": name, "Status": statuses.get(name, OK)} for name in names]
        draft = self._nodes.with_suffix(".new")
        draft.write_text(json.dumps(nodes), encoding="utf-8")
        draft.replace(self._nodes)

    def create(self, name: str, *nodes: str, **labels: str) -> str:
        """Create a volume with a replica on each of these nodes, and give its id."""
        spec = {"size": "1000000000", "ha_level": str(len(nodes)), "replica_set": _replica_set(nodes)}
        return str(self.request("POST", "/v1/volumes", {"name": name, "labels": labels, "spec": spec})["volume_id"])

    def change(self, volume: str, *nodes: str, **labels: str) -> None:
        """Move a volume's replicas, or change its labels."""
        spec = {"replica_set": _replica_set(nodes)} if nodes else {}
        self.request("PUT", f"/v1/volumes/{volume}", {"labels": labels, "spec": spec})

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API."""
        url = f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}{path}"
        headers = {"Authorization": f"Bearer {token(self._secret)}"} if self._secret else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - on loopback
        context = ssl._create_unverified_context() if self._tls else None  # noqa: S323 - what Mooring does is tested
        with urllib.request.urlopen(request, timeout=60, context=context) as response:  # noqa: S310 - on loopback
            return json.load(response)


class Portworx:
    """A test's volumes of Portworx: in the storage system, and in Kubernetes."""

    def __init__(self, field: Field, server: OpenStorageServer) -> None:
        self.field = field
        self.server = server
        self.endpoint = f"http://{LOOPBACK}:{server.port}"

    def locator(
        self, *, interval: str = "5s", endpoint: str = "", nodes: Mapping[str, Any] | None = None, **source: Any
    ) -> str:
        """Create a locator that asks the server, or another one, and give its name."""
        name = self.field.stage.namespace
        spec = {"endpoint": endpoint or self.endpoint, "interval": interval, **source}
        manifest = {
            "apiVersion": "mooring.dev/v1alpha1",
            "kind": "VolumeLocator",
            "metadata": {"name": name},
            "spec": {"driver": self.field.driver, "openStorage": spec, **({"nodes": nodes} if nodes else {})},
        }
        self.field.stage.create_in_cluster(LOCATORS, manifest)
        return name

    def volume(self, claim: str, *nodes: str, **labels: str) -> str:
        """Create a volume with these replicas, wait until a claim is bound to it, and give the volume's id."""
        made = self.server.create(self.field.stage.volume_name(claim), *nodes, **labels)
        self.claim(claim, {"csi": {"driver": self.field.driver, "volumeHandle": made}})
        return made

    def claim(self, claim: str, source: Mapping[str, Any]) -> None:
        """Create a claim of a PersistentVolume with this source, and wait until they are bound."""
        stage = self.field.stage
        name = stage.volume_name(claim)
        volume = manifests.volume(name, claim, stage.namespace)
        del volume["spec"]["csi"]
        volume["spec"].update(source)
        stage.create_in_cluster("/api/v1/persistentvolumes", volume)
        stage.client.create(stage.path("persistentvolumeclaims"), manifests.claim(claim, volume_name=name))
        # A claim that its controller sees before its volume waits for the next look at everything, 15 s later.
        path = stage.path("persistentvolumeclaims", claim)
        eventually(lambda: stage.client.get(path)["status"].get("phase") == "Bound")

    def secret(self, name: str, key: str, value: str) -> dict[str, str]:
        """Write a Secret that Mooring may read, as the chart's `locators.secrets` lets it, and give the reference."""
        stage = self.field.stage
        full = f"{stage.namespace}-{name}"
        in_namespace = {"metadata": {"name": full, "namespace": NAMESPACE}}
        rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [full], "verbs": ["get"]}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": full}
        user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": stage.user}
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
        data = {key: base64.b64encode(value.encode()).decode()}
        stage.create_in_cluster(f"{rbac}/roles", {**in_namespace, "rules": [rule]})
        stage.create_in_cluster(f"{rbac}/rolebindings", {**in_namespace, "roleRef": role, "subjects": [user]})
        stage.create_in_cluster(f"/api/v1/namespaces/{NAMESPACE}/secrets", {**in_namespace, "data": data})
        return {"name": full, "key": key}

    def renew(self, reference: Mapping[str, str], value: str) -> None:
        """Put another value into a Secret."""
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{reference['name']}"
        self.field.stage.patch(path, {"data": {reference["key"]: base64.b64encode(value.encode()).decode()}})


def node_id(name: str) -> str:
    """What the storage system calls a node."""
    return f"id-of-{name}"


def _replica_set(nodes: Sequence[str]) -> dict[str, Any]:
    return {"nodes": [node_id(node) for node in nodes]}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
