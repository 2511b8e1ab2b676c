"""Lists of any length, page by page."""

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import msgspec

from mooring.cluster.connection import ApiServer

PAGE_SIZE: Final = 500

_LIMITS: Final = aiohttp.ClientTimeout(total=60.0)


class ListMeta(msgspec.Struct, rename="camel"):
    """A list's own metadata: the version from which a watch goes on, and where the next page begins."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct):
    """Some of a collection's objects, still encoded."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


_decoder: Final = msgspec.json.Decoder(Page)


async def read_pages(api: ApiServer, path: str, *, selector: str = "") -> AsyncIterator[Page]:
    """Give a collection, page by page; `selector` is a label selector as kubectl takes it.

    Raises:
        ApiError: the API server refused; 410 where it has forgotten the list between two pages.
        aiohttp.ClientError, TimeoutError: there was no answer.
        msgspec.DecodeError: the answer is no list.
    """
    query = {"limit": str(PAGE_SIZE)}
    if selector:
        query["labelSelector"] = selector
    while True:
        page = _decoder.decode(await api.send("GET", path, query=query, limits=_LIMITS))
        yield page
        if not page.metadata.continue_:
            return
        query["continue"] = page.metadata.continue_


async def read_items(api: ApiServer, path: str, *, selector: str = "") -> AsyncIterator[msgspec.Raw]:
    """Give each object of a collection, still encoded.

    Raises:
        ApiError, aiohttp.ClientError, TimeoutError, msgspec.DecodeError: as for `read_pages`.
    """
    async for page in read_pages(api, path, selector=selector):
        for item in page.items or ():
            yield item
