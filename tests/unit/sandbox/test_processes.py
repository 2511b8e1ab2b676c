"""Telling processes apart, locks, and ports."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from mooring.sandbox.processes import Process, free_ports, locked
from mooring.sandbox.progress import plain


def test_process_is_not_confused_with_a_later_one() -> None:
    """The same id with another start is another process, and a process that ended is gone even before it is reaped."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = Process.find(child.pid)

        assert found is not None
        assert found.alive()
        assert not Process(pid=child.pid, started="another time").alive()
        child.terminate()
        assert found.wait(timeout=10)
    assert Process.find(child.pid) is None


def test_own_process_is_found() -> None:
    """A process finds itself, twice the same."""
    assert Process.find(os.getpid()) == Process.find(os.getpid())


def test_ports_are_free_and_differ() -> None:
    """Ports that are taken, or listened on, are not chosen."""
    first = free_ports(["a", "b"], taken=[])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", first["a"]))
        listener.listen()

        second = free_ports([str(number) for number in range(100)], taken=first.values())

    assert len(set(second.values())) == 100
    assert not set(first.values()) & set(second.values())


def test_lock_excludes_and_its_file_may_go(tmp_path: Path) -> None:
    """One holder at a time, also when each removes the file as it leaves."""
    path = tmp_path / "lock"
    inside = 0
    most = 0

    def enter() -> None:
        nonlocal inside, most
        for _ in range(50):
            with locked(path, leave_file=False):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 1
    assert not path.exists()


def test_plain_progress_tells_each_thing_once() -> None:
    """A pipe gets the first line of each thing being done, and not every step of it."""
    told: list[str] = []
    progress = plain(told.append, every=60)

    for line in ["starting", "compiling x: 1 of 9", "compiling x: 2 of 9", "waiting for etcd", "waiting for etcd"]:
        progress(line)

    assert told == ["starting", "compiling x: 1 of 9", "waiting for etcd"]
