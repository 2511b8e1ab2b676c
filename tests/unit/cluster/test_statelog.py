"""A state that lasts is told of once."""

import structlog
from structlog.testing import capture_logs

from mooring.cluster.statelog import StateLog


def test_a_state_is_told_of_when_it_changes() -> None:
    """The same line again is not written; another reason, another state, and the first one coming back are."""
    with capture_logs() as lines:
        state = StateLog(structlog.get_logger())
        for reason in ("no answer", "no answer", "refused"):
            state.warning("not read", reason=reason)
        state.info("read")
        state.info("read")
        state.warning("not read", reason="refused")

    assert [(line["event"], line.get("reason"), line["log_level"]) for line in lines] == [
        ("not read", "no answer", "warning"),
        ("not read", "refused", "warning"),
        ("read", None, "info"),
        ("not read", "refused", "warning"),
    ]
