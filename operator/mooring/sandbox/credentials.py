"""Who is who in a sandbox: a certificate authority, a serving certificate, users' certificates and kubeconfigs."""

import base64
import datetime as dt
from typing import Final

import yaml

from mooring import pki
from mooring.pki import Pair
from mooring.sandbox.layout import Layout
from mooring.sandbox.processes import LOOPBACK

SERVICE_IP: Final = "10.96.0.1"
"""The first address of the service range, that of the `kubernetes` service."""

# Common name and organization, which kube-apiserver reads as user and group.
USERS: Final = {
    "admin": ("admin", "system:masters"),
    "kube-apiserver": ("kube-apiserver", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    # A user of its own, so that the audit log tells the schedulers apart and the second one gets along with the rights
    # that a scheduler next to the cluster's gets.
    "mooring-scheduler": ("mooring-scheduler", ""),
    "kwok": ("kwok", "system:masters"),
    "mooring": ("mooring", ""),
}

_SERVED: Final = (
    LOOPBACK,
    SERVICE_IP,
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_LIFETIME: Final = dt.timedelta(days=3650)


def make_authority() -> Pair:
    """Make a sandbox's certificate authority."""
    return pki.make_authority("mooring-sandbox", now=_now(), lifetime=_LIFETIME)


def make_serving(authority: Pair) -> Pair:
    """Make the certificate with which every component serves, on loopback and as the `kubernetes` service."""
    return pki.make_serving(authority, name="mooring-sandbox-server", hosts=_SERVED, now=_now(), lifetime=_LIFETIME)


def make_client(authority: Pair, *, name: str, organization: str = "") -> Pair:
    """Make the certificate of a user in at most one group."""
    return pki.make_client(authority, name=name, organization=organization, now=_now(), lifetime=_LIFETIME)


def kubeconfig(*, server: str, authority: Pair, user: str, client: Pair) -> str:
    """Give a kubeconfig that needs no other file."""

    def encoded(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sandbox",
        "clusters": [
            {
                "name": "sandbox",
                "cluster": {"server": server, "certificate-authority-data": encoded(authority.certificate_pem())},
            },
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": encoded(client.certificate_pem()),
                    "client-key-data": encoded(client.key_pem()),
                },
            },
        ],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": user}}],
    }
    return yaml.safe_dump(config, sort_keys=False)


def write_credentials(layout: Layout) -> None:
    """Make every key, certificate and kubeconfig of a new sandbox."""
    authority = make_authority()
    serving = make_serving(authority)
    files = {
        "ca.crt": authority.certificate_pem(),
        "ca.key": authority.key_pem(),
        "serving.crt": serving.certificate_pem(),
        "serving.key": serving.key_pem(),
        "service-accounts.key": pki.key_pem(pki.make_key()),
    }
    for user, (name, organization) in USERS.items():
        client = make_client(authority, name=name, organization=organization)
        files |= {f"{user}.crt": client.certificate_pem(), f"{user}.key": client.key_pem()}
        text = kubeconfig(server=layout.server, authority=authority, user=user, client=client)
        layout.kubeconfig(user).write_text(text, encoding="utf-8")
    for name, pem in files.items():
        layout.pki(name).write_bytes(pem)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
