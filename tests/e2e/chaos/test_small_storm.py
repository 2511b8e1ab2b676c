"""The small form of `make chaos`: the operator is killed, the API server goes away, watches are cut, and pods come."""

from pathlib import Path

from tests.chaos import storm
from tests.chaos.sizes import SMALL
from tests.programs import Helm


def test_every_promise_holds_after_a_small_storm(helm: Helm, tmp_path: Path) -> None:
    """No pod of 50 stays gated or is lost, and each one that admission answered, or that can be moved, is local."""
    outcome = storm.run(SMALL, seed=1, helm=helm, directory=tmp_path, progress=print)

    assert outcome.broken == []
    assert outcome.ends["killed"] == 2
