"""Taking Mooring out of a cluster: its operator, its webhook, and what it left on pods, workloads and policies.

What is there is read, taken away, and read again, until nothing is found. So what failed is tried again upon what the
object has become meanwhile, what came in between is found too, and a second run has nothing to do.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec

from mooring.api.conditions import FIELD_MANAGER
from mooring.api.locator import KIND as LOCATOR_KIND
from mooring.api.policy import PolicyKind
from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.leases import LeaseSpec
from mooring.cluster.lists import read_items
from mooring.cluster.records import WORKLOADS, Key
from mooring.cluster.resources import RESOURCES
from mooring.reconcile.standdown import (
    Release,
    await_no_leader,
    await_no_pods,
    delete_lease,
    read_leader,
    read_scale,
    scale_down,
)
from mooring.reconcile.traces import Change, Leftover, Trace, traces_of

_KINDS: Final = ("Pod", *WORKLOADS, *PolicyKind, LOCATOR_KIND)
_ATTEMPTS: Final = 4
_PAUSE_SECONDS: Final = 1.0
_CONCURRENT: Final = 16
_LIMITS: Final = aiohttp.ClientTimeout(total=30.0)
_WEBHOOKS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass
class Report:
    """What an uninstallation came to.

    Attributes:
        removed: which traces are gone, by object.
        leftovers: what stays by its nature, with the reason.
        failures: what could not be removed, each in a sentence.
    """

    removed: set[tuple[Key, Trace]] = field(default_factory=set)
    leftovers: Sequence[Leftover] = ()
    failures: list[str] = field(default_factory=list)


@dataclass
class _Found:
    changes: list[Change] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def add(self, each: Change | Leftover) -> None:
        if isinstance(each, Change):
            self.changes.append(each)
        else:
            self.leftovers.append(each)


class Uninstaller:
    """Takes one release out of a cluster; `tell` gets a line for each thing that is done."""

    def __init__(self, api: ApiServer, release: Release, *, tell: Callable[[str], None]) -> None:
        self._api: Final = api
        self._release: Final = release
        self._tell: Final = tell
        self._report: Final = Report()

    async def run(self) -> Report:
        """Take it out. What cannot be removed is reported and keeps nothing else from being removed.

        Raises:
            StillRunningError: an operator goes on running, and would put back what is taken away.
            aiohttp.ClientError, TimeoutError: there is no API server to talk to.
        """
        pods = await self._stop()
        # Before anything is waited for: with failurePolicy Fail no pod can be made without an operator.
        await self._delete_webhooks()
        lease = await self._await_silence(pods)
        await self._clean()
        await self._delete_lease(lease)
        return self._report

    async def preview(self) -> Report:
        """Tell what `run` would do, and write nothing.

        Raises:
            aiohttp.ClientError, TimeoutError: there is no API server to talk to.
        """
        with self._noting(f"Deployment {self._release}"):
            scale = await read_scale(self._api, self._release)
            if scale is not None and scale.replicas:
                self._tell(f"would scale Deployment {self._release} to 0")
        with self._noting(f"MutatingWebhookConfiguration {self._release.name}"):
            await self._api.send("GET", f"{_WEBHOOKS}/{self._release.name}")
            self._tell(f"would delete MutatingWebhookConfiguration {self._release.name}")
        found = await self._find()
        for line in _lines("would remove", found.changes):
            self._tell(line)
        with self._noting(f"Lease {self._release}"):
            if await read_leader(self._api, self._release) is not None:
                self._tell(f"would delete Lease {self._release}")
        self._report.leftovers = found.leftovers
        self._report.failures += found.unreadable
        return self._report

    async def _stop(self) -> str:
        """Tell the Deployment's replicas to end; returns what selects them, empty where there is none to wait for."""
        with self._noting(f"Deployment {self._release}"):
            scale = await read_scale(self._api, self._release)
            if scale is None:
                return ""
            if scale.replicas:
                await scale_down(self._api, self._release)
                self._tell(f"scaled Deployment {self._release} to 0")
            return scale.selector
        return ""

    async def _delete_webhooks(self) -> None:
        with self._noting(f"MutatingWebhookConfiguration {self._release.name}"):
            await self._api.send("DELETE", f"{_WEBHOOKS}/{self._release.name}")
            self._tell(f"deleted MutatingWebhookConfiguration {self._release.name}")

    async def _await_silence(self, pods: str) -> LeaseSpec | None:
        self._tell("waiting until no operator runs")
        with self._noting(f"pods of Deployment {self._release}"):
            if pods:
                await await_no_pods(self._api, self._release, pods)
        with self._noting(f"Lease {self._release}"):
            return await await_no_leader(self._api, self._release)
        return None

    async def _clean(self) -> None:
        """Take away what is found until nothing is, or until what is left has resisted often enough."""
        reasons: dict[tuple[Key, Trace], str] = {}
        found = await self._find()
        for _ in range(_ATTEMPTS):
            if not found.changes and not found.unreadable:
                break
            reasons = await self._remove(found.changes)
            await asyncio.sleep(_PAUSE_SECONDS)
            found = await self._find()
        self._report.leftovers = found.leftovers
        self._report.failures += found.unreadable
        for change in found.changes:
            reason = reasons.get((change.key, change.trace), "somebody puts it back")
            self._report.failures.append(f"{change.trace} of {change.key}: {reason}")

    async def _find(self) -> _Found:
        found = _Found()
        for kind in _KINDS:
            try:
                async for item in read_items(self._api, RESOURCES[kind].path):
                    for each in traces_of(kind, msgspec.json.decode(item)):
                        found.add(each)
            except (ApiError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                if not _is_missing(error):  # the CRDs may be gone already
                    found.unreadable.append(f"{kind}: {_text(error)}")
        return found

    async def _remove(self, changes: Sequence[Change]) -> dict[tuple[Key, Trace], str]:
        """Remove traces, one kind of them after the other; returns the reasons of what failed."""
        reasons: dict[tuple[Key, Trace], str] = {}
        slots = asyncio.Semaphore(_CONCURRENT)

        async def remove(change: Change) -> None:
            async with slots:
                try:
                    await self._send(change)
                except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                    if not _is_missing(error):
                        reasons[change.key, change.trace] = _text(error)
                else:
                    self._report.removed.add((change.key, change.trace))

        for trace in Trace:
            batch = [change for change in changes if change.trace is trace]
            for line in _lines("removing", batch):
                self._tell(line)
            await asyncio.gather(*map(remove, batch))
        return reasons

    async def _send(self, change: Change) -> None:
        query = {"fieldManager": FIELD_MANAGER}
        arguments: dict[str, Any] = {"query": query, "body": change.body, "content_type": change.content_type}
        await self._api.send("PATCH", change.path, limits=_LIMITS, **arguments)

    async def _delete_lease(self, before: LeaseSpec | None) -> None:
        with self._noting(f"Lease {self._release}"):
            now = await read_leader(self._api, self._release)
            if now != before:
                holder = (now.holder_identity if now else None) or "nobody"
                self._report.failures.append(
                    f"Lease {self._release}: an operator ran meanwhile ({holder} holds it now); run this again"
                )
            elif now is not None:
                await delete_lease(self._api, self._release)
                self._tell(f"deleted Lease {self._release}")

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Report a refusal instead of ending; what does not exist need not be removed."""
        try:
            yield
        except ApiError as error:
            if not _is_missing(error):
                self._report.failures.append(f"{what}: {error}")


def _lines(verb: str, changes: Sequence[Change]) -> Iterator[str]:
    """Say what is removed; workloads by name, because their pods are made anew."""
    for trace in Trace:
        keys = [change.key for change in changes if change.trace is trace]
        if trace is Trace.AFFINITY:
            yield from (f"{verb} the {trace} of {key}" for key in keys)
        elif keys:
            yield f"{verb} the {trace} of {len(keys)} object{'' if len(keys) == 1 else 's'}"


def _is_missing(error: Exception) -> bool:
    return isinstance(error, ApiError) and error.is_missing


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
