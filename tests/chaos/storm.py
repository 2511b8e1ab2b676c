"""The storm: pods come while the operator is killed, the API server is stopped and watches are cut.

What must hold afterwards is in `promises`.
"""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from tests.chaos.clock import Clock
from tests.chaos.creator import Creator
from tests.chaos.crowd import NAMESPACE, Crowd, assemble
from tests.chaos.promises import Judgement, Sight, judge
from tests.chaos.replicas import Replicas
from tests.chaos.sizes import Blow, Size, Strike
from tests.e2e.release import Release
from tests.e2e.support import eventually
from tests.programs import Helm

from mooring.sandbox.client import ApiError
from mooring.sandbox.launcher import Sandbox, up
from mooring.sandbox.processes import LOOPBACK, free_ports
from mooring.sandbox.progress import Progress

_LOOK_SECONDS: Final = 2.0
_REFUSED: Final = 400
_WRITES: Final = frozenset({"create", "update", "patch", "delete"})


@dataclass(kw_only=True)
class Outcome:
    """What was done and what came out.

    Attributes:
        struck: each blow as it was dealt, and when.
        retries: how often a creation had to be tried again.
        settled: seconds from the last blow or creation until every promise held; None if they did not in time.
        ends: why the operator's processes ended.
        writes: successful writes of the operator: verb and resource.
        complaints: what its logs should not say.
    """

    judgement: Judgement
    struck: list[str]
    retries: int
    settled: float | None
    ends: Counter[str]
    writes: Counter[str]
    complaints: Counter[str]

    @property
    def broken(self) -> list[str]:
        """A sentence for each broken promise."""
        strange = [f"a replica ended with {end}" for end in self.ends if end != "killed"]
        return [*self.judgement.broken, *strange, *(f"a replica's log says: {each}" for each in self.complaints)]


def run(size: Size, *, seed: int, helm: Helm, directory: Path, progress: Progress) -> Outcome:
    """Let a storm rage over a sandbox of its own, and judge what is left.

    Afterwards the operator's logs are in `directory` and, in `seen.json`, what was judged.
    """
    crowd = assemble(pods=size.pods, nodes=size.nodes, seconds=size.seconds, seed=seed)
    with _sandbox(size, progress) as sandbox:
        port = free_ports(["webhook"], taken=[])["webhook"]
        webhook = {
            "url": f"https://{LOOPBACK}:{port}/mutate",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        }
        progress("installing the release")
        release = Release(sandbox, helm, directory, admission={}, webhook=webhook)
        with Replicas(sandbox, release, directory, webhook_port=port) as replicas:
            storm = _Storm(size, crowd, sandbox, replicas, release.user, progress)
            storm.prepare()
            outcome, sight = storm.rage()
    (directory / "seen.json").write_bytes(msgspec.json.encode(sight))
    return outcome


@contextlib.contextmanager
def _sandbox(size: Size, progress: Progress) -> Iterator[Sandbox]:
    sandbox = up(name=f"chaos-{os.getpid()}", nodes=size.nodes, zones=2, racks=4, progress=progress)
    try:
        yield sandbox
    finally:
        progress("taking the sandbox down")
        sandbox.down()


class _Storm:
    def __init__(
        self, size: Size, crowd: Crowd, sandbox: Sandbox, replicas: Replicas, user: str, progress: Progress
    ) -> None:
        self._size: Final = size
        self._crowd: Final = crowd
        self._sandbox: Final = sandbox
        self._replicas: Final = replicas
        self._user: Final = user
        self._progress: Final = progress
        self._creator: Final = Creator(sandbox)
        self._struck: Final[list[str]] = []
        self._began = 0.0
        self._since = 0

    def prepare(self) -> None:
        """Put there what is there before, and wait until the operator looks after it."""
        with self._sandbox.client() as client:
            client.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            eventually(lambda: client.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"))
        self._progress("creating volumes")
        self._creator.create(self._crowd.before, clock=Clock())
        self._progress("waiting for the operator")
        eventually(lambda: self._replicas.are_ready, timeout=180)
        self._sandbox.wait_for(self._is_looked_after, "bound claims and a policy in force", timeout=180)
        self._since = self._sandbox.audit_offset()

    def rage(self) -> tuple[Outcome, Sight]:
        """Let it rage, wait until it is over, and judge what is seen then."""
        self._began = time.monotonic()
        clock = Clock()
        with ThreadPoolExecutor(1) as pool:
            creating = pool.submit(self._creator.create, self._crowd.during, clock=clock)
            for strike in self._size.strikes:
                clock.wait_until(strike.at)
                # Nobody comes meanwhile: on a slow machine admission would hardly be there for anybody.
                with clock.held():
                    self._sandbox.wait_for(lambda: self._replicas.are_ready, "the operator to be back", timeout=180)
                self._strike(strike)
            creating.result()
        over = time.monotonic()
        self._progress("the storm is over")
        sight = self._settle(deadline=over + self._size.settling)
        judgement = judge(self._crowd, sight)
        outcome = Outcome(
            judgement=judgement,
            struck=self._struck,
            retries=len(self._creator.refusals),
            settled=None if judgement.broken else time.monotonic() - over,
            ends=self._replicas.ends(),
            writes=self._writes(),
            complaints=self._replicas.complaints(),
        )
        return outcome, sight

    def _strike(self, strike: Strike) -> None:
        about = f"{strike.blow}{f' for {strike.seconds:g} s' if strike.seconds else ''}"
        self._progress(about)
        self._struck.append(f"{time.monotonic() - self._began:5.1f} s  {about}")
        if strike.blow in {Blow.KILL_ALL, Blow.KILL_LEADER, Blow.KILL_FOLLOWER}:
            self._kill(strike.blow)
        elif strike.blow is Blow.STOP_API_SERVER:
            self._sandbox.stop("kube-apiserver")
            time.sleep(strike.seconds)
            self._sandbox.start("kube-apiserver")
        elif strike.blow is Blow.CUT_WATCHES:
            self._struck[-1] += f": {self._replicas.api.cut()} of them"
        else:
            with self._replicas.api.down():
                time.sleep(strike.seconds)

    def _kill(self, whom: Blow) -> None:
        leader = None
        if whom is not Blow.KILL_ALL:
            with self._sandbox.client() as client:
                # The Lease of one that was killed has to run out first.
                leader = eventually(lambda: self._replicas.leader(client))
        for replica in self._replicas.all:
            if whom is Blow.KILL_ALL or (replica is leader) == (whom is Blow.KILL_LEADER):
                replica.kill()

    def _settle(self, *, deadline: float) -> Sight:
        """Look until every promise holds or the time is over, and give what was seen last."""
        while True:
            with contextlib.suppress(OSError, ApiError):
                sight = self._look()
                broken = judge(self._crowd, sight).broken
                if not broken or time.monotonic() > deadline:
                    return sight
                self._progress(f"settling: {len(broken)} promises do not hold yet, such as: {broken[0]}")
            time.sleep(_LOOK_SECONDS)

    def _look(self) -> Sight:
        core, apps = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
        with self._sandbox.client() as client:
            return Sight(
                pods=client.get(f"{core}/pods")["items"],
                workloads=[*client.get(f"{apps}/deployments")["items"], *client.get(f"{apps}/statefulsets")["items"]],
                events=client.get(f"{core}/events")["items"],
                created=self._creator.pods,
                audited=list(self._sandbox.audit(since=self._since)),
                user=self._user,
            )

    def _is_looked_after(self) -> bool:
        with self._sandbox.client() as client:
            claims = client.get(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims")["items"]
            policies = client.get(f"/apis/mooring.dev/v1alpha1/namespaces/{NAMESPACE}/volumeplacementpolicies")["items"]
        bound = all(claim["status"].get("phase") == "Bound" for claim in claims)
        return bound and all(policy.get("status", {}).get("observedGeneration") for policy in policies)

    def _writes(self) -> Counter[str]:
        events = self._sandbox.audit(user=self._user, since=self._since)
        return Counter(
            " ".join((event["verb"], event["objectRef"]["resource"], event["objectRef"].get("subresource", ""))).strip()
            for event in events
            if event["verb"] in _WRITES and event["responseStatus"].get("code", 0) < _REFUSED
        )
