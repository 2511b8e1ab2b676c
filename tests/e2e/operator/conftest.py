"""The operator as a real process beside the session's control plane, and a stage for each test."""

from collections.abc import Generator, Iterator

import pytest
from tests.e2e.operator.webhooks import admit
from tests.e2e.process import MooringProcess
from tests.e2e.release import ADMISSION, Release
from tests.e2e.stage import Stage
from tests.programs import Helm

from mooring.sandbox.launcher import Sandbox

_LAST = "test_steady_state.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test that needs silence run after all others."""
    items.sort(key=lambda item: item.path.name == _LAST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the operator's log with each failure."""
    report = yield
    operator = getattr(item, "funcargs", {}).get("operator")
    if report.failed and isinstance(operator, MooringProcess):
        report.sections.append(("operator's log", operator.tail()))
    return report


@pytest.fixture(scope="session")
def release(sandbox: Sandbox, helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Install the chart; its webhook sees only pods of namespaces that ask for it (see `admitted`)."""
    return Release(sandbox, helm, tmp_path_factory.mktemp("release"), admission={ADMISSION: "true"})


@pytest.fixture(scope="session")
def operator(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MooringProcess]:
    """Run the operator with no more rights than the chart grants it; in the end it must have been healthy."""
    with release.operator(tmp_path_factory.mktemp("operator") / "log") as process:
        yield process


@pytest.fixture
def stage(sandbox: Sandbox, namespace: str, operator: MooringProcess, release: Release) -> Iterator[Stage]:
    """Give a namespace in which the operator looks after pods, without admission."""
    with sandbox.client() as client:
        made = Stage(sandbox, client, namespace, operator, user=release.user)
        yield made
        made.close()


@pytest.fixture
def admitted(stage: Stage) -> Stage:
    """Give a stage whose pods come to the webhook when they are created."""
    admit(stage)
    return stage
