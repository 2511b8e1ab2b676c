"""The operator as a real process beside the session's control plane, and a stage for each test."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.operator.webhooks import CONFIGURATIONS, await_told
from tests.e2e.process import MooringProcess
from tests.e2e.release import Release
from tests.e2e.stage import Stage
from tests.e2e.support import eventually
from tests.programs import Helm

from mooring.sandbox.launcher import Sandbox

_LAST = "test_steady_state.py"

ADMISSION = "test-admission"
"""Label of namespaces whose pods come to the webhook."""


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
def operator(sandbox: Sandbox, release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MooringProcess]:
    """Run the operator with no more rights than the chart grants it; in the end it must have been healthy."""
    since = sandbox.audit_offset()
    log: Path = tmp_path_factory.mktemp("operator") / "log"
    # Pods that a test leaves to the stock scheduler stay with it.
    arguments = (*release.arguments, "--port", str(sandbox.extender_port), "--no-set-scheduler-name")
    with MooringProcess(log, *arguments) as process:
        process.await_ready()
        eventually(lambda: _is_trusted(sandbox))
        yield process
        assert process.exit_code is None, f"the operator ended with {process.exit_code}:\n{process.tail()}"
        assert process.complaints() == []
    assert [_request(event) for event in sandbox.audit(user=release.user, since=since) if _is_forbidden(event)] == []


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
    stage.patch(f"/api/v1/namespaces/{stage.namespace}", {"metadata": {"labels": {ADMISSION: "true"}}})
    # The API server's admission learns of labels by a watch of its own.
    await_told(stage, "missing")
    return stage


def _is_trusted(sandbox: Sandbox) -> bool:
    """Say whether the API server has the certificate by which it trusts the operator, which serves it a bit earlier."""
    with sandbox.client() as client:
        webhooks = client.get(f"{CONFIGURATIONS}/mooring")["webhooks"]
    return all(webhook["clientConfig"].get("caBundle") for webhook in webhooks)


def _is_forbidden(event: dict[str, Any]) -> bool:
    # A namespace that goes away refuses new objects with a 403 too; that is no lack of rights.
    return bool(event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid")


def _request(event: dict[str, Any]) -> str:
    return f"{event['verb']} {event['requestURI']}"
