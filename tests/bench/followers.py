"""Two other ways to follow Longhorn's replicas, as a program: what Mooring's is measured against.

`bare` is Mooring's own list and watch into a dictionary, each object decoded by msgspec into the fields that are asked
for, with no expression and no location behind it: the least that a follower in Python can do. `kopf` is what an
operator would write: `@kopf.on.event` and the same dictionary. It says when it begins and when it has as many replicas
as it was told there are, and follows them until it is ended.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import kopf
import msgspec
import uvloop

from mooring.cluster.connection import ApiServer
from mooring.cluster.reflector import Reflector
from mooring.cluster.resources import Resource

BEGUN: Final = "begun"
LOADED: Final = "loaded"

_GROUP, _VERSION, _PLURAL = "longhorn.io", "v1beta2", "replicas"


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str


class _Spec(msgspec.Struct, rename="camel"):
    volume_name: str
    node: str = msgspec.field(name="nodeID")
    failed_at: str = ""
    healthy_at: str = ""
    active: bool = False


class _Replica(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec

    @property
    def key(self) -> str:
        return self.metadata.name

    @property
    def place(self) -> tuple[str, str, bool]:
        spec = self.spec
        return spec.volume_name, spec.node, spec.failed_at == "" and spec.healthy_at != "" and spec.active


class _Places:
    """Where replicas are and whether they can be used, by name."""

    def __init__(self, expected: int) -> None:
        self._expected: Final = expected
        self._places: Final[dict[str, tuple[str, str, bool]]] = {}

    def set(self, name: str, place: tuple[str, str, bool]) -> None:
        self._places[name] = place
        if len(self._places) == self._expected:
            _say(LOADED)

    # As a reflector puts them.

    def put(self, _kind: str, new: _Replica, /) -> None:
        self.set(new.key, new.place)

    def remove(self, _kind: str, key: str, /) -> None:
        self._places.pop(key, None)

    def replace(self, kind: str, objects: Iterable[_Replica], /) -> Iterator[None]:
        for new in objects:
            self.put(kind, new)
            yield


async def _follow_bare(kubeconfig: Path, places: _Places) -> None:
    api = await ApiServer.connect(kubeconfig=kubeconfig)
    path = f"/apis/{_GROUP}/{_VERSION}/{_PLURAL}"
    resource = Resource(kind=_PLURAL, path=path, record=_Replica, convert=lambda replica: replica)
    _say(BEGUN)
    await Reflector(api, resource, places, on_restart=lambda _kind, _why: None).run()


def _bare(kubeconfig: Path, places: _Places) -> None:
    uvloop.run(_follow_bare(kubeconfig, places))


def _kopf(kubeconfig: Path, places: _Places) -> None:
    credentials = asyncio.run(_credentials(kubeconfig))
    logging.getLogger().setLevel(logging.WARNING)

    @kopf.on.login()
    def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(**credentials)

    @kopf.on.startup()
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        _say(BEGUN)

    @kopf.on.event(_GROUP, _VERSION, _PLURAL)
    def replica(name: str, spec: kopf.Spec, **_: Any) -> None:
        usable = spec["failedAt"] == "" and spec["healthyAt"] != "" and spec["active"]
        places.set(name, (spec["volumeName"], spec["nodeID"], usable))

    kopf.run(standalone=True, clusterwide=True)


async def _credentials(kubeconfig: Path) -> Mapping[str, Any]:
    api = await ApiServer.connect(kubeconfig=kubeconfig)
    try:
        return api.credentials
    finally:
        await api.close()


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - how its starter learns it


WAYS: Final[dict[str, Callable[[Path, _Places], None]]] = {"bare": _bare, "kopf": _kopf}


def main() -> None:
    """Follow in one of the ways: its name, a kubeconfig, and how many replicas there are."""
    way, kubeconfig, expected = sys.argv[1:]
    WAYS[way](Path(kubeconfig), _Places(int(expected)))


if __name__ == "__main__":
    main()
