"""A control plane of its own: a cluster in three zones, on whose nodes there are disks of a real CSI driver."""

import os
import sys
from collections.abc import Generator, Iterator

import pytest
from tests.e2e.csi.disks import Disks
from tests.e2e.csi.scene import Scene
from tests.e2e.csi.storage import Storage
from tests.e2e.operator.webhooks import admit
from tests.e2e.process import MooringProcess
from tests.e2e.release import ADMISSION, Release
from tests.e2e.stage import Stage
from tests.programs import Helm

from mooring.sandbox.launcher import Sandbox, up
from mooring.sandbox.progress import plain

# Capturing replaces sys.stderr: compiling takes minutes, and whoever waits must see that something happens.
_progress = plain(lambda line: print(f"disks: {line}", file=sys.__stderr__, flush=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ends of the logs with each failure."""
    report = yield
    for name in ("operator", "disks"):
        process = getattr(item, "funcargs", {}).get(name)
        if report.failed and isinstance(process, MooringProcess | Disks):
            report.sections.append((f"log of {name}", process.tail()))
    return report


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    """Give a control plane with six nodes: two in each of three zones, which are racks too."""
    running = up(name=f"csi-{os.getpid()}", nodes=6, zones=3, racks=3, progress=_progress)
    yield running
    running.down()


@pytest.fixture(scope="package")
def disks(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    """Give every node a disk."""
    with Disks(sandbox, tmp_path_factory.mktemp("disks"), _progress) as running:
        yield running


@pytest.fixture
def storage(sandbox: Sandbox, disks: Disks, namespace: str) -> Iterator[Storage]:
    """Give the test's namespace storage."""
    del disks
    with sandbox.client() as client:
        made = Storage(client, namespace)
        yield made
        made.close()


@pytest.fixture(scope="package")
def release(sandbox: Sandbox, helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Install the chart; its webhook sees only pods of namespaces that ask for it."""
    return Release(sandbox, helm, tmp_path_factory.mktemp("release"), admission={ADMISSION: "true"})


@pytest.fixture(scope="package")
def operator(release: Release, disks: Disks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MooringProcess]:
    """Run the operator with no more rights than the chart grants it; in the end it must have been healthy."""
    del disks
    with release.operator(tmp_path_factory.mktemp("operator") / "log") as process:
        yield process


@pytest.fixture
def stage(sandbox: Sandbox, namespace: str, operator: MooringProcess, release: Release) -> Iterator[Stage]:
    """Give a namespace in which the operator looks after pods, without admission."""
    with sandbox.client() as client:
        made = Stage(sandbox, client, namespace, operator, user=release.user)
        yield made
        made.close()


@pytest.fixture(params=["stock", "extender"])
def scene(request: pytest.FixtureRequest, stage: Stage, storage: Storage) -> Scene:
    """Give pods that ask for new volumes.

    They have the `stock` scheduler and are led by admission and nomination, or Mooring's, which asks the `extender`
    and nobody else; or as the chart installs it both (`mooring`).
    """
    if request.param != "extender":
        admit(stage)
    return Scene(stage, storage, way=request.param)
