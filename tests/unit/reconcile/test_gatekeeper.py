"""The gatekeeper: whose pods it lets through, when, and that no refusal holds a pod for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import pytest
from tests.unit import builders
from tests.unit.builders import claim, data, node, soft, strict
from tests.unit.reconcile.recorder import Recorder

from mooring.api.annotations import GATE, GATED_BY
from mooring.cluster.connection import ApiError
from mooring.cluster.index import Cluster
from mooring.cluster.records import Expression, NodeSelector, Pod, Term
from mooring.locate.locator import Locator
from mooring.reconcile import gatekeeper
from mooring.reconcile.gatekeeper import Gatekeeper

_NODES: Final = [node("n1"), node("n2")]
_DRAWN: Final = data("c", replicas="n1")
_ON_N1: Final = NodeSelector((Term(match_fields=(Expression("metadata.name", "In", ("n1",)),)),))
_NOMINATED: Final = [("nominate", "web", "n1"), ("let_through", "web", None)]
_PLACED: Final = [("let_through", "web", _ON_N1)]


def gated(name: str = "web", *, by: str = "me", others: Sequence[str] = ()) -> Pod:
    """A pod behind our gate, which some replica put there."""
    return builders.pod(name, "c", uid=f"uid-{name}", annotations={GATED_BY: by}, gates=[GATE, *others])


@asynccontextmanager
async def keeping(
    *objects: Any, writer: Recorder, told: list[tuple[str, float]] | None = None
) -> AsyncIterator[tuple[Cluster, Gatekeeper]]:
    """A replica called `me` that watches over the gated pods of a cluster."""
    cluster = builders.cluster_of(_NODES, *objects)
    observed = [] if told is None else told
    keeper = Gatekeeper(
        cluster, Locator(cluster), writer, identity="me", observe=lambda *outcome: observed.append(outcome)
    )
    task = asyncio.create_task(keeper.run())
    try:
        yield cluster, keeper
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


def _is_long(told: list[tuple[str, float]], count: int) -> bool:
    return len(told) == count


async def settled() -> None:
    """Let everything that could happen at once happen."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("rule", "written"),
    [(soft(), _NOMINATED), (strict(), _PLACED), ((), [("let_through", "web", None)])],
    ids=["soft", "strict", "no rule"],
)
async def test_a_pod_is_let_through_with_what_its_rule_says(rule: Any, written: list[Any]) -> None:
    """Whether it was there before, as after a restart, or comes now; the nomination before the gate goes."""
    writer = Recorder()
    async with keeping(rule, _DRAWN, gated(), writer=writer):
        await until(lambda: len(writer.written) == len(written))
    assert writer.written == written

    writer = Recorder()
    async with keeping(rule, _DRAWN, writer=writer) as (cluster, _):
        await settled()
        cluster.put("Pod", gated())
        await until(lambda: len(writer.written) == len(written))
    assert writer.written == written


async def test_it_is_manned_while_it_works() -> None:
    """Pods are gated only as long as somebody is there, or will be in a moment."""
    async with keeping(writer=Recorder()) as (_, keeper):
        assert not keeper.has_ended
        await settled()
        assert not keeper.has_ended
    assert keeper.has_ended


async def test_a_pod_is_let_through_once() -> None:
    """What happens until the watch tells of it changes nothing."""
    writer = Recorder()
    async with keeping(soft(), _DRAWN, gated(), writer=writer) as (cluster, keeper):
        await until(lambda: writer.written == _NOMINATED)
        cluster.put("PersistentVolumeClaim", claim("c", "pv-c", labels={"changed": "yes"}))
        with keeper.leading():
            await settled()

            assert writer.written == _NOMINATED


async def test_a_pod_waits_for_its_claim_and_volume() -> None:
    """Each of them wakes it."""
    writer = Recorder()
    bound, volume = _DRAWN
    async with keeping(strict(), gated(), writer=writer) as (cluster, _):
        await settled()
        cluster.put("PersistentVolumeClaim", claim("c"))
        cluster.put("PersistentVolumeClaim", bound)
        await settled()
        assert writer.written == []

        cluster.put("PersistentVolume", volume)
        await until(lambda: writer.written == _PLACED)


async def test_somebody_elses_gate_is_waited_for() -> None:
    """And then the pod is nominated at once."""
    writer = Recorder()
    async with keeping(soft(), _DRAWN, gated(others=["example.com/quota"]), writer=writer) as (cluster, _):
        await settled()
        assert writer.written == []

        cluster.put("Pod", gated())
        await until(lambda: writer.written == _NOMINATED)


async def test_a_rule_that_goes_lets_its_pods_go() -> None:
    """A pod that waited for a claim because of it does so no longer."""
    writer = Recorder()
    async with keeping(soft("p"), gated(), writer=writer) as (cluster, _):
        await settled()
        assert writer.written == []

        cluster.remove("VolumePlacementPolicy", soft("p").key)
        await until(lambda: writer.written == [("let_through", "web", None)])


async def test_what_another_replica_gated_is_its_own_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while, as long as this one does not lead."""
    monkeypatch.setattr(gatekeeper, "SWEEP_SECONDS", 0.0)
    writer = Recorder()
    async with keeping(soft(), _DRAWN, gated(by="another"), gated("own"), writer=writer):
        await until(lambda: len(writer.written) == 2)
        await settled()

    assert {name for _, name, _ in writer.written} == {"own"}


async def test_the_leader_gives_others_their_time() -> None:
    """A replica that is there lets its pods through within milliseconds; two of them would nominate two nodes."""
    writer = Recorder()
    async with keeping(soft(), _DRAWN, gated(by="another"), gated("own"), writer=writer) as (_, keeper):
        with keeper.leading():
            await until(lambda: len(writer.written) == 2)
            await settled()

    assert {name for _, name, _ in writer.written} == {"own"}


async def test_the_leader_sweeps_what_others_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods of a replica that is gone, which were there before or came later, and gates that nobody signed."""
    monkeypatch.setattr(gatekeeper, "SWEEP_SECONDS", 0.05)
    writer = Recorder()
    unsigned = builders.pod("unsigned", "c", uid="uid-unsigned", gates=[GATE])
    async with keeping(_DRAWN, gated("early", by="another"), unsigned, writer=writer) as (cluster, keeper):
        await settled()
        with keeper.leading():
            cluster.put("Pod", gated("late", by="another"))
            await until(lambda: len(writer.written) == 3)

    assert {name for _, name, _ in writer.written} == {"early", "late", "unsigned"}


async def test_without_a_leader_anybody_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer, so that a leader comes first where there is one."""
    monkeypatch.setattr(gatekeeper, "ORPHAN_SECONDS", 0.05)
    writer = Recorder()
    async with keeping(soft(), _DRAWN, gated(by="another"), writer=writer):
        await until(lambda: writer.written == _NOMINATED)


async def test_the_time_of_others_begins_when_the_pod_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its claim may have come a moment ago, and whoever gated it long before be just about to let it through."""
    monkeypatch.setattr(gatekeeper, "SWEEP_SECONDS", 0.3)
    writer = Recorder()
    async with keeping(soft(), gated(by="another"), writer=writer) as (cluster, keeper):
        with keeper.leading():
            await asyncio.sleep(0.35)
            for record in _DRAWN:
                cluster.put(builders.kind_of(record), record)
            await settled()
            assert writer.written == []

            await until(lambda: writer.written == _NOMINATED)


@pytest.mark.parametrize(
    ("rule", "failing", "written"),
    [
        (soft(), {"nominate": ApiError(403, "forbidden")}, [("let_through", "web", None)]),
        (soft(), {"nominate": TimeoutError()}, _NOMINATED),
        (soft(), {"let_through": ApiError(500, "trouble")}, [_NOMINATED[0], *_NOMINATED]),
        (strict(), {"let_through": OSError("connection reset")}, _PLACED),
        (
            strict(),
            {"let_through": ApiError(422, "terms are fixed")},
            [("let_through", "web", None), ("event", "web", "PlacementFailed")],
        ),
    ],
    ids=["no nomination is taken", "no answer", "trouble", "no connection", "the affinity is not taken"],
)
async def test_no_refusal_holds_a_pod(rule: Any, failing: dict[str, Exception], written: list[Any]) -> None:
    """What may pass is tried again, and without what cannot be had the pod goes as it is."""
    writer = Recorder(**failing)
    async with keeping(rule, _DRAWN, gated(), writer=writer):
        await until(lambda: writer.written == written)


@pytest.mark.parametrize("status", [404, 409])
async def test_a_pod_that_is_gone_is_no_trouble(status: int) -> None:
    """It is not tried again, and the next one is let through."""
    writer = Recorder(let_through=ApiError(status, "gone"))
    async with keeping(gated(), writer=writer) as (cluster, _):
        await settled()
        assert writer.written == []

        cluster.put("Pod", gated("next"))
        await until(lambda: writer.written == [("let_through", "next", None)])


async def test_a_pod_of_the_same_name_is_another_one() -> None:
    """A StatefulSet's pod comes back under its name, gated again."""
    writer = Recorder()
    async with keeping(gated(), writer=writer) as (cluster, _):
        await until(lambda: len(writer.written) == 1)
        cluster.remove("Pod", "shop/web")
        again = gated()
        again.metadata.uid = "uid-2"
        cluster.put("Pod", again)

        await until(lambda: len(writer.written) == 2)


async def test_how_pods_were_let_through_is_told() -> None:
    """In one word, with the time since the pod was seen."""
    told: list[tuple[str, float]] = []
    for count, rule in enumerate([soft(), strict(), ()], start=1):
        async with keeping(rule, _DRAWN, gated(), writer=Recorder(), told=told):
            await until(partial(_is_long, told, count))

    assert [outcome for outcome, _ in told] == ["nominated", "placed", "free"]
    assert all(0 <= seconds < 10 for _, seconds in told)


_LATE: Final = builders.storage_class("late", binding="WaitForFirstConsumer")


def _of_databases(field: str, **fields: Any) -> Any:
    rule = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}], **fields}
    return soft(newVolumes={field: [rule]})


def _new(name: str = "c") -> Any:
    return claim(name, storage_class="late", labels={"app": "db"})


def _bound(node_name: str) -> NodeSelector:
    return NodeSelector((Term((Expression(builders.HOSTNAME, "In", (node_name,)),)),))


async def test_volumes_that_depend_on_one_another_are_placed_by_the_leader() -> None:
    """Whoever gated their pods: two replicas at a time would not know of each other."""
    writer = Recorder()
    apart = _of_databases("volumeAntiAffinity")
    async with keeping(apart, _LATE, _new(), gated(by="me"), writer=writer) as (_, keeper):
        await settled()
        assert writer.written == []

        with keeper.leading():
            await until(lambda: writer.written == [("nominate", "web", "n1"), ("let_through", "web", _bound("n1"))])

    writer = Recorder()
    async with keeping(apart, _LATE, _new(), writer=writer) as (cluster, keeper):
        with keeper.leading():
            cluster.put("Pod", gated(by="another"))
            await until(lambda: len(writer.written) == 2)


async def test_whoever_leads_no_longer_leaves_them_to_the_next_leader() -> None:
    """Its own pods too, until it has the Lease again."""
    writer = Recorder()
    apart = _of_databases("volumeAntiAffinity")
    async with keeping(apart, _LATE, _new(), writer=writer) as (cluster, keeper):
        with keeper.leading():
            await settled()
        cluster.put("Pod", gated(by="me"))
        await settled()
        assert writer.written == []

        with keeper.leading():
            await until(lambda: len(writer.written) == 2)


async def test_without_a_leader_anybody_places_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather twice at a time than never."""
    monkeypatch.setattr(gatekeeper, "ORPHAN_SECONDS", 0.05)
    writer = Recorder()
    async with keeping(_of_databases("volumeAntiAffinity"), _LATE, _new(), gated(), writer=writer):
        await until(lambda: ("let_through", "web", _bound("n1")) in writer.written)


async def test_what_is_only_wished_for_needs_no_leader() -> None:
    """The replica that gated the pod nominates it at once."""
    writer = Recorder()
    there = [claim("d", "pv-d", labels={"app": "db"}), builders.volume("pv-d", builders.on_hosts("n1"))]
    wish = _of_databases("volumeAntiAffinity", enforcement="Preferred")
    async with keeping(wish, _LATE, _new(), there, gated(), writer=writer):
        await until(lambda: writer.written == [("nominate", "web", "n2"), ("let_through", "web", None)])


async def test_pods_that_come_together_are_kept_apart() -> None:
    """What was decided about the first is known to the next before the API server tells of it; the third one waits."""
    writer = Recorder()
    pods = [builders.pod(f"db-{name}", name, uid=name, gates=[GATE]) for name in "cde"]
    claims = [_new(name) for name in "cde"]
    async with keeping(_of_databases("volumeAntiAffinity"), _LATE, claims, pods, writer=writer) as (_, keeper):
        with keeper.leading():
            await until(lambda: len(writer.written) == 4)
            await settled()

    assert len(writer.written) == 4
    assert {what for verb, _, what in writer.written if verb == "nominate"} == {"n1", "n2"}
    assert {name for verb, name, _ in writer.written if verb == "nominate"} == {
        name for verb, name, _ in writer.written if verb == "let_through"
    }


async def test_a_pod_that_no_node_will_do_for_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume of another pod may come near which it has to be: nothing of its own changes then."""
    monkeypatch.setattr(gatekeeper, "_LOOK_AGAIN_SECONDS", 0.02)
    writer = Recorder()
    new = claim("c", storage_class="late")
    near = _of_databases("volumeAffinity")
    async with keeping(near, _LATE, new, gated(), writer=writer) as (cluster, keeper):
        with keeper.leading():
            await asyncio.sleep(0.1)
            assert writer.written == []

            cluster.put("PersistentVolumeClaim", claim("d", storage_class="late", labels={"app": "db"}, selected="n2"))
            await until(lambda: writer.written == [("nominate", "web", "n2"), ("let_through", "web", _bound("n2"))])


async def test_a_nomination_that_is_refused_is_no_promise() -> None:
    """The next pod may have the place, unless the affinity that the first one got says otherwise."""
    writer = Recorder(nominate=ApiError(403, "forbidden"))
    async with keeping(_of_databases("volumeAntiAffinity"), _LATE, _new(), gated(), writer=writer) as (cluster, keeper):
        with keeper.leading():
            await until(lambda: writer.written == [("let_through", "web", _bound("n1"))])
            assert cluster.usage.node_of("shop/web") == ""
