"""Fixtures for tests of a process that answers from manifests; each module has a `snapshot` of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.process import MooringProcess


@pytest.fixture(scope="module")
def served(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MooringProcess]:
    """Run the process on a free port; in the end it must have been healthy."""
    log = tmp_path_factory.mktemp("served") / "log"
    with MooringProcess(log, "--snapshot", str(snapshot), "--port", "0") as process:
        process.await_ready()
        yield process
        assert process.exit_code is None
        assert process.complaints() == []
