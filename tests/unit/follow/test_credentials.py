"""Tokens and authorities from Secrets: read anew each time, and kept while the API server does not answer."""

import datetime as dt
from collections.abc import Mapping

import pytest

from mooring import pki
from mooring.api.conditions import LocatorReason
from mooring.api.locator import SecretKey
from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.secrets import Secret, SecretMetadata
from mooring.follow import credentials
from mooring.follow.credentials import Credentials
from mooring.follow.rest import RestError

TOKEN = SecretKey(name="px-token", key="auth-token")
AUTHORITY = SecretKey(name="px-ca", key="ca.crt")


class Secrets:
    """The Secrets of a namespace, or an API server that fails."""

    def __init__(self) -> None:
        self.data: dict[str, Mapping[str, bytes]] = {}
        self.failure: Exception | None = None

    async def read(self, _api: ApiServer, *, namespace: str, name: str) -> Secret:
        """Stand in for `read_secret`."""
        if self.failure is not None:
            raise self.failure
        if name not in self.data:
            raise ApiError(404, f'secrets "{namespace}/{name}" not found')
        return Secret(metadata=SecretMetadata(uid="u", resource_version="1"), data=self.data[name])


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    """Give a namespace without Secrets."""
    made = Secrets()
    monkeypatch.setattr(credentials, "read_secret", made.read)
    return made


def _credentials(*, token: SecretKey | None = None, authority: SecretKey | None = None) -> Credentials:
    return Credentials(None, namespace="mooring-system", token=token, authority=authority)  # type: ignore[arg-type]


async def test_none_are_needed(secrets: Secrets) -> None:
    """Without Secrets nothing is read, no token is sent, and certificates of the system's authorities are wanted."""
    secrets.failure = ApiError(403, "forbidden")

    access = await _credentials().read()

    assert access.headers == {}
    assert access.tls.check_hostname


async def test_a_new_token_is_taken_up(secrets: Secrets) -> None:
    """The token is what the Secret says now, without the line's end that editors leave."""
    secrets.data["px-token"] = {"auth-token": b"one\n"}
    reader = _credentials(token=TOKEN)

    assert (await reader.read()).headers == {"Authorization": "Bearer one"}
    secrets.data["px-token"] = {"auth-token": b"two"}
    assert (await reader.read()).headers == {"Authorization": "Bearer two"}


async def test_a_new_authority_is_taken_up(secrets: Secrets) -> None:
    """Only the Secret's certificates are trusted. A new context means new connections: none without a change."""
    pems = [
        pki.make_authority(name, now=dt.datetime.now(dt.UTC), lifetime=dt.timedelta(days=1)).certificate_pem()
        for name in ("a", "b")
    ]
    reader = _credentials(authority=AUTHORITY)
    secrets.data["px-ca"] = {"ca.crt": pems[0]}
    first = (await reader.read()).tls
    assert (await reader.read()).tls is first
    secrets.data["px-ca"] = {"ca.crt": pems[1]}
    second = (await reader.read()).tls

    names = [context.get_ca_certs()[0]["subject"] for context in (first, second)]
    assert names == [((("commonName", name),),) for name in ("a", "b")]
    assert all(len(context.get_ca_certs()) == 1 for context in (first, second))


@pytest.mark.parametrize("failure", [ApiError(503, "starting"), TimeoutError(), ConnectionResetError("gone")])
async def test_the_api_server_s_absence_changes_nothing(secrets: Secrets, failure: Exception) -> None:
    """What was read last holds while the API server does not answer."""
    secrets.data["px-token"] = {"auth-token": b"one"}
    reader = _credentials(token=TOKEN)
    await reader.read()
    secrets.failure = failure

    assert (await reader.read()).headers == {"Authorization": "Bearer one"}


@pytest.mark.parametrize(
    ("data", "failure", "words"),
    [
        (None, None, r"not found"),
        ({}, None, r"it has no key auth-token, or nothing in it"),
        ({"auth-token": b" \n"}, None, r"it has no key auth-token, or nothing in it"),
        ({"auth-token": b"a\nb"}, None, r"the key auth-token holds no token"),
        ({"auth-token": b"\xff"}, None, r"the key auth-token holds no token"),
        (None, ApiError(403, "forbidden: no"), r"403 forbidden: no"),
        (None, TimeoutError(), r"TimeoutError"),
    ],
)
async def test_a_token_that_cannot_be_had_is_told(
    secrets: Secrets, data: Mapping[str, bytes] | None, failure: Exception | None, words: str
) -> None:
    """The error names the Secret and what is wrong with it, never what is in it."""
    if data is not None:
        secrets.data["px-token"] = data
    secrets.failure = failure

    with pytest.raises(RestError, match=f"^the Secret mooring-system/px-token cannot be used: .*{words}") as caught:
        await _credentials(token=TOKEN).read()
    assert caught.value.reason is LocatorReason.NOT_READABLE


@pytest.mark.parametrize(
    "text", [b"no PEM", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
async def test_an_authority_that_is_none_is_told(secrets: Secrets, text: bytes) -> None:
    """Whatever is no certificate is an error, and not a reason to trust somebody else."""
    secrets.data["px-ca"] = {"ca.crt": text}

    with pytest.raises(RestError, match=r"px-ca cannot be used: the key ca.crt holds no certificates: ."):
        await _credentials(authority=AUTHORITY).read()


async def test_a_secret_that_went_is_told(secrets: Secrets) -> None:
    """A Secret that somebody deleted is not remembered: that would be a token that lives on."""
    secrets.data["px-token"] = {"auth-token": b"one"}
    reader = _credentials(token=TOKEN)
    await reader.read()
    del secrets.data["px-token"]

    with pytest.raises(RestError, match="not found"):
        await reader.read()
