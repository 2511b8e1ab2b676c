"""Keys and certificates: what is made is accepted by strict clients, and what is read is checked."""

import datetime as dt
import ssl

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from mooring import pki
from mooring.pki import Pair

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
YEAR = dt.timedelta(days=365)
DAY = dt.timedelta(days=1)
HOSTS = ["mooring.mooring-system.svc", "localhost", "10.96.0.7", "fd00::7"]


def authority(name: str = "ca", *, lifetime: dt.timedelta = YEAR) -> Pair:
    """Make an authority."""
    return pki.make_authority(name, now=NOW, lifetime=lifetime)


def serving(by: Pair, *, lifetime: dt.timedelta = 30 * DAY) -> Pair:
    """Make a server's certificate for HOSTS."""
    return pki.make_serving(by, name="server", hosts=HOSTS, now=NOW, lifetime=lifetime)


def accepted(pair: Pair, *by: Pair, hosts: list[str] = HOSTS, at: dt.datetime = NOW) -> bool:
    """Say whether clients that trust these authorities accept it."""
    return pki.is_accepted(pair.certificate, hosts=hosts, authorities=[each.certificate for each in by], now=at)


def test_server_is_accepted_by_its_names_and_addresses() -> None:
    """A certificate is good for each of its hosts, and for no other."""
    ca = authority()

    assert accepted(serving(ca), ca)
    for stranger in ("mooring.other.svc", "10.96.0.8", "fd00::8"):
        assert not accepted(serving(ca), ca, hosts=[stranger])


def test_server_is_accepted_by_its_own_authority_only() -> None:
    """An authority of the same name does not do, and beside the right one it does not disturb."""
    ca, namesake = authority(), authority()

    assert not accepted(serving(ca), namesake)
    assert not accepted(serving(ca))
    assert accepted(serving(ca), namesake, ca)


def test_server_is_accepted_for_its_lifetime() -> None:
    """It holds from a day before it was made, for clocks that are behind, to its end, and not a minute longer."""
    ca, minute = authority(), dt.timedelta(minutes=1)
    made = serving(ca)

    for inside in (NOW - DAY, NOW, NOW + 30 * DAY - minute):
        assert accepted(made, ca, at=inside)
    for outside in (NOW - DAY - minute, NOW + 30 * DAY + minute):
        assert not accepted(made, ca, at=outside)
    assert pki.made_at(made.certificate) == NOW


def test_nothing_outlives_its_authority() -> None:
    """A certificate that would be longer good than its authority is cut to that."""
    ca = authority(lifetime=10 * DAY)

    for made in (serving(ca), pki.make_client(ca, name="user", now=NOW, lifetime=30 * DAY)):
        assert made.certificate.not_valid_after_utc == ca.certificate.not_valid_after_utc


def test_a_client_is_no_server() -> None:
    """A user's certificate names user and group, and serves nothing."""
    ca = authority()
    user = pki.make_client(ca, name="jane", organization="admins", now=NOW, lifetime=DAY)

    assert user.certificate.subject.rfc4514_string() == "O=admins,CN=jane"
    assert not accepted(user, ca)


def test_a_server_signs_nothing() -> None:
    """What a server's key signs is not accepted, even by who trusts that server."""
    ca = authority()
    server = serving(ca)

    assert not accepted(serving(server), server, ca)


def test_pairs_come_back_from_pem() -> None:
    """What was written is read again; of a chain, the first certificate is taken."""
    ca = authority()
    made = serving(ca)

    chain = pki.bundle_pem([made.certificate, ca.certificate])

    assert pki.read_pair(made.key_pem(), chain).certificate == made.certificate
    assert pki.read_certificates(chain) == [made.certificate, ca.certificate]


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes = b"") -> bytes:
    """Write a key, encrypted if there is a password."""
    cipher = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher)


def foreign_keys() -> dict[str, tuple[bytes, bytes]]:
    """Give pairs that are none of ours, by what is wrong with them."""
    made, other = serving(authority()), serving(authority())
    weak = ec.generate_private_key(ec.SECP192R1())
    strange = rsa.generate_private_key(65537, 2048)
    certificate = made.certificate_pem()
    return {
        "other-key": (other.key_pem(), certificate),
        "weak-curve": (pem(weak), certificate),
        "rsa": (pem(strange), certificate),
        "encrypted": (pem(made.key, b"secret"), certificate),
        "swapped": (certificate, made.key_pem()),
        "no-key": (b"", certificate),
        "no-certificate": (made.key_pem(), b""),
    }


@pytest.mark.parametrize("wrong", foreign_keys())
def test_pairs_that_are_not_ours_are_refused(wrong: str) -> None:
    """A missing, encrypted, weak or foreign key is a ValueError, never anything else."""
    key, certificate = foreign_keys()[wrong]

    with pytest.raises(ValueError, match=r"."):
        pki.read_pair(key, certificate)


def test_a_certificate_of_another_version_is_refused() -> None:
    """A damaged version is a ValueError as any other damage is."""
    made = serving(authority())
    der = ssl.PEM_cert_to_DER_cert(made.certificate_pem().decode())
    damaged = ssl.DER_cert_to_PEM_cert(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x4a", 1)).encode()

    with pytest.raises(ValueError, match="version"):
        pki.read_pair(made.key_pem(), damaged)
    with pytest.raises(ValueError, match="version"):
        pki.read_certificates(damaged)


# A certificate whose serial number has become negative is still read, with a warning.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(where=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), part=st.sampled_from(["key", "certificate"]))
def test_damaged_pairs_are_refused_or_harmless(where: float, byte: int, part: str) -> None:
    """With any one byte of the PEM changed, a pair is read or refused with a ValueError, and can be looked at."""
    ca = authority()
    made = serving(ca)
    text = bytearray(made.key_pem() if part == "key" else made.certificate_pem())
    text[int(where * len(text))] = byte
    try:
        read = pki.read_pair(*((text, made.certificate_pem()) if part == "key" else (made.key_pem(), bytes(text))))
    except ValueError:
        return
    assert accepted(read, ca) == (read.certificate == made.certificate)


@pytest.mark.parametrize("host", ["", "a b", "under_score.svc", "x" * 64 + ".svc"])
def test_impossible_hosts_are_named(host: str) -> None:
    """Which host cannot stand in a certificate is said."""
    ca = authority()
    with pytest.raises(ValueError, match="no certificate can be made for"):
        accepted(serving(ca), ca, hosts=[host])


def test_everything_is_p256_and_sha256() -> None:
    """No key and no signature is weaker than the others."""
    ca = authority()
    for each in (ca, serving(ca), pki.make_client(ca, name="user", now=NOW, lifetime=DAY)):
        assert isinstance(each.key.curve, ec.SECP256R1)
        assert isinstance(each.certificate.signature_hash_algorithm, hashes.SHA256)
