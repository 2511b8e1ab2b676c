"""How each component is started: command lines and configuration files, as pure data from a layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from mooring.sandbox.layout import Layout
from mooring.sandbox.processes import LOOPBACK

FAKE_NODE: Final = ("kwok.x-k8s.io/node", "fake")
"""The annotation that gives a node to kwok."""

SCHEDULER_NAMES: Final = ("mooring", "stork")
"""Profiles of the second scheduler."""

NAMESPACE: Final = "mooring-system"
"""Where Mooring and its scheduler keep their Leases."""

LEASE: Final = "mooring-scheduler"
"""Lease of the second scheduler: with the default name it would wait for the first one for ever."""

_SERVICE_RANGE: Final = "10.96.0.0/16"
_ISSUER: Final = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True, kw_only=True)
class Component:
    """A process of the sandbox."""

    name: str
    command: tuple[str, ...]
    health: str
    """URL that answers 200 once the component does its work."""
    needs: str | None
    """The component that must be ready before this one is started."""


def plan(layout: Layout) -> list[Component]:
    """Give the components that the layout asks for, in starting order."""
    makers = {
        "etcd": _etcd,
        "kube-apiserver": _apiserver,
        "kube-controller-manager": _controller_manager,
        "kwok": _kwok,
        "kube-scheduler": _scheduler,
        "mooring-scheduler": _scheduler,
    }
    return [makers[name](layout, name) for name in layout.components]


def _flags(values: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(f"--{name}={value}" for name, value in values.items())


def _etcd(layout: Layout, name: str) -> Component:
    url = f"http://{LOOPBACK}:{layout.ports[name]}"
    flags = {
        "data-dir": layout.data(name),
        "listen-client-url": url,
        "listen-peer-url": f"http://{LOOPBACK}:{layout.ports['etcd-peer']}",
    }
    command = (str(layout.executable(name)), *_flags(flags))
    return Component(name=name, command=command, health=f"{url}/health", needs=None)


def _serving(layout: Layout, name: str) -> dict[str, object]:
    return {
        "bind-address": LOOPBACK,
        "secure-port": layout.ports[name],
        "tls-cert-file": layout.pki("serving.crt"),
        "tls-private-key-file": layout.pki("serving.key"),
        # Else some write to /var/run/kubernetes.
        "cert-dir": layout.data(name),
    }


def _apiserver(layout: Layout, name: str) -> Component:
    flags = _serving(layout, name) | {
        "etcd-servers": f"http://{LOOPBACK}:{layout.ports['etcd']}",
        "client-ca-file": layout.pki("ca.crt"),
        # Components that delegate authentication complain every few seconds without it. No certificate has this name.
        "requestheader-client-ca-file": layout.pki("ca.crt"),
        "requestheader-allowed-names": "front-proxy",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "authorization-mode": "Node,RBAC",
        "service-cluster-ip-range": _SERVICE_RANGE,
        "service-account-issuer": _ISSUER,
        "service-account-key-file": layout.pki("service-accounts.key"),
        "service-account-signing-key-file": layout.pki("service-accounts.key"),
        # Nothing runs in this cluster that could reach the API through its service, and an Endpoints object refuses
        # loopback addresses.
        "endpoint-reconciler-type": "none",
        "max-requests-inflight": 4000,
        "max-mutating-requests-inflight": 2000,
        "audit-policy-file": layout.config("audit-policy.yaml"),
        "audit-log-path": layout.audit_log,
        # In MB: never rotated, so that an offset stays one.
        "audit-log-maxsize": 1_000_000,
        "shutdown-delay-duration": "0s",
    }
    command = (str(layout.executable(name)), *_flags(flags))
    return Component(name=name, command=command, health=f"{layout.server}/readyz", needs="etcd")


def _delegating(layout: Layout, user: str) -> dict[str, object]:
    kubeconfig = layout.kubeconfig(user)
    return {"authentication-kubeconfig": kubeconfig, "authorization-kubeconfig": kubeconfig}


def _controller_manager(layout: Layout, name: str) -> Component:
    flags = (
        _serving(layout, name)
        | _delegating(layout, name)
        | {
            "kubeconfig": layout.kubeconfig(name),
            "leader-elect": "false",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": layout.pki("service-accounts.key"),
            "root-ca-file": layout.pki("ca.crt"),
            "cluster-signing-cert-file": layout.pki("ca.crt"),
            "cluster-signing-key-file": layout.pki("ca.key"),
            "allocate-node-cidrs": "false",
            "kube-api-qps": 1000,
            "kube-api-burst": 2000,
            # kwok's nodes renew no lease: thousands of nodes would keep the machine busy with nothing else, and a kwok
            # that was restarted would manage none of them until the old leases ran out. So silence never means that a
            # node is down.
            "node-monitor-grace-period": "87600h",
            # Else it makes a directory below /usr/libexec.
            "flex-volume-plugin-dir": layout.data(name) / "flexvolume",
        }
    )
    command = (str(layout.executable(name)), *_flags(flags))
    health = f"https://{LOOPBACK}:{layout.ports[name]}/healthz"
    return Component(name=name, command=command, health=health, needs="kube-apiserver")


def _kwok(layout: Layout, name: str) -> Component:
    flags = {
        "kubeconfig": layout.kubeconfig(name),
        "config": layout.config("kwok.yaml"),
        "manage-nodes-with-annotation-selector": "=".join(FAKE_NODE),
        "node-lease-duration-seconds": 0,
        # Else it tells of every pod.
        "v": "WARN",
        "server-address": f"{LOOPBACK}:{layout.ports[name]}",
    }
    command = (str(layout.executable(name)), *_flags(flags))
    health = f"http://{LOOPBACK}:{layout.ports[name]}/healthz"
    return Component(name=name, command=command, health=health, needs="kube-apiserver")


def _scheduler(layout: Layout, name: str) -> Component:
    flags = _serving(layout, name) | _delegating(layout, name) | {"config": layout.config(f"{name}.yaml")}
    command = (str(layout.executable("kube-scheduler")), *_flags(flags))
    health = f"https://{LOOPBACK}:{layout.ports[name]}/readyz"
    return Component(name=name, command=command, health=health, needs="kube-apiserver")


def config_files(layout: Layout) -> dict[Path, str]:
    """Give the components' configuration files, but for kwok's stages, which only the binary knows."""
    files = {"audit-policy.yaml": _AUDIT_POLICY}
    for name in ("kube-scheduler", "mooring-scheduler"):
        files[f"{name}.yaml"] = scheduler_config(layout, name)
    return {layout.config(file): yaml.safe_dump(config, sort_keys=False) for file, config in files.items()}


def scheduler_config(layout: Layout, name: str) -> dict[str, Any]:
    """Give a scheduler's configuration: the stock one's, or that of the one with profiles and an extender of ours."""
    config: dict[str, Any] = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig(name)), "qps": 1000, "burst": 2000},
        "leaderElection": {"leaderElect": False},
    }
    if name == "kube-scheduler":
        return config
    extender = {
        "urlPrefix": f"{layout.extender}/scheduler",
        "filterVerb": "filter",
        "prioritizeVerb": "prioritize",
        "preemptVerb": "preempt",
        "weight": 5,
        "nodeCacheCapable": True,
        "ignorable": True,
        # The chart has 2 s; a machine that carries the whole cluster may pause for longer.
        "httpTimeout": "10s",
    }
    return config | {
        "leaderElection": {"leaderElect": True, "resourceName": LEASE, "resourceNamespace": NAMESPACE},
        "profiles": [{"schedulerName": profile} for profile in SCHEDULER_NAMES],
        "extenders": [extender],
    }


_CONTROL_PLANE: Final = [
    "kwok",
    "mooring-scheduler",
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
]

# The first rule that matches decides. What is left is every write, and every read that is not the control plane's own.
_AUDIT_POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "omitManagedFields": True,
    "rules": [
        {"level": "None", "nonResourceURLs": ["/api*", "/healthz*", "/livez*", "/openapi*", "/readyz*", "/version*"]},
        {"level": "None", "users": _CONTROL_PLANE, "verbs": ["get", "list", "watch"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"], "verbs": ["get", "list", "watch"]},
        {"level": "None", "users": _CONTROL_PLANE, "resources": [{"group": "coordination.k8s.io"}]},
        {"level": "Metadata"},
    ],
}
