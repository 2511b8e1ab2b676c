"""The operator as a real process beside the session's control plane, and a stage for each test."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.process import MooringProcess
from tests.e2e.stage import Stage
from tests.e2e.support import apply_crds

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
def operator(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MooringProcess]:
    """Run the operator with no more rights than a cluster grants it; in the end it must have been healthy."""
    apply_crds(sandbox)
    since = sandbox.audit_offset()
    log: Path = tmp_path_factory.mktemp("operator") / "log"
    arguments = ("--kubeconfig", str(sandbox.kubeconfig("mooring")), "--port", str(sandbox.extender_port))
    with MooringProcess(log, *arguments) as process:
        process.await_ready()
        yield process
        assert process.exit_code is None, f"the operator ended with {process.exit_code}:\n{process.tail()}"
        assert process.complaints() == []
    assert [_request(event) for event in sandbox.audit(user="mooring", since=since) if _is_forbidden(event)] == []


@pytest.fixture
def stage(sandbox: Sandbox, namespace: str, operator: MooringProcess) -> Iterator[Stage]:
    """Give a namespace in which the operator looks after pods."""
    with sandbox.client() as client:
        made = Stage(sandbox, client, namespace, operator)
        yield made
        made.close()


def _is_forbidden(event: dict[str, Any]) -> bool:
    # A namespace that goes away refuses new objects with a 403 too; that is no lack of rights. And other tests try with
    # kubectl what this user may not do.
    refused = event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    return bool(refused) and not event.get("userAgent", "").startswith("kubectl")


def _request(event: dict[str, Any]) -> str:
    return f"{event['verb']} {event['requestURI']}"
