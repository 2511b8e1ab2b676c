"""A resource of a storage system, followed while the cluster serves it and Mooring may read it.

That its CRD is absent, or comes later, is normal, and so is that its version changes: the discovery documents are
looked at now and then, and a list and a watch run for the version that they name.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import aiohttp

from mooring.api.conditions import LocatorReason
from mooring.api.locator import NEWEST, FollowedResource
from mooring.api.permissions import AGGREGATION_LABEL
from mooring.api.selectors import LabelExpression, LabelSelector, Operator
from mooring.cluster.connection import ApiError, ApiServer
from mooring.cluster.pace import Pace
from mooring.cluster.reflector import Reflector, Sink
from mooring.cluster.resources import Resource
from mooring.cluster.standing import Standing
from mooring.follow.discovery import Served, find_served
from mooring.follow.source import Report

#: How long until discovery is looked at again, in seconds: longer each time that nothing has changed.
_LOOKS: Final = (10.0, 60.0)
_GROWTH: Final = 1.5
#: The discovery documents may be a moment behind what the API server serves.
_LAG_SECONDS: Final = 1.0
#: A watch that is broken for longer than this is more than a restart of the API server, in seconds.
_BLIND_SECONDS: Final = 10.0
_FINAL: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


class WatchedResource:
    """Follows one resource into one sink."""

    def __init__(
        self,
        api: ApiServer,
        wanted: FollowedResource,
        sink: Sink,
        *,
        template: Resource,
        on_restart: Callable[[str, str], None],
    ) -> None:
        """Take what to follow.

        Args:
            api: the API server.
            wanted: which objects of which resource.
            sink: where its records are put.
            template: how objects become records, under which kind; where they are is found out.
            on_restart: called with the kind and a reason each time the watch is to be begun anew.
        """
        self._api: Final = api
        self._wanted: Final = wanted
        self._sink: Final = sink
        self._template: Final = template
        self._on_restart: Final = on_restart
        self._pause = _LOOKS[0]
        self._reflector: Reflector | None = None

    @property
    def name(self) -> str:
        """The kind that metrics and logs know it by."""
        return self._template.kind

    @property
    def heard(self) -> float | None:
        """When the API server was last heard of it; None while it is not followed."""
        return self._reflector.heard if self._reflector is not None else None

    async def run(self, report: Report) -> None:
        """Follow it until cancelled, whenever there is something to follow."""
        report(_standing(LocatorReason.READING, f"{self._wanted_name} is being read"))
        while True:
            try:
                served = await find_served(self._api, self._wanted)
            except ApiError as error:
                report(self._refused("discover", error))
            except (aiohttp.ClientError, OSError, ValueError) as error:
                message = f"discover {self._wanted_name}: {error or type(error).__name__}"
                report(_standing(LocatorReason.UNREACHABLE, message))
            else:
                if served is not None:
                    await asyncio.sleep(await self._follow(served, report))
                    continue
                await self._forget()
                report(_standing(LocatorReason.RESOURCE_ABSENT, self._absence()))
            await asyncio.sleep(self._next_look())

    async def _follow(self, served: Served, report: Report) -> float:
        """Mirror one version while it is the one to follow; returns how long to wait until the next look."""

        def on_sync() -> None:
            self._pause = _LOOKS[0]
            report(_standing(LocatorReason.FOLLOWING, f"{served} are followed", served))

        def on_restart(kind: str, reason: str) -> None:
            self._on_restart(kind, reason)
            is_lost = reflector.problem and (not reflector.synced or reflector.blind_for > _BLIND_SECONDS)
            if is_lost and reason != "expired":
                report(_standing(LocatorReason.UNREACHABLE, reflector.problem, served))

        resource = self._resource(served)
        reflector = Reflector(self._api, resource, self._sink, on_restart=on_restart, on_sync=on_sync, final=_FINAL)
        self._reflector = reflector
        mirror = asyncio.create_task(reflector.run())
        try:
            while not mirror.done():
                await asyncio.wait({mirror}, timeout=self._next_look())
                if not mirror.done() and await self._is_outdated(served):
                    return 0.0
            await mirror
        except ApiError as error:
            if error.is_missing:
                self._pause = _LOOKS[0]
                return _LAG_SECONDS
            report(self._refused("watch" if reflector.synced else "list", error))
            return self._next_look()
        finally:
            self._reflector = None
            mirror.cancel()
            with suppress(asyncio.CancelledError, ApiError):
                await mirror
        return 0.0

    async def _is_outdated(self, served: Served) -> bool:
        """Whether another version is the one to follow by now; in doubt it is not."""
        try:
            return await find_served(self._api, self._wanted) != served
        except (ApiError, aiohttp.ClientError, OSError, ValueError):
            return False

    async def _forget(self) -> None:
        pace = Pace()
        for _ in self._sink.replace(self.name, ()):
            await pace.breathe()

    def _resource(self, served: Served) -> Resource:
        selector = self._wanted.label_selector
        path = served.path(self._wanted.namespace)
        return replace(self._template, path=path, selector=query_of(selector) if selector is not None else "")

    @property
    def _wanted_name(self) -> str:
        return resource_name(self._wanted)

    def _absence(self) -> str:
        wanted = self._wanted
        version = "" if wanted.version == NEWEST else f" in version {wanted.version}"
        return f"the cluster does not serve {self._wanted_name}{version}"

    def _next_look(self) -> float:
        """When to look again: each time later, since what has not changed for long will hardly change now."""
        pause = self._pause
        self._pause = min(pause * _GROWTH, _LOOKS[1])
        return pause * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret

    def _refused(self, verb: str, error: ApiError) -> Standing:
        if error.status != HTTPStatus.FORBIDDEN:
            return _standing(LocatorReason.UNREACHABLE, f"{verb} {self._wanted_name}: {error}")
        hint = f'a ClusterRole that allows it and has the label {AGGREGATION_LABEL}: "true" mends that'
        return _standing(LocatorReason.NOT_READABLE, f"{verb} {self._wanted_name}: {error}; {hint}")


def resource_name(wanted: FollowedResource) -> str:
    """Name a resource with its group, such as `replicas.longhorn.io`."""
    return f"{wanted.resource}.{wanted.group}".removesuffix(".")


def query_of(selector: LabelSelector) -> str:
    """Give a label selector as the API server takes it in a query."""
    equal = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    return ",".join(equal + [_requirement(each) for each in selector.match_expressions])


def _requirement(expression: LabelExpression) -> str:
    values = ",".join(expression.values)
    match expression.operator:
        case Operator.IN:
            return f"{expression.key} in ({values})"
        case Operator.NOT_IN:
            return f"{expression.key} notin ({values})"
        case Operator.EXISTS:
            return expression.key
        case Operator.DOES_NOT_EXIST:
            return f"!{expression.key}"


def _standing(reason: LocatorReason, message: str, served: Served | None = None) -> Standing:
    return Standing(reason=reason, message=message, resource=str(served or ""))
