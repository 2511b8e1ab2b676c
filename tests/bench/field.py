"""A cluster in which one way of asking for locality after the other is tried.

Each pod has a claim of its own, bound to a volume that any node can mount and whose data lies on one random node; all
pods fit where their data is. The claims stay, and the pods of one way are gone before those of the next one come, so
that all find the same cluster.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tests.bench import coldstart, servers, world
from tests.bench.apiserver import CLAIMS, PODS, POLICIES, VOLUMES, create, send_all
from tests.bench.lives import Life, live
from tests.bench.servers import ServerError
from tests.bench.ways import STRICT, STRICT_POLICY, Way
from tests.bench.webhook import registered, wait_until_asked

from mooring.sandbox.client import ApiClient
from mooring.sandbox.launcher import Sandbox
from mooring.sandbox.progress import Progress

_QUIET_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 120.0


class Field:
    """Such a cluster, made of a sandbox that was started with so many nodes."""

    def __init__(self, sandbox: Sandbox, *, nodes: int, claims: int) -> None:
        dice = random.Random(nodes)  # noqa: S311 - the same places each time
        self._sandbox: Final = sandbox
        self._places: Final = [f"node-{dice.randint(1, nodes)}" for _ in range(claims)]

    def prepare(self, progress: Progress) -> None:
        """Create the policy and the claims."""
        send_all(self._sandbox, [[create(POLICIES, STRICT_POLICY)]], total=1, what="the strict policy", tell=progress)
        volumes = [world.volume(number, nodes=1) for number in range(len(self._places))]
        claims = [world.claim(number) for number in range(len(self._places))]
        for volume, claim, place in zip(volumes, claims, self._places, strict=True):
            volume["metadata"]["annotations"][world.REPLICAS] = place
            # The controller would take a claim that says it is bound, and whose volume it has not seen, for lost.
            del claim["metadata"]["annotations"]
        for path, objects, what in ((VOLUMES, volumes, "volumes"), (CLAIMS, claims, "claims")):
            writes = ([create(path, made)] for made in objects)
            send_all(self._sandbox, writes, total=len(objects), what=what, tell=progress)
        progress("waiting for the claims to be bound")
        with self._sandbox.client() as client:
            self._sandbox.wait_for(lambda: _all_bound(client), "the claims to be bound", timeout=_PATIENCE_SECONDS)

    @contextmanager
    def mooring(self) -> Iterator[None]:
        """Run Mooring: as the extender that the second scheduler asks, and as the webhook.

        Raises:
            ServerError: it did not get ready, or the API server never came to ask it.
        """
        with registered(self._sandbox) as webhook_port, self._sandbox.client() as client:
            ports = ("--port", str(self._sandbox.extender_port), "--webhook-port", str(webhook_port))
            account = ("--kubeconfig", str(self._sandbox.kubeconfig("mooring")))
            # Pods that a way leaves to the stock scheduler stay with it.
            with servers.mooring(*account, *ports, "--no-set-scheduler-name") as mooring:
                coldstart.wait_until_ready(mooring)
                wait_until_asked(client, STRICT.pod(0, data_on=self._places[0]))
                coldstart.wait_until_idle(mooring)
                yield

    def run(self, way: Way, pods: int, *, rate: float | None = None) -> tuple[list[Life], Counter[str]]:
        """Create pods, at a rate if one is given, and remove them.

        Gives their lives in the order of their claims, and how many requests the API server got until all was quiet
        again, by user. They are from the audit log, which leaves out what the control plane only reads.

        Raises:
            ServerError: none of the pods came to a node, or the cluster never came to rest.
        """
        since = self._sandbox.audit_offset()
        lives = live(
            self._sandbox.layout,
            [way.pod(number, data_on=node) for number, node in enumerate(self._places[:pods])],
            rate=rate,
        )
        if not any(life.node for life in lives.values()):
            raise ServerError(f"{way.name}: no pod came to a node")
        self._wait_until_quiet()
        requests = Counter(event["user"]["username"] for event in self._sandbox.audit(since=since) if _is_work(event))
        with self._sandbox.client() as client:
            client.request("DELETE", PODS)
        self._wait_until_quiet()
        return list(lives.values()), requests

    def count_local(self, lives: Sequence[Life]) -> int:
        """Give how many pods came to their data, of lives in the order of their claims."""
        return sum(life.node == place for life, place in zip(lives, self._places, strict=False))

    def _wait_until_quiet(self) -> None:
        """Wait until for a while nobody wrote anything.

        Raises:
            ServerError: somebody always does.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            since = self._sandbox.audit_offset()
            time.sleep(_QUIET_SECONDS)
            if not any(_is_work(event) for event in self._sandbox.audit(since=since)):
                return
        raise ServerError("the cluster never comes to rest")


def _all_bound(client: ApiClient) -> bool:
    return all(claim["status"]["phase"] == "Bound" for claim in client.get(CLAIMS)["items"])


def _is_work(event: dict[str, Any]) -> bool:
    """Tell whether a request has a purpose besides showing that somebody is alive."""
    return bool(event.get("objectRef", {}).get("resource") != "leases")
