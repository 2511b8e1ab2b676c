"""The table of docs/drivers.md, made of what the tests prove: `python -m tests.drivers_table docs/drivers.md`.

Its rows are the folders of the catalogue (tests/catalogue.py). What is known, and how storage is said to be, is what
`test/expected.yaml` expects; what is followed live is the changes that the tests make there.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.catalogue import Driver, located_drivers, plain_drivers

from mooring.api.annotations import NodeStorageState
from mooring.api.locator import FollowedResource, LocatorSpec
from mooring.cluster.topology import Level

_BEGIN: Final = "<!-- The table is written by `make generate`. -->\n"
_END: Final = "\n<!-- Here it ends. -->"
_HEADINGS: Final = ("driver", "what is read", "what is known", "health", "followed live")

#: A path, perhaps into a map by key; not the method that is called on it.
_FIELD: Final = re.compile(r'\bobject\.(\w+(?:\.\w+\b(?!\())*(?:\["[^"]+"\])?)')


def table(drivers: Iterable[Driver]) -> str:
    """Give the table in Markdown, a row for each driver."""
    lines = [_HEADINGS, ["---"] * len(_HEADINGS), *map(_row, drivers)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def with_table(page: str) -> str:
    """Give a page's text with the table as it should be."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the page has no place for the table")
    return f"{before}{begin}\n{table(located_drivers() + plain_drivers())}\n{end}{after}"


def main(arguments: Sequence[str]) -> None:
    """Write the table into the page that the only argument names."""
    (page,) = map(Path, arguments)
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")


def _row(driver: Driver) -> list[str]:
    spec = driver.locator.spec if driver.locator is not None else None
    names = sorted({each["spec"]["csi"]["driver"] for each in _volumes(driver) if "csi" in each["spec"]})
    return [
        " ".join([driver.expectation.title, *(f"(`{name}`)" for name in names)]),
        "<br>".join(_read(spec) if spec is not None else _affinity(driver)),
        _precision(driver),
        _health(driver),
        _liveness(driver, spec),
    ]


def _volumes(driver: Driver) -> list[dict[str, Any]]:
    return driver.of_kind("PersistentVolume")


def _read(spec: LocatorSpec) -> Iterator[str]:
    """Each resource that a locator reads, with the fields that its expressions name."""
    if (api := spec.open_storage) is not None:
        yield f"OpenStorage API at `{api.endpoint}`"
    if (replicas := spec.replicas) is not None:
        expressions = [replicas.node, replicas.volume, replicas.usable, replicas.whole]
        label = f" (a node's label `{replicas.node_label}`)" if replicas.node_label else ""
        yield _fields(replicas.resource, expressions) + label
    if (nodes := spec.nodes) is not None:
        yield _fields(nodes.resource, [nodes.id, nodes.node, nodes.state or ""])
    if (serving := spec.serving) is not None:
        yield _fields(serving.resource, [serving.node, serving.volume, serving.usable])


def _fields(resource: FollowedResource, expressions: Iterable[str]) -> str:
    found = dict.fromkeys(path for expression in expressions for path in _FIELD.findall(expression))
    # What is only asked for on the way to a field of it.
    kept = [path for path in found if not any(other.startswith((f"{path}.", f"{path}[")) for other in found)]
    name = f"{resource.resource}.{resource.group}".removesuffix(".")
    return f"`{name}`: {', '.join(f'`{path}`' for path in kept)}"


def _affinity(driver: Driver) -> Iterator[str]:
    keys = dict.fromkeys(
        expression["key"]
        for volume in _volumes(driver)
        for term in volume["spec"].get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", [])
        for expression in term["matchExpressions"]
    )
    yield "`persistentvolumes`: `spec.nodeAffinity` by " + ", ".join(f"`{key}`" for key in keys)


def _precision(driver: Driver) -> str:
    levels = {each.level for each in driver.expectation.volumes.values() if each.level is not None}
    return ", ".join("node" if level is Level.HOST else level.name.lower() for level in sorted(levels))


def _health(driver: Driver) -> str:
    expectation = driver.expectation
    of_replicas = ["of replicas"] if any(each.offline for each in expectation.volumes.values()) else []
    states = [state for state in NodeStorageState if state in expectation.states.values()]
    of_nodes = [f"of nodes ({', '.join(f'`{state}`' for state in states)})"] if states else []
    return ", ".join([*of_replicas, *of_nodes]) or "not told"


def _liveness(driver: Driver, spec: LocatorSpec | None) -> str:
    if spec is None:
        return "does not change"
    if spec.open_storage is not None:
        return f"asked every {spec.open_storage.interval}"
    return "yes: " + "; ".join(change.because for change in driver.expectation.changes)


if __name__ == "__main__":
    main(sys.argv[1:])
