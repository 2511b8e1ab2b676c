"""Certificates through the years: trusted at every moment, renewed in time, and made anew where they are broken."""

import datetime as dt
from collections.abc import Mapping, Sequence

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring import pki
from mooring.cluster.secrets import CA_BUNDLE, CA_KEY, CERTIFICATE, KEY
from mooring.reconcile.rotation import AUTHORITY_LIFETIME, CERTIFICATE_LIFETIME, GRACE, plan

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOSTS = ("mooring.mooring-system.svc",)
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
KEYS = {CA_BUNDLE, CA_KEY, CERTIFICATE, KEY}

Content = Mapping[str, bytes]


def bundle_of(content: Content) -> bytes:
    """Give the bundle, empty if there is none."""
    return content.get(CA_BUNDLE, b"")


def trusts(bundle: bytes, content: Content, *, now: dt.datetime, hosts: Sequence[str] = HOSTS) -> bool:
    """Say whether an API server that goes by this bundle accepts what a replica serves from this content."""
    certificate = pki.read_pair(content[KEY], content[CERTIFICATE]).certificate
    return pki.is_accepted(certificate, hosts=hosts, authorities=pki.read_certificates(bundle), now=now)


class Cluster:
    """A Secret and a webhook configuration, whose leader looks after them whenever `step` is called.

    Between two steps, replicas serve and the API server calls. Both may lag behind by one step: the API server may go
    by the bundle before, and a replica may serve the certificate before.
    """

    def __init__(self, hosts: Sequence[str] = HOSTS) -> None:
        self.now = START
        self.hosts = hosts
        self.secret: Content = {}
        self.bundle = b""
        self.steps = 0
        self.authorities: set[bytes] = set()
        self.certificates: set[bytes] = set()

    def plan(self) -> Content:
        """Give what the leader would store now."""
        published = self.bundle == bundle_of(self.secret)
        return plan(self.secret, hosts=self.hosts, published=published, now=self.now)

    def step(self, later: dt.timedelta = dt.timedelta(), *, publish: bool = True, calm: bool = True) -> None:
        """Let time pass and the leader look; `calm` is that nothing was broken before, so nothing may fail."""
        self.now += later
        new = self.plan()
        assert trusts(bundle_of(new), new, now=self.now, hosts=self.hosts)
        if self.secret and calm:
            for bundle in (self.bundle, bundle_of(new)):
                for content in (self.secret, new):
                    assert trusts(bundle, content, now=self.now, hosts=self.hosts), f"untrusted after {self.now}"
        self.secret = new
        if publish:
            self.bundle = bundle_of(new)
        self.steps += 1
        self.authorities.add(pki.read_certificates(bundle_of(new))[0].fingerprint(_SHA))
        self.certificates.add(new[CERTIFICATE])


_SHA = hashes.SHA256()


def kept() -> Cluster:
    """Give a cluster whose certificates have just been made, and are quiet."""
    cluster = Cluster()
    cluster.step()
    return cluster


def walk(cluster: Cluster, *, days: int, every: dt.timedelta = DAY) -> None:
    """Let days pass."""
    end = cluster.now + days * DAY
    while cluster.now < end:
        cluster.step(every)


def test_first_certificates() -> None:
    """From nothing, everything is made at once, and lives as long as is documented."""
    cluster = kept()

    assert cluster.secret.keys() == KEYS
    authority = pki.read_certificates(cluster.bundle)
    assert len(authority) == 1
    assert authority[0].not_valid_after_utc == START + AUTHORITY_LIFETIME
    certificate = pki.read_pair(cluster.secret[KEY], cluster.secret[CERTIFICATE]).certificate
    assert certificate.not_valid_after_utc == START + CERTIFICATE_LIFETIME


def test_ten_years() -> None:
    """Every third day for ten years nothing fails, and no more is made than the lifetimes ask for."""
    cluster = Cluster()
    walk(cluster, days=3650, every=3 * DAY)

    # One each 60 days, and one more for each new authority; an authority each 487 days.
    assert len(cluster.authorities) == 8
    assert 61 <= len(cluster.certificates) <= 61 + 8


def test_rotation_overlaps() -> None:
    """A new authority joins the bundle, an hour later signs the certificate, and an hour later the old one leaves."""
    cluster = kept()
    old = cluster.bundle
    walk(cluster, days=486)
    before = cluster.secret
    assert cluster.bundle == old

    cluster.step(DAY)
    assert len(pki.read_certificates(cluster.bundle)) == 2
    assert cluster.bundle.endswith(old)
    new = cluster.bundle.removesuffix(old)
    assert not trusts(new, cluster.secret, now=cluster.now)
    assert cluster.secret[CERTIFICATE] == before[CERTIFICATE]
    cluster.step(GRACE - MINUTE)
    assert not trusts(new, cluster.secret, now=cluster.now)

    cluster.step(2 * MINUTE)
    assert trusts(new, cluster.secret, now=cluster.now)
    cluster.step(GRACE - MINUTE)
    assert cluster.bundle == new + old

    cluster.step(2 * MINUTE)
    assert cluster.bundle == new


def test_certificate_waits_until_the_bundle_is_published() -> None:
    """While the API server has not been told of the new authority, the old one's certificate stays, grace or not."""
    cluster = kept()
    walk(cluster, days=486)
    before = cluster.secret
    cluster.step(DAY, publish=False)
    for _ in range(5):
        cluster.step(DAY, publish=False)
        assert cluster.secret[CERTIFICATE] == before[CERTIFICATE]

    cluster.step(MINUTE)  # now it is told
    cluster.step(MINUTE)
    assert cluster.secret[CERTIFICATE] != before[CERTIFICATE]


def test_certificate_that_ends_cuts_the_grace_short() -> None:
    """With an authority that ends within the hour, the certificate moves to the next one before that."""
    cluster = Cluster()
    short = pki.make_authority("short", now=START, lifetime=30 * MINUTE)
    cluster.secret = {CA_BUNDLE: short.certificate_pem(), CA_KEY: short.key_pem()}
    cluster.bundle = short.certificate_pem()
    cluster.step(calm=False)
    for _ in range(180):
        cluster.step(MINUTE)

    assert len(pki.read_certificates(cluster.bundle)) == 1
    assert pki.read_certificates(cluster.bundle) != [short.certificate]


@given(
    steps=st.lists(
        st.one_of(
            st.timedeltas(dt.timedelta(seconds=1), 2 * GRACE),
            st.timedeltas(DAY, 25 * DAY),
            st.just(dt.timedelta(minutes=1)),
        ),
        max_size=80,
    )
)
@settings(max_examples=40, deadline=None)
def test_no_pace_of_looking_breaks_trust(steps: list[dt.timedelta]) -> None:
    """However irregularly the leader looks, but at least every 25 days, every call between two looks succeeds."""
    cluster = Cluster()
    for later in steps:
        cluster.step(later)


@given(steps=st.lists(st.timedeltas(dt.timedelta(), 1500 * DAY), max_size=12))
@settings(max_examples=40, deadline=None)
def test_after_any_absence_all_is_well_again(steps: list[dt.timedelta]) -> None:
    """After weeks or years without a leader, the first look leaves a certificate that is trusted."""
    cluster = Cluster()
    for later in steps:
        cluster.step(later, calm=False)


def test_new_host_gets_a_certificate_at_once() -> None:
    """When the webhook is called by another name, the same authority signs for it, and the key is another."""
    cluster = kept()
    before = cluster.secret
    cluster.hosts = ("10.0.0.7", "mooring.elsewhere.svc")
    cluster.step(MINUTE, calm=False)

    assert cluster.bundle == bundle_of(before)
    assert cluster.secret[KEY] != before[KEY]
    assert not trusts(cluster.bundle, cluster.secret, now=cluster.now, hosts=HOSTS)


def test_new_host_on_the_day_of_a_new_authority() -> None:
    """On the day on which the authority is replaced too, the old one still signs: the new one is not trusted yet."""
    cluster = kept()
    walk(cluster, days=486)
    cluster.hosts = (*HOSTS, "127.0.0.1")
    told = cluster.bundle
    cluster.step(DAY, calm=False)

    assert len(pki.read_certificates(cluster.bundle)) == 2
    assert trusts(told, cluster.secret, now=cluster.now, hosts=cluster.hosts)


def test_impossible_host_is_an_error() -> None:
    """A host that cannot stand in a certificate is named in a ValueError."""
    with pytest.raises(ValueError, match="under_score"):
        plan({}, hosts=["under_score.svc"], published=False, now=START)


@pytest.mark.parametrize("lost", [CA_KEY, KEY, CERTIFICATE])
def test_a_lost_part_is_made_anew_without_a_break(lost: str) -> None:
    """Whichever part but the bundle goes missing, what the API server trusts and what replicas serve still fit."""
    cluster = kept()
    served = cluster.secret
    cluster.secret = {key: value for key, value in cluster.secret.items() if key != lost}
    cluster.step(MINUTE, calm=False)

    assert trusts(bundle_of(cluster.secret), served, now=cluster.now)
    assert trusts(bundle_of(served), cluster.secret, now=cluster.now)
    assert cluster.secret.keys() == KEYS
    for _ in range(4):
        cluster.step(GRACE)
    assert len(pki.read_certificates(cluster.bundle)) == 1


_made: Content = plan({}, hosts=HOSTS, published=False, now=START)
_others: Content = plan({}, hosts=HOSTS, published=False, now=START)
_part = st.one_of(st.binary(max_size=40), st.sampled_from([*_made.values(), *_others.values(), b"-----BEGIN X-----"]))


@given(
    stored=st.dictionaries(st.sampled_from([*sorted(KEYS), "user.txt"]), _part),
    published=st.booleans(),
    later=st.timedeltas(-400 * DAY, 1000 * DAY),
)
@settings(deadline=None)
def test_whatever_is_stored_becomes_sound(stored: Content, published: bool, later: dt.timedelta) -> None:
    """From any mixture of garbage and parts of two pairs, at any time, comes what works, and stays as it is then."""
    now = START + later
    first = plan(stored, hosts=HOSTS, published=published, now=now)

    assert first.keys() == KEYS
    assert trusts(bundle_of(first), first, now=now)
    assert pki.read_pair(first[CA_KEY], first[CA_BUNDLE])
    assert plan(first, hosts=HOSTS, published=False, now=now) == first


def test_nothing_is_made_while_nothing_is_due() -> None:
    """Between two renewals the plan is what is stored, to the byte."""
    cluster = kept()
    cluster.step(2 * GRACE)
    settled = cluster.secret
    for _ in range(57):
        cluster.step(DAY)
        assert cluster.secret == settled
    walk(cluster, days=3)
    assert cluster.secret[CERTIFICATE] != settled[CERTIFICATE]


def test_a_foreign_authority_that_signs_nothing_is_replaced() -> None:
    """A server's own pair put in the authority's place is not signed with: clients would not accept that."""
    cluster = kept()
    server = {CA_BUNDLE: cluster.secret[CERTIFICATE], CA_KEY: cluster.secret[KEY]}
    mended = plan({**cluster.secret, **server}, hosts=HOSTS, published=True, now=cluster.now)

    assert pki.read_certificates(mended[CA_BUNDLE])[0] != pki.read_certificates(cluster.secret[CERTIFICATE])[0]
    assert trusts(bundle_of(mended), mended, now=cluster.now)


def test_a_clock_that_was_set_back_is_survived() -> None:
    """Certificates from the future are made anew once, not at each look."""
    cluster = kept()
    cluster.step(-30 * DAY, calm=False)
    settled = cluster.secret
    cluster.step(MINUTE)

    assert cluster.secret == settled
