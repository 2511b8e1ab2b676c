"""The serving certificate over real TLS connections: before there is one, while it is there, and when it changes."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs

from mooring import pki
from mooring.pki import Pair
from mooring.serve.tls import ServingCertificate, from_files

HOST = "localhost"
DAY = dt.timedelta(days=1)


# Python's event loop and the one of `mooring run`: each has its own TLS.
on_both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Run = Callable[[Coroutine[Any, Any, None]], None]


class Files:
    """A certificate and its key in files, as an administrator gives them."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self._authority = pki.make_authority("ca", now=dt.datetime.now(dt.UTC), lifetime=DAY)

    @property
    def trusted(self) -> str:
        """What clients trust, as PEM."""
        return self._authority.certificate_pem().decode()

    def make(self) -> Pair:
        """Make a pair that is not written yet."""
        return pki.make_serving(
            self._authority, name="server", hosts=[HOST, "127.0.0.1"], now=dt.datetime.now(dt.UTC), lifetime=DAY
        )

    def write(self) -> Pair:
        """Write a new pair."""
        made = self.make()
        self.certificate.write_bytes(made.certificate_pem())
        self.key.write_bytes(made.key_pem())
        return made


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Give two files that do not exist yet."""
    return Files(tmp_path)


@pytest.fixture
def serving(files: Files) -> ServingCertificate:
    """Give a certificate from the files, which nobody has looked at."""
    return ServingCertificate(from_files(certificate=files.certificate, key=files.key))


@asynccontextmanager
async def listening(serving: ServingCertificate) -> AsyncIterator[int]:
    """Listen on a free port, with a server that closes whatever connects."""

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0, ssl=serving.context) as server:
        yield server.sockets[0].getsockname()[1]


async def presented(port: int, files: Files, *, name: str = HOST, **versions: ssl.TLSVersion) -> int:
    """Connect, check the certificate as the API server does, and give its serial number."""
    client = ssl.create_default_context(cadata=files.trusted)
    for attribute, version in versions.items():
        setattr(client, attribute, version)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
    presented = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(presented).serial_number


@on_both_loops
def test_handshakes_fail_before_there_is_a_certificate(files: Files, serving: ServingCertificate, run: Run) -> None:
    """A client's connection is closed at once; the server goes on, and serves what comes later."""

    async def connect() -> None:
        async with listening(serving) as port:
            with pytest.raises(ConnectionResetError):
                await presented(port, files)
            made = files.write()
            await serving.look()
            assert await presented(port, files) == made.certificate.serial_number

    run(connect())


@on_both_loops
@pytest.mark.parametrize("name", [HOST, "127.0.0.1"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_connections_get_the_new_certificate(
    files: Files, serving: ServingCertificate, run: Run, name: str, version: ssl.TLSVersion
) -> None:
    """One listener serves one certificate after another, also to who sends no server name, in either TLS version."""

    async def connect() -> None:
        async with listening(serving) as port:
            for _ in range(3):
                made = files.write()
                await serving.look()
                number = await presented(port, files, name=name, maximum_version=version, minimum_version=version)
                assert number == made.certificate.serial_number

    run(connect())


async def test_old_tls_is_refused(files: Files, serving: ServingCertificate) -> None:
    """Nothing below TLS 1.2 is spoken, also with the context that a connection is given later."""
    files.write()
    await serving.look()
    assert serving._current is not None

    assert {each.minimum_version for each in (serving.context, serving._current)} == {ssl.TLSVersion.TLSv1_2}


def half_written(files: Files) -> None:
    """Write the certificate of a new pair, whose key has not come yet."""
    files.certificate.write_bytes(files.make().certificate_pem())


def encrypted(files: Files) -> None:
    """Write a key that needs a password."""
    key = files.make().key
    cipher = serialization.BestAvailableEncryption(b"secret")
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher))


BROKEN: dict[str, tuple[Callable[[Files], object], str]] = {
    "half-written": (half_written, "KEY_VALUES_MISMATCH"),
    "encrypted": (encrypted, "the key is encrypted"),
    "garbage": (lambda files: files.certificate.write_bytes(b"garbage"), "PEM"),
    "empty": (lambda files: files.key.write_bytes(b""), "PEM"),
    "gone": (lambda files: files.key.unlink(), "tls.key"),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_certificate_leaves_the_last_one_in_force(
    files: Files, serving: ServingCertificate, how: str
) -> None:
    """What is half written, damaged or encrypted is reported once and not served; the last good one is."""
    spoil, reason = BROKEN[how]
    made = files.write()
    await serving.look()
    spoil(files)

    async with listening(serving) as port:
        with pytest.raises((OSError, ValueError), match=reason):
            await serving.look()
        assert await presented(port, files) == made.certificate.serial_number

        mended = files.write()
        await serving.look()
        assert await presented(port, files) == mended.certificate.serial_number


async def test_another_kind_of_key_replaces_the_old_one(files: Files, serving: ServingCertificate) -> None:
    """After a change from ECDSA to RSA the old certificate is served to nobody, though clients prefer its kind."""
    files.write()
    await serving.look()
    key = rsa.generate_private_key(65537, 2048)
    authority = files._authority
    builder = x509.CertificateBuilder(authority.certificate.subject, authority.certificate.subject, key.public_key())
    builder = builder.serial_number(7).not_valid_before(dt.datetime.now(dt.UTC) - DAY)
    builder = builder.not_valid_after(dt.datetime.now(dt.UTC) + DAY)
    made = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False).sign(
        authority.key, hashes.SHA256()
    )
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    await serving.look()

    async with listening(serving) as port:
        assert await presented(port, files) == 7


async def test_ready_with_the_first_certificate(files: Files, serving: ServingCertificate) -> None:
    """Whoever waits is let go when there is something to serve; a wait that is long is reported once."""
    with capture_logs() as lines:
        running = asyncio.create_task(serving.run())
        waiting = asyncio.create_task(serving.wait_ready())
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        made = files.write()
        await asyncio.wait_for(waiting, timeout=5)
        running.cancel()

    assert [line["event"] for line in lines] == ["certificate not read", "certificate loaded"]
    async with listening(serving) as port:
        assert await presented(port, files) == made.certificate.serial_number


async def test_no_key_is_left_on_disk(
    files: Files, serving: ServingCertificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that OpenSSL reads from is gone afterwards, also when it was refused."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    files.write()
    await serving.look()
    half_written(files)
    with pytest.raises(ssl.SSLError):
        await serving.look()

    assert list(scratch.iterdir()) == []
