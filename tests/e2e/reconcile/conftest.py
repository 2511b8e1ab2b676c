"""The API server as the operator's own parts see it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from mooring.cluster.connection import ApiServer
from mooring.sandbox.launcher import Sandbox


@pytest_asyncio.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[ApiServer]:
    """Give a connection to the session's control plane."""
    connected = await ApiServer.connect(kubeconfig=sandbox.kubeconfig())
    yield connected
    await connected.close()
