"""Evictions: what holds one back although its pod would be better off elsewhere."""

from math import inf
from typing import Any

import pytest
from tests.unit import builders
from tests.unit.reconcile.recorder import Recorder
from tests.unit.reconcile.test_evictions import standing, workload

from mooring.api.conditions import PlacementAppliedReason as Reason
from mooring.reconcile.mover import CALM_SECONDS, Mover
from mooring.reconcile.templates import Plan

_STRICT = builders.strict(updateMode="Reconcile", disruption={"cooldown": "0s"})


class Answering:
    """Admission that is known to answer, or not to."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes

    async def answers(self) -> bool:
        """As was said."""
        return self._yes


@pytest.mark.parametrize(
    ("yes", "calm_for", "written", "message"),
    [
        (True, inf, [("evict", "pg-0", None)], "was evicted"),
        (True, CALM_SECONDS + 1, [("evict", "pg-0", None)], "was evicted"),
        (True, CALM_SECONDS - 1, [], "the API server was away"),
        (False, inf, [], "admission webhook"),
    ],
    ids=["nothing", "calm again", "after an outage", "no admission"],
)
async def test_what_holds_an_eviction(*, yes: bool, calm_for: float, written: list[Any], message: str) -> None:
    """Whoever would replace the pod, and say where, must be there; the reason is said."""
    place = builders.data("data-pg-0", replicas="n1")
    cluster = builders.cluster_of([builders.node("n1"), builders.node("n2")], place, _STRICT)
    made = workload()
    cluster.put("StatefulSet", made)
    pods = [standing(builders.pod("pg-0", "data-pg-0", on="n2"), cluster)]
    writer = Recorder()
    mover = Mover(cluster, writer, Answering(yes=yes), nominates=True, calm_for=lambda: calm_for)

    planned = await mover.evict(made, Plan(reason=Reason.PER_POD, message="each pod for itself"), pods)

    assert [each for each in writer.written if each[0] == "evict"] == written
    assert message in planned.message
    assert planned.retry
