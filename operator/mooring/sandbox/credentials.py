"""Who is who in a sandbox: a certificate authority, a serving certificate, users' certificates and kubeconfigs."""

import base64
import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

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
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_LIFETIME: Final = dt.timedelta(days=3650)


@dataclass(frozen=True)
class Pair:
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def key_pem(self) -> bytes:
        """Give the key as PEM, not encrypted."""
        return _key_pem(self.key)

    def certificate_pem(self) -> bytes:
        """Give the certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _subject(name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _unsigned(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    # A day back: clocks of containers on one machine may differ, certificates must not be from the future.
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
    )


def make_authority() -> Pair:
    """Make a self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject("mooring-sandbox")
    builder = _unsigned(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return Pair(key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()))


def make_serving(authority: Pair) -> Pair:
    """Make the certificate with which every component serves, on loopback and as the `kubernetes` service."""
    key = ec.generate_private_key(ec.SECP256R1())
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in (LOOPBACK, SERVICE_IP)]
    names = [x509.DNSName(name) for name in _SERVED]
    builder = _unsigned(_subject("mooring-sandbox-server"), authority.certificate.subject, key)
    builder = builder.add_extension(x509.SubjectAlternativeName([*addresses, *names]), critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return Pair(key, builder.sign(authority.key, hashes.SHA256()))


def make_client(authority: Pair, *, name: str, organization: str = "") -> Pair:
    """Make the certificate of a user in at most one group."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _unsigned(_subject(name, organization), authority.certificate.subject, key)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return Pair(key, builder.sign(authority.key, hashes.SHA256()))


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
    service_accounts = ec.generate_private_key(ec.SECP256R1())
    files = {
        "ca.crt": authority.certificate_pem(),
        "ca.key": authority.key_pem(),
        "serving.crt": serving.certificate_pem(),
        "serving.key": serving.key_pem(),
        "service-accounts.key": _key_pem(service_accounts),
    }
    for user, (name, organization) in USERS.items():
        client = make_client(authority, name=name, organization=organization)
        files |= {f"{user}.crt": client.certificate_pem(), f"{user}.key": client.key_pem()}
        text = kubeconfig(server=layout.server, authority=authority, user=user, client=client)
        layout.kubeconfig(user).write_text(text, encoding="utf-8")
    for name, pem in files.items():
        layout.pki(name).write_bytes(pem)
