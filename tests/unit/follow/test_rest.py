"""Answers of a storage system's API: bounded in time and size, and refusals in words."""

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from tests.unit.follow.servers import Handler, serving

from mooring import pki
from mooring.api.conditions import LocatorReason
from mooring.follow import rest
from mooring.follow.rest import Access, RestApi, RestError

ACCESS = Access(headers={"Authorization": "Bearer t0ken"}, tls=ssl.create_default_context())
DAY = dt.timedelta(days=1)


async def _fail(handler: Handler, *, seconds: float = 10.0) -> RestError:
    """Ask, and give the failure."""
    async with serving(handler) as url, RestApi(url) as api:
        with pytest.raises(RestError) as caught:
            await api.ask("/v1/nodes", ACCESS, seconds=seconds)
    return caught.value


async def test_a_question_carries_the_credentials() -> None:
    """The token goes with each request, a body makes it a POST, and the endpoint may have a path of its own."""

    async def answer(request: web.BaseRequest) -> web.Response:
        said = f"{request.method} {request.raw_path} {request.headers['Authorization']} {await request.text()}"
        return web.Response(text=said)

    async with serving(answer) as url, RestApi(f"{url}/px/") as api:
        assert await api.ask("/v1/volumes/inspect/a%2Fb", ACCESS) == b"GET /px/v1/volumes/inspect/a%2Fb Bearer t0ken "
        assert await api.ask("/v1/volumes", ACCESS, body={}) == b"POST /px/v1/volumes Bearer t0ken {}"


@pytest.mark.parametrize(
    ("status", "body", "words", "reason"),
    [
        (401, '{"error":"e","code":16,"message":"no token"}', "it answers 401: no token", LocatorReason.NOT_READABLE),
        (403, "", "it answers 403", LocatorReason.NOT_READABLE),
        (404, "<html>\n\n not here", "it answers 404: <html> not here", LocatorReason.UNREACHABLE),
        (503, '{"error":"starting"}', "it answers 503: starting", LocatorReason.UNREACHABLE),
        (500, "x" * 10_000, f"it answers 500: {'x' * 200}", LocatorReason.UNREACHABLE),
    ],
)
async def test_refusals_are_told_in_its_own_words(status: int, body: str, words: str, reason: LocatorReason) -> None:
    """What the API says goes into the message, shortened; only 401 and 403 are about credentials."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=body)

    error = await _fail(answer)

    assert (str(error), error.status, error.reason) == (words, status, reason)


async def test_redirects_are_not_followed() -> None:
    """A token is not carried to wherever an answer points."""
    followed = []

    async def answer(request: web.BaseRequest) -> web.Response:
        followed.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    assert (await _fail(answer)).status == 307
    assert followed == ["/v1/nodes"]


async def test_a_silent_api_is_given_up() -> None:
    """An API that takes the request and says nothing is no longer waited for after the time given."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(5.0)
        return web.Response()

    assert str(await _fail(answer, seconds=0.05)) == "no answer within 0.05 s"


async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the bound is ever read, however much is sent."""
    monkeypatch.setattr(rest, "LARGEST_ANSWER", 10_000)
    sent = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 10**9:
            await response.write(b"x" * 10_000)
            sent += 10_000
        return response

    error = await _fail(answer)

    assert "larger than 10000 bytes" in str(error)
    assert error.status == 413
    assert sent < 10**8


async def test_nobody_there_is_said_so() -> None:
    """A refused connection is told without the objects that took part in it."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response()

    async with serving(answer) as url:
        pass
    async with RestApi(url) as api:
        with pytest.raises(RestError, match=r"^no connection: Connect") as caught:
            await api.ask("/v1/nodes", ACCESS)
    assert caught.value.reason is LocatorReason.UNREACHABLE


async def test_an_answer_cut_short_is_none() -> None:
    """A connection that ends in the middle of an answer gives an error, not half of the volumes."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{}")
        assert request.transport is not None
        request.transport.close()
        return response

    assert (await _fail(answer)).status == 0


async def test_only_a_trusted_certificate_is_accepted(tmp_path: Path) -> None:
    """The API must prove itself by a certificate of the authority, for the name by which it is called."""
    authority, other = (pki.make_authority(name, now=dt.datetime.now(dt.UTC), lifetime=DAY) for name in ("a", "b"))
    pair = pki.make_serving(authority, name="px", hosts=["127.0.0.1"], now=dt.datetime.now(dt.UTC), lifetime=DAY)
    (tmp_path / "tls.crt").write_bytes(pair.certificate_pem())
    (tmp_path / "tls.key").write_bytes(pair.key_pem())
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="{}")

    async with serving(answer, tls=server) as url, RestApi(url) as api:
        trusting = ssl.create_default_context(cadata=authority.certificate_pem().decode())
        assert await api.ask("/v1/nodes", Access({}, trusting)) == b"{}"
        for context in (
            ssl.create_default_context(),
            ssl.create_default_context(cadata=other.certificate_pem().decode()),
        ):
            with pytest.raises(RestError, match=r"its certificate is not accepted: .*verify failed"):
                await api.ask("/v1/nodes", Access({}, context))
        async with RestApi(url.replace("127.0.0.1", "localhost")) as misnamed:
            with pytest.raises(RestError, match=r"its certificate is not accepted: .*mismatch"):
                await misnamed.ask("/v1/nodes", Access({}, trusting))
