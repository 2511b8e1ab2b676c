"""Creating objects at their times, as a controller does: again and again, while the API server is away."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.chaos.clock import Clock
from tests.chaos.crowd import Creation
from tests.e2e.manifests import Manifest

from mooring.sandbox.client import ApiClient, ApiError
from mooring.sandbox.launcher import Sandbox

_CLIENTS: Final = 4
_RETRY_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 90.0
_CONFLICT: Final = 409
#: Refused because somebody is not there yet: the service account, the list of webhooks, the API server itself.
_NOT_YET: Final = frozenset({403, 429, 500, 502, 503, 504})


class Creator:
    """A few clients that create objects.

    Attributes:
        pods: the uid of each pod that was created, by name.
        refusals: why something had to be tried again, each time.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.pods: Final[dict[str, str]] = {}
        self.refusals: Final[list[str]] = []
        self._sandbox: Final = sandbox

    def create(self, creations: Sequence[Creation], *, clock: Clock) -> None:
        """Create all of them, each at its time, and return then.

        Raises:
            ApiError: the API server refuses one.
            OSError: it was away for too long.
        """
        pending = iter(creations)  # a list's iterator gives each of them to one thread only

        def work() -> None:
            with self._sandbox.client() as client:
                for creation in pending:
                    clock.wait_until(creation.at)
                    self._insist(client, creation)

        with ThreadPoolExecutor(_CLIENTS) as pool:
            for done in [pool.submit(work) for _ in range(_CLIENTS)]:
                done.result()

    def _insist(self, client: ApiClient, creation: Creation) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                made = _create(client, creation)
            except (ApiError, OSError) as error:
                if time.monotonic() > deadline or (isinstance(error, ApiError) and error.status not in _NOT_YET):
                    raise
                self.refusals.append(str(error))
                time.sleep(_RETRY_SECONDS)
            else:
                if made["kind"] == "Pod":
                    self.pods[made["metadata"]["name"]] = made["metadata"]["uid"]
                return


def _create(client: ApiClient, creation: Creation) -> Manifest:
    try:
        return dict(client.create(creation.collection, creation.manifest))
    except ApiError as error:
        # It was created, and the answer lost.
        if error.status != _CONFLICT:
            raise
        return dict(client.get(f"{creation.collection}/{creation.manifest['metadata']['name']}"))
