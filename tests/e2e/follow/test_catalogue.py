"""Every shipped locator on a real API server, with its own rights: what the operator makes of a driver's objects.

Portworx, whose replicas no resource tells, is tested with the OpenStorage API.
"""

import pytest
from tests.catalogue import Driver, Expected, Manifest, located_drivers
from tests.e2e.follow.field import Field
from tests.e2e.follow.installation import Installation
from tests.e2e.support import eventually

from mooring.api.annotations import NodeStorageState

_WATCHED = [driver for driver in located_drivers() if driver.locator is not None and driver.locator.spec.replicas]
_REFUSED = {NodeStorageState.DEGRADED, NodeStorageState.OFFLINE}


def eligible(installation: Installation, expected: Expected) -> list[str]:
    """Give the nodes on which a strict pod may run: where its data can be used; anywhere if the place is unknown."""
    states = installation.driver.expectation.states
    refused = {node for node, state in states.items() if state in _REFUSED} | {*expected.offline}
    return sorted({*(expected.nodes or installation.nodes)} - refused)


def await_answers(installation: Installation, volumes: dict[str, Expected]) -> None:
    """Wait until the extender answers of all these volumes as is expected."""

    def answers() -> bool:
        wanted = {name: eligible(installation, expected) for name, expected in volumes.items()}
        told = {name: installation.kept(name) for name in volumes}
        assert told == wanted, {name: (told[name], wanted[name]) for name in volumes if told[name] != wanted[name]}
        return True

    # A right or a resource that is new may be missed at first: Mooring looks again 10 s later, and 15 s after that.
    eventually(answers, timeout=120)


def assert_explained(installation: Installation, volumes: dict[str, Expected]) -> None:
    """Compare what `mooring explain` says of all these volumes with what is expected."""
    told = installation.explained()
    for name, expected in volumes.items():
        found = told[name]
        assert (found["nodes"], found["precision"]) == (expected.nodes, expected.precision), found
        assert found["usable"] == (eligible(installation, expected) if expected.nodes else []), found
        source = installation.driver.expectation.source_of(expected)
        assert all(part in found["source"] for part in source), found
        assert expected.problem in found["detail"], found


def followed(installation: Installation) -> Manifest:
    """Give the locator's status if it says that everything is followed, which is written after it is so."""
    status = installation.status()
    (ready,) = status.get("conditions") or [{}]
    assert (ready.get("status"), ready.get("reason")) == ("True", "Following"), status
    return status


@pytest.mark.parametrize("driver", _WATCHED, ids=lambda driver: driver.name)
def test_a_driver_is_followed(field: Field, driver: Driver) -> None:
    """Extender and explain answer as expected, and follow each change of an object; no expression fails."""
    installation = Installation(field.stage, driver)
    try:
        installation.install()
        known = dict(driver.expectation.volumes)
        await_answers(installation, known)

        for change in driver.expectation.changes:
            installation.change(change.object, change.patch)
            known |= change.volumes
            await_answers(installation, known)

        assert_explained(installation, known)
        status = eventually(lambda: followed(installation))
        assert status["failuresTotal"] == 0, status
    finally:
        installation.close()
