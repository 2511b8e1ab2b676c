"""Reading a sandbox's audit log, which is written meanwhile."""

import json
from pathlib import Path

from mooring.sandbox.instance import Sandbox
from mooring.sandbox.layout import PORTS, Layout


def test_half_lines_are_left_out(tmp_path: Path) -> None:
    """An offset may lie in the middle of a line, and the last line may have no end yet."""
    sandbox = Sandbox(Layout(directory=tmp_path, ports=dict.fromkeys(PORTS, 1)))
    log = sandbox.layout.audit_log
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"auditID": number, "user": {"username": "admin"}}) + "\n" for number in range(4)]
    log.write_text(lines[0] + lines[1][:9], encoding="utf-8")
    since = sandbox.audit_offset()
    log.write_text("".join(lines[:3]) + lines[3][:9], encoding="utf-8")

    assert [event["auditID"] for event in sandbox.audit(since=since)] == [2]
    assert [event["auditID"] for event in sandbox.audit(since=len(lines[0]))] == [1, 2]
    assert [event["auditID"] for event in sandbox.audit()] == [0, 1, 2]
