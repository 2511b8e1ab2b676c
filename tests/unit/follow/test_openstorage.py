"""What is asked of an OpenStorage API, when, and what stays when it does not answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.unit.builders import cluster_of, csi_node, volume
from tests.unit.follow.servers import serving

from mooring.api.conditions import LocatorReason
from mooring.api.locator import parse_locator
from mooring.cluster.index import Cluster
from mooring.cluster.records import PersistentVolume
from mooring.cluster.resources import from_manifest
from mooring.cluster.standing import Standing
from mooring.follow import poller, rest
from mooring.follow.openstorage import OpenStorage
from mooring.locate.reading import Reader
from mooring.locate.records import Said

DRIVER = "pxd.portworx.com"
TOO_LARGE = '{"message":"grpc: received message larger than max (9000964 vs. 4194304)","code":8}'


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses: their lengths are tested with the poller."""
    monkeypatch.setattr(poller, "NEWS_PAUSE", 0.01)
    monkeypatch.setattr(poller, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(poller, "LONGEST_PAUSE", 0.05)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an hour pass in no time."""
    monkeypatch.setattr(poller, "_jittered", lambda _seconds: 0.02)


class Storage:
    """An OpenStorage API: volumes with their nodes, in memory; a volume's name has its namespace in it.

    Attributes:
        volumes: node ids by volume id.
        asked: the paths that were asked for.
        refusals: what is answered instead, by the beginning of the path: status and text.
        is_large: whether it has too many volumes for one answer.
    """

    def __init__(self, **volumes: Sequence[str]) -> None:
        self.volumes = dict(volumes)
        self.asked: list[str] = []
        self.refusals: dict[str, tuple[int, str]] = {}
        self.is_large = False

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer as OpenStorage's gateway does."""
        path = request.path
        self.asked.append(path)
        for beginning, (status, text) in self.refusals.items():
            if path.startswith(beginning):
                return web.Response(status=status, text=text)
        match path.split("/")[2:]:
            case ["nodes", "filters"]:
                nodes = [{"id": f"id-{each}", "scheduler_node_name": f"node-{each}"} for each in "abc"]
                return web.json_response({"nodes": nodes})
            case ["volumes", "inspectwithfilters"]:
                wanted = (await request.json()).get("labels", {})
                if not wanted and self.is_large:
                    return web.Response(status=429, text=TOO_LARGE)
                names = [name for name in self.volumes if wanted.get("namespace", "") in name]
                return web.json_response({"volumes": [self._volume(name) for name in names]})
            case ["volumes", "inspect", name] if name in self.volumes:
                return web.json_response(self._volume(name))
        return web.Response(status=404, text='{"message":"not found"}')

    def _volume(self, name: str) -> dict[str, Any]:
        return {"volume": {"id": name, "replica_sets": [{"nodes": list(self.volumes[name])}]}}


class Shelf:
    """A sink that keeps the records."""

    def __init__(self) -> None:
        self.records: dict[str, Said] = {}

    def put(self, _kind: str, new: Said) -> None:
        """Take in a record."""
        self.records[new.key] = new

    def remove(self, _kind: str, key: str) -> None:
        """Forget a record that is there."""
        del self.records[key]

    def replace(self, _kind: str, objects: Iterable[Said]) -> Iterator[None]:
        """Take in all records."""
        self.records = {each.key: each for each in objects}
        yield


class Followed:
    """A source that runs, and what it has brought."""

    def __init__(self, endpoint: str, cluster: Cluster, *, with_nodes: bool = True) -> None:
        source = {"endpoint": endpoint, "interval": "1h"}
        manifest = {"apiVersion": "mooring.dev/v1alpha1", "kind": "VolumeLocator", "metadata": {"name": "portworx"}}
        locator = parse_locator(manifest | {"spec": {"driver": DRIVER, "openStorage": source}})
        self.standings: list[Standing] = []
        self.replicas, self.nodes = Shelf(), Shelf()
        self.source = OpenStorage(
            None,  # type: ignore[arg-type]
            cluster,
            locator,
            replicas=self.replicas,
            nodes=self.nodes if with_nodes else None,
            volume_key=Reader(locator.spec).volume_key,
            namespace="mooring-system",
        )

    @property
    def standing(self) -> Standing:
        """How it stands now."""
        return self.standings[-1]

    async def until(self, reason: LocatorReason, *, message: str = "") -> None:
        """Wait until it stands like this."""
        await _until(
            lambda: bool(self.standings) and self.standing.reason is reason and message in self.standing.message
        )


async def _until(check: Any) -> None:
    async with asyncio.timeout(5.0):
        while not check():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def _following(storage: Storage, cluster: Cluster, *, with_nodes: bool = True) -> AsyncIterator[Followed]:
    async with serving(storage.answer) as url:
        followed = Followed(url, cluster, with_nodes=with_nodes)
        task = asyncio.create_task(followed.source.run(followed.standings.append))
        try:
            yield followed
        finally:
            task.cancel()
            await asyncio.wait({task})
        assert task.cancelled()


def _volume(name: str, *, driver: str = DRIVER) -> PersistentVolume:
    return volume(name, driver=driver)


def _without_volumes() -> Cluster:
    """A cluster where the driver is installed."""
    return cluster_of(csi_node("node-a", DRIVER))


def _claimed(name: str, namespace: str) -> PersistentVolume:
    reference = {"claimRef": {"namespace": namespace, "name": "data"}}
    source = {"csi": {"driver": DRIVER, "volumeHandle": name}}
    made = from_manifest("PersistentVolume", {"metadata": {"name": name}, "spec": {**source, **reference}})
    assert isinstance(made, PersistentVolume)
    return made


async def test_everything_is_two_questions() -> None:
    """All nodes and all volumes come in one answer each; only volumes of the driver are taken in."""
    storage = Storage(v1=["id-a", "id-b"], v2=["id-c"], other=["id-a"])
    cluster = cluster_of(_volume("v1"), _volume("v2"), _volume("other", driver="csi.example"))

    async with _following(storage, cluster) as followed:
        await followed.until(LocatorReason.FOLLOWING)

    assert storage.asked == ["/v1/nodes/filters", "/v1/volumes/inspectwithfilters"]
    assert followed.replicas.records.keys() == {"v1/id-a", "v1/id-b", "v2/id-c"}
    assert followed.nodes.records.keys() == {"id-a", "id-b", "id-c"}
    assert followed.standings[0].reason is LocatorReason.READING
    assert followed.standing.resource.startswith("OpenStorage 127.0.0.1:")
    assert followed.source.heard is not None


async def test_a_driver_that_nobody_has_is_not_asked_about() -> None:
    """A locator may be there where its storage system is not: nothing is sent until a node or a volume is."""
    storage = Storage(v1=["id-a"])
    cluster = cluster_of()

    async with _following(storage, cluster) as followed:
        await followed.until(LocatorReason.RESOURCE_ABSENT, message=f"no node and no volume of {DRIVER}")
        assert storage.asked == []
        assert followed.source.heard is None
        cluster.put("PersistentVolume", _volume("v1"))
        await followed.until(LocatorReason.FOLLOWING)

    assert followed.replicas.records.keys() == {"v1/id-a"}


async def test_no_volumes_are_no_question() -> None:
    """Where the driver is on some node, but has no volume, only the nodes are asked for: new volumes may go there."""
    storage = Storage(v1=["id-a"])

    async with _following(storage, _without_volumes()) as followed:
        await followed.until(LocatorReason.FOLLOWING)

    assert storage.asked == ["/v1/nodes/filters"]
    assert followed.nodes.records.keys() == {"id-a", "id-b", "id-c"}
    assert not followed.replicas.records


async def test_a_locator_s_own_nodes_are_left_alone() -> None:
    """With a resource that names nodes, the API's answer about them is not taken in."""
    async with _following(Storage(v1=["id-a"]), cluster_of(_volume("v1")), with_nodes=False) as followed:
        await followed.until(LocatorReason.FOLLOWING)

    assert followed.replicas.records
    assert not followed.nodes.records


async def test_a_new_volume_is_asked_about_at_once() -> None:
    """The interval is an hour here. Among many volumes the new one is asked about alone, and only once."""
    storage = Storage(**{f"v{number}": ["id-a"] for number in range(40)})
    cluster = cluster_of(*(_volume(f"v{number}") for number in range(39)))

    async with _following(storage, cluster) as followed:
        await followed.until(LocatorReason.FOLLOWING)
        storage.asked.clear()
        cluster.put("PersistentVolume", _volume("v39"))
        await _until(lambda: "v39/id-a" in followed.replicas.records)
        cluster.put("PersistentVolume", volume("v39", driver=DRIVER, labels={"bound": "yes"}))
        cluster.put("PersistentVolume", _volume("another", driver="csi.example"))
        cluster.remove("PersistentVolume", "v1")
        await asyncio.sleep(0.05)

    assert storage.asked == ["/v1/volumes/inspect/v39"]


async def test_many_new_volumes_are_asked_about_together() -> None:
    """When about all volumes are new, such as when the index has only just been filled, one question is cheaper."""
    storage = Storage(**{f"v{number}": ["id-a"] for number in range(40)})
    cluster = _without_volumes()

    async with _following(storage, cluster) as followed:
        await followed.until(LocatorReason.FOLLOWING)
        for number in range(40):
            cluster.put("PersistentVolume", _volume(f"v{number}"))
        await _until(lambda: len(followed.replicas.records) == 40)

    assert storage.asked[1:] == ["/v1/volumes/inspectwithfilters"]


@pytest.mark.usefixtures("often")
async def test_replicas_move_and_go() -> None:
    """What an answer no longer says is forgotten: replicas that moved, volumes that went on either side."""
    storage = Storage(v1=["id-a", "id-b"], v2=["id-a"], v3=["id-a"])
    cluster = cluster_of(*(_volume(name) for name in ("v1", "v2", "v3")))

    async with _following(storage, cluster) as followed:
        await followed.until(LocatorReason.FOLLOWING)
        storage.volumes["v1"] = ["id-b", "id-c"]
        del storage.volumes["v2"]
        cluster.remove("PersistentVolume", "v3")
        await _until(lambda: followed.replicas.records.keys() == {"v1/id-b", "v1/id-c"})


@pytest.mark.parametrize(
    "refusal",
    [
        (429, TOO_LARGE),
        (200, "x" * 100_000),
    ],
    ids=["for gRPC", "for us"],
)
async def test_an_answer_too_large_is_asked_for_in_pieces(
    refusal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From then on each volume is asked about alone; one that is missing or not to be seen stays out."""
    monkeypatch.setattr(rest, "LARGEST_ANSWER", 50_000)
    storage = Storage(v1=["id-a"], v2=["id-b"], v3=["id-c"])
    storage.refusals = {"/v1/volumes/inspectwithfilters": refusal, "/v1/volumes/inspect/v3": (403, "not yours")}
    cluster = cluster_of(*(_volume(name) for name in ("v1", "v2", "v3", "gone")))

    async with _following(storage, cluster) as followed:
        await followed.until(LocatorReason.FOLLOWING)
        cluster.put("PersistentVolume", _volume("v4"))
        storage.volumes["v4"] = ["id-b"]
        await _until(lambda: "v4/id-b" in followed.replicas.records)

    assert followed.replicas.records.keys() == {"v1/id-a", "v2/id-b", "v4/id-b"}
    assert storage.asked.count("/v1/volumes/inspectwithfilters") == 1


async def test_a_large_cluster_is_asked_by_namespace() -> None:
    """What is more than one answer is asked for in one per namespace; a volume without its label, and one alone."""
    names = [f"{namespace}-{number}" for namespace in ("shop", "bank") for number in range(20)]
    storage = Storage(**{key: ["id-a"] for key in names}, unlabelled=["id-b"], unclaimed=["id-c"], lone=["id-a"])
    storage.is_large = True
    claimed = {**{name: name[:4] for name in names}, "unlabelled": "shop", "lone": "lone"}
    cluster = cluster_of(*(_claimed(name, namespace) for name, namespace in claimed.items()), _volume("unclaimed"))

    async with _following(storage, cluster) as followed:
        await followed.until(LocatorReason.FOLLOWING)
        assert followed.replicas.records.keys() == {
            *(f"{name}/id-a" for name in names),
            "unlabelled/id-b",
            "unclaimed/id-c",
            "lone/id-a",
        }
        asked = Counter(storage.asked)
        assert asked.pop("/v1/volumes/inspectwithfilters") == 3  # all, which is refused, and two namespaces
        assert asked.pop("/v1/nodes/filters") == 1
        assert asked == {f"/v1/volumes/inspect/{name}": 1 for name in ("unlabelled", "unclaimed", "lone")}
        storage.asked.clear()
        storage.volumes["shop-new"] = ["id-a"]
        cluster.put("PersistentVolume", _claimed("shop-new", "shop"))
        await _until(lambda: "shop-new/id-a" in followed.replicas.records)

    assert storage.asked == ["/v1/volumes/inspect/shop-new"]


@pytest.mark.parametrize(
    ("path", "refusal", "reason", "words"),
    [
        ("/v1/nodes", (401, '{"message":"expired"}'), LocatorReason.NOT_READABLE, "it answers 401: expired"),
        ("/v1/nodes", (403, '{"message":"bad token"}'), LocatorReason.NOT_READABLE, "it answers 403: bad token"),
        (
            "/v1/nodes",
            (200, "<html>"),
            LocatorReason.UNREACHABLE,
            "it answers with something else than OpenStorage does",
        ),
        ("/v1/volumes", (503, "starting"), LocatorReason.UNREACHABLE, "it answers 503: starting"),
        ("/v1/volumes", (429, "slow down"), LocatorReason.UNREACHABLE, "it answers 429: slow down"),
        ("/v1/volumes", (200, '{"volume":{"id":7}}'), LocatorReason.UNREACHABLE, "something else"),
    ],
)
@pytest.mark.usefixtures("often")
async def test_what_was_said_last_stays(path: str, refusal: tuple[int, str], reason: LocatorReason, words: str) -> None:
    """While there is no answer of use, nothing is forgotten, the reason is said, and since when; then all goes on."""
    storage = Storage(v1=["id-a"])

    async with _following(storage, cluster_of(_volume("v1"))) as followed:
        await followed.until(LocatorReason.FOLLOWING)
        storage.refusals = {path: refusal}
        await followed.until(reason, message=words)
        failures = len(followed.standings)
        heard = followed.source.heard
        await _until(lambda: len(followed.standings) > failures + 2)
        assert followed.replicas.records.keys() == {"v1/id-a"}
        assert followed.nodes.records.keys() == {"id-a", "id-b", "id-c"}
        assert len(set(followed.standings[failures:])) == 1
        assert ", since 20" in followed.standing.message
        assert path == "/v1/volumes" or followed.source.heard == heard
        storage.refusals, storage.volumes = {}, {"v1": ["id-b"]}
        await _until(lambda: followed.replicas.records.keys() == {"v1/id-b"})
        await followed.until(LocatorReason.FOLLOWING)


@pytest.mark.usefixtures("often")
async def test_what_the_sink_forgot_comes_back() -> None:
    """A locator that is passed over for a while, since Mooring is not let in, has all its replicas afterwards."""
    async with _following(Storage(v1=["id-a"]), cluster_of(_volume("v1"))) as followed:
        await followed.until(LocatorReason.FOLLOWING)
        followed.replicas.records.clear()
        await _until(lambda: followed.replicas.records.keys() == {"v1/id-a"})


async def test_a_source_that_ended_asks_nothing() -> None:
    """A locator that went, or has another spec, leaves nobody behind who asks."""
    storage = Storage(v1=["id-a"])
    cluster = _without_volumes()
    async with _following(storage, cluster) as followed:
        await followed.until(LocatorReason.FOLLOWING)
    storage.asked.clear()

    cluster.put("PersistentVolume", _volume("v1"))
    await asyncio.sleep(0.05)

    assert not storage.asked


async def test_volumes_of_the_in_tree_kind_go_by_their_name() -> None:
    """Those that were made by hand name the Portworx volume, not its id."""

    async def answer(request: web.BaseRequest) -> web.Response:
        named = {"volume": {"id": "77", "locator": {"name": "tables"}, "replica_sets": [{"nodes": ["id-a"]}]}}
        return web.json_response({"nodes": [{"id": "id-a"}]} if "nodes" in request.path else named)

    storage = Storage()
    storage.answer = answer  # type: ignore[method-assign]
    async with _following(storage, cluster_of(_volume("tables"))) as followed:
        await followed.until(LocatorReason.FOLLOWING)

    assert followed.replicas.records.keys() == {"tables/id-a"}
