"""X.509 as Mooring needs it: authorities, and the certificates of servers and clients, all of them ECDSA on P-256."""

import datetime as dt
import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, ServerVerifier, Store, VerificationError

BACKDATE: Final = dt.timedelta(days=1)
"""How long before it is made a certificate begins: clocks differ, and no certificate must be from the future."""


@dataclass(frozen=True)
class Pair:
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def key_pem(self) -> bytes:
        """Give the key as PEM, not encrypted."""
        return key_pem(self.key)

    def certificate_pem(self) -> bytes:
        """Give the certificate as PEM."""
        return bundle_pem([self.certificate])


def make_key() -> ec.EllipticCurvePrivateKey:
    """Make a private key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(name: str, *, now: dt.datetime, lifetime: dt.timedelta) -> Pair:
    """Make a self-signed authority that signs certificates of servers and clients, and no further authorities."""
    key = make_key()
    subject = _subject(name)
    builder = _unsigned(key, subject=subject, issuer=subject, now=now, ends=now + lifetime)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    return Pair(key, builder.sign(key, hashes.SHA256()))


def make_serving(
    authority: Pair, *, name: str, hosts: Collection[str], now: dt.datetime, lifetime: dt.timedelta
) -> Pair:
    """Make a server's certificate for these DNS names and IP addresses; it does not outlive the authority.

    Raises:
        ValueError: a host is neither a DNS name nor an IP address.
    """
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    return _issue(authority, _subject(name), names, usage=ExtendedKeyUsageOID.SERVER_AUTH, now=now, lifetime=lifetime)


def make_client(
    authority: Pair, *, name: str, organization: str = "", now: dt.datetime, lifetime: dt.timedelta
) -> Pair:
    """Make the certificate of a user in at most one group; it does not outlive the authority."""
    subject = _subject(name, organization)
    return _issue(authority, subject, usage=ExtendedKeyUsageOID.CLIENT_AUTH, now=now, lifetime=lifetime)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Give a key as PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def bundle_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Give certificates as PEM, in this order."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def read_pair(key: bytes, certificate: bytes) -> Pair:
    """Read a key and the first certificate from PEM.

    Raises:
        ValueError: one is malformed, they do not belong together, or the key is not an ECDSA key on P-256.
    """
    try:
        private = serialization.load_pem_private_key(key, password=None)
        public = x509.load_pem_x509_certificate(certificate).public_key()
    except (TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ValueError(f"not a key and a certificate of ours: {error}") from error
    if not (isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1)):
        raise ValueError("the key is not an ECDSA key on P-256")  # noqa: TRY004 - it is what a file says, no argument
    if public != private.public_key():
        raise ValueError("the certificate belongs to another key")
    return Pair(private, x509.load_pem_x509_certificate(certificate))


def read_certificates(pem: bytes) -> list[x509.Certificate]:
    """Read every certificate from PEM.

    Raises:
        ValueError: there is none, or one of them is malformed.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except x509.InvalidVersion as error:
        raise ValueError(f"not a certificate: {error}") from error


def is_accepted(
    certificate: x509.Certificate,
    *,
    hosts: Collection[str],
    authorities: Collection[x509.Certificate],
    now: dt.datetime,
) -> bool:
    """Say whether a client that trusts these authorities accepts the certificate as that of each of these hosts.

    Raises:
        ValueError: a host is neither a DNS name nor an IP address.
    """
    if not authorities:
        return False
    try:
        builder = PolicyBuilder().store(Store(list(authorities))).time(now)
        for host in hosts:
            _verifier(builder, host).verify(certificate, [])
    except VerificationError:
        return False
    return True


def made_at(certificate: x509.Certificate) -> dt.datetime:
    """Give the time at which a certificate of ours was made."""
    return certificate.not_valid_before_utc + BACKDATE


def _issue(
    authority: Pair,
    subject: x509.Name,
    *extensions: x509.ExtensionType,
    usage: x509.ObjectIdentifier,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> Pair:
    key, issuer = make_key(), authority.certificate
    ends = min(now + lifetime, issuer.not_valid_after_utc)
    builder = _unsigned(key, subject=subject, issuer=issuer.subject, now=now, ends=ends)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    # Two authorities may have one name while one takes over from the other: the identifier tells them apart.
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return Pair(key, builder.add_extension(signer, critical=False).sign(authority.key, hashes.SHA256()))


def _unsigned(
    key: ec.EllipticCurvePrivateKey, *, subject: x509.Name, issuer: x509.Name, now: dt.datetime, ends: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _subject(name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _verifier(builder: PolicyBuilder, host: str) -> ServerVerifier:
    try:
        return builder.build_server_verifier(_general_name(host))
    except ValueError as error:
        raise ValueError(f"no certificate can be made for {host!r}: {error}") from error


def _general_name(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
