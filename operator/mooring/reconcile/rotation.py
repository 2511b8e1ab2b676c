"""When which certificate of the webhook is made anew: what the Secret should hold, from what it holds.

An API server must trust the webhook's certificate at every moment, though the Secret, the `caBundle` of the webhook
configuration, and the replicas that serve from the Secret change one after the other. So a new authority first joins
the bundle while the certificate is still the old one's; the certificate follows when the API server has been told of
the bundle; and the old authority leaves when every replica has had time to serve the new certificate.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Final

from cryptography import x509

from mooring.cluster.secrets import CA_BUNDLE, CA_KEY, CERTIFICATE, KEY
from mooring.pki import (
    Pair,
    bundle_pem,
    is_accepted,
    made_at,
    make_authority,
    make_serving,
    read_certificates,
    read_pair,
)

AUTHORITY_LIFETIME: Final = dt.timedelta(days=730)
CERTIFICATE_LIFETIME: Final = dt.timedelta(days=90)
RENEWAL: Final = Fraction(2, 3)
"""The part of its life after which a certificate or an authority is made anew."""
GRACE: Final = dt.timedelta(hours=1)
"""How long API servers may take to go by a new bundle, and replicas to serve a new certificate."""

_NAME: Final = "mooring-webhook"


def plan(stored: Mapping[str, bytes], *, hosts: Collection[str], published: bool, now: dt.datetime) -> dict[str, bytes]:
    """Give what the Secret should hold; the same again where nothing is due.

    What is missing, malformed, expired, or does not fit together is made anew. A certificate never outlives the
    authority that signed it, and is renewed early with it.

    Args:
        stored: what the Secret holds now, if anything.
        hosts: DNS names and IP addresses by which the API server calls the webhook.
        published: whether the stored bundle is what the API server goes by.
        now: the present time.

    Raises:
        ValueError: a host is neither a DNS name nor an IP address.
    """
    trusted = _unexpired(stored.get(CA_BUNDLE, b""), now)
    authority = _authority(stored, trusted, hosts, now)
    leaf = _leaf(stored, trusted, hosts, now)
    if authority is not None and _should_sign(authority, leaf, hosts, published=published, now=now):
        leaf = _signed_by(authority, hosts, now)
    if authority is None or _is_due(authority.certificate, now):
        authority = make_authority(f"{_NAME}-ca", now=now, lifetime=AUTHORITY_LIFETIME)
        trusted = [authority.certificate, *trusted]
    if leaf is None:
        leaf = _signed_by(authority, hosts, now)
    if _accepts(authority, leaf, hosts, now) and _age(leaf.certificate, now) >= GRACE:
        trusted = [authority.certificate]
    return {
        CA_BUNDLE: bundle_pem(trusted),
        CA_KEY: authority.key_pem(),
        CERTIFICATE: leaf.certificate_pem(),
        KEY: leaf.key_pem(),
    }


def _should_sign(
    authority: Pair, leaf: Pair | None, hosts: Collection[str], *, published: bool, now: dt.datetime
) -> bool:
    """Whether the newest authority should sign a new certificate."""
    if leaf is None:
        return True
    if _accepts(authority, leaf, hosts, now):
        return _is_due(leaf.certificate, now)
    # Signed by an older authority. Its key is gone: when the certificate is due, the grace has to be cut short.
    return published and (_age(authority.certificate, now) >= GRACE or _is_due(leaf.certificate, now))


def _unexpired(bundle: bytes, now: dt.datetime) -> list[x509.Certificate]:
    try:
        return [each for each in read_certificates(bundle) if each.not_valid_after_utc > now]
    except ValueError:
        return []


def _authority(
    stored: Mapping[str, bytes], trusted: Collection[x509.Certificate], hosts: Collection[str], now: dt.datetime
) -> Pair | None:
    """The newest authority, if its key is there and what it signs is accepted."""
    try:
        pair = read_pair(stored.get(CA_KEY, b""), stored.get(CA_BUNDLE, b""))
    except ValueError:
        return None
    works = pair.certificate in trusted and _accepts(pair, _signed_by(pair, hosts, now), hosts, now)
    return pair if works else None


def _leaf(
    stored: Mapping[str, bytes], trusted: Collection[x509.Certificate], hosts: Collection[str], now: dt.datetime
) -> Pair | None:
    """The webhook's certificate, if it is accepted as that of all hosts."""
    try:
        pair = read_pair(stored.get(KEY, b""), stored.get(CERTIFICATE, b""))
    except ValueError:
        return None
    return pair if is_accepted(pair.certificate, hosts=hosts, authorities=trusted, now=now) else None


def _signed_by(authority: Pair, hosts: Collection[str], now: dt.datetime) -> Pair:
    return make_serving(authority, name=_NAME, hosts=hosts, now=now, lifetime=CERTIFICATE_LIFETIME)


def _accepts(authority: Pair, leaf: Pair, hosts: Collection[str], now: dt.datetime) -> bool:
    return is_accepted(leaf.certificate, hosts=hosts, authorities=[authority.certificate], now=now)


def _is_due(certificate: x509.Certificate, now: dt.datetime) -> bool:
    life = certificate.not_valid_after_utc - made_at(certificate)
    return _age(certificate, now) >= life * RENEWAL.numerator / RENEWAL.denominator


def _age(certificate: x509.Certificate, now: dt.datetime) -> dt.timedelta:
    return now - made_at(certificate)
