"""Which version of a resource the API server serves, if it serves it at all.

Asked of the API server's discovery documents, which every authenticated client may read, so that no right on
CustomResourceDefinitions is needed. A group that nobody serves costs one small request.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import aiohttp
import msgspec

from mooring.api.locator import NEWEST, FollowedResource
from mooring.cluster.connection import ApiError, ApiServer

_LIMITS: Final = aiohttp.ClientTimeout(total=10.0)
_CORE_VERSION: Final = "v1"
_KUBERNETES: Final = re.compile(r"v(?P<major>\d+)(?:(?P<stage>alpha|beta)(?P<minor>\d+))?")
_STAGES: Final = ("alpha", "beta", None)


_Document = TypeVar("_Document")


class Served(NamedTuple):
    """A resource as it is served.

    Attributes:
        group: its API group, empty for the core one.
        version: the version to follow.
        resource: its name.
        namespaced: whether its objects are in namespaces.
    """

    group: str
    version: str
    resource: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`apiVersion`, as manifests say it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None) -> str:
        """The collection's path, over all namespaces or within one."""
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{_root(self.group)}/{self.version}{scope}/{self.resource}"

    def __str__(self) -> str:
        """What a status calls it, such as `longhorn.io/v1beta2 replicas`."""
        return f"{self.api_version} {self.resource}"


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct):
    versions: list[_Version] = []


class _Resource(msgspec.Struct):
    name: str
    namespaced: bool


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


async def find_served(api: ApiServer, wanted: FollowedResource) -> Served | None:
    """Find the version in which a resource is served: the one that is wanted, or the newest; None for none.

    Raises:
        ApiError: the API server refused to tell.
        aiohttp.ClientError, TimeoutError: there was no answer.
        ValueError: the answer is no discovery document.
    """
    for version in await _versions(api, wanted):
        found = await _read(api, f"{_root(wanted.group)}/{version}", _Resources)
        for each in found.resources if found else ():
            if each.name == wanted.resource:
                return Served(wanted.group, version, each.name, each.namespaced)
    return None


def newest_first(versions: Sequence[str]) -> list[str]:
    """Order versions: as Kubernetes does where they have its form (v2, v1, v1beta2, v1alpha1), then by their numbers.

    LINSTOR's v1-9-0 and v1-33-1 are of no such form, and Kubernetes would order them by their letters.
    """
    return sorted(versions, key=_rank, reverse=True)


def _rank(version: str) -> tuple[bool, int, list[int], str]:
    form = _KUBERNETES.fullmatch(version)
    stage = _STAGES.index(form["stage"]) if form else 0
    return form is not None, stage, [int(number) for number in re.findall(r"\d+", version)], version


async def _versions(api: ApiServer, wanted: FollowedResource) -> Sequence[str]:
    if wanted.version != NEWEST:
        return [wanted.version]
    if not wanted.group:
        return [_CORE_VERSION]
    group = await _read(api, _root(wanted.group), _Group)
    return newest_first([each.version for each in group.versions]) if group else []


async def _read(api: ApiServer, path: str, form: type[_Document]) -> _Document | None:
    try:
        return msgspec.json.decode(await api.send("GET", path, limits=_LIMITS), type=form)
    except ApiError as error:
        if error.is_missing:
            return None
        raise


def _root(group: str) -> str:
    return f"/apis/{group}" if group else "/api"
