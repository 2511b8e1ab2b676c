"""Which pods admission gives to Mooring's scheduler, and what becomes of them there: a real second kube-scheduler."""

from collections.abc import Iterator

import pytest
from tests.e2e import manifests
from tests.e2e.manifests import Manifest
from tests.e2e.operator.gates import GATE
from tests.e2e.operator.webhooks import Creations, Replica, expressions, register, terms_of, tried
from tests.e2e.process import MooringProcess
from tests.e2e.release import Release
from tests.e2e.stage import STRICT_RULE, Stage
from tests.e2e.support import eventually

from mooring.sandbox.launcher import Sandbox

_STOCK = "default-scheduler"


@pytest.fixture(scope="module")
def replica(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Replica:
    """Give a replica that sets schedulerName, as it does by default."""
    return Replica(release, tmp_path_factory.mktemp("replica"), "--set-scheduler-name")


@pytest.fixture(scope="module")
def process(replica: Replica, operator: MooringProcess) -> Iterator[MooringProcess]:
    """Run it beside the operator, which the second scheduler asks."""
    del operator
    with replica.running() as running:
        yield running


@pytest.fixture
def adopting(
    sandbox: Sandbox, namespace: str, release: Release, replica: Replica, process: MooringProcess
) -> Iterator[Stage]:
    """Give a stage whose pods come to that replica, while Mooring's scheduler is alive."""
    with sandbox.client() as client:
        stage = Stage(sandbox, client, namespace, process, user=release.user)
        stage.volume("located", "node-2")
        register(stage, url=replica.url)
        # The API server learns of a new webhook when it does.
        eventually(lambda: scheduler_of(stage) == "mooring")
        yield stage
        stage.close()


def scheduler_of(stage: Stage, **pod: object) -> str:
    """Give the scheduler that a pod with a located volume gets."""
    return str(tried(stage, manifests.pod("web", "located", **pod))["spec"]["schedulerName"])


def test_pods_with_data_on_nodes_are_given_to_mooring(adopting: Stage) -> None:
    """Without any policy; its scheduler asks the extender, and each pod runs near its data."""
    places = {f"data-{number}": f"node-{number}" for number in range(1, 7)}
    adopting.volumes({claim: [node] for claim, node in places.items()})
    creations = Creations(adopting)

    for claim in places:
        pod = adopting.pod(claim, claim)
        assert pod["spec"]["schedulerName"] == "mooring"
        assert terms_of(pod) is None

    assert adopting.nodes_of(list(places)) == places
    assert creations.told("data-1") == {
        "placement": "soft",
        "policy": "schedulerName mooring",
        "schedulerName": "mooring",
        "gate": GATE,
    }


def test_strict_pods_are_given_to_mooring_too(adopting: Stage) -> None:
    """They carry their terms besides, which hold under every scheduler."""
    pod = adopting.pod("web", "located", annotations=manifests.STRICT)

    assert pod["spec"]["schedulerName"] == "mooring"
    assert terms_of(pod)
    assert adopting.node_of("web") == "node-2"


@pytest.mark.parametrize(
    "pod",
    [
        {"schedulerName": "volcano"},
        {"labels": {"mooring.dev/ignore": "true"}},
        {"annotations": {"mooring.dev/disable-admission-controller": "true"}},
        {"annotations": {"stork.libopenstorage.org/disable-admission-controller": "true"}},
        {"annotations": {"mooring.dev/disableHyperconvergence": "true"}},
        {"annotations": {"stork.libopenstorage.org/disableHyperconvergence": "true"}},
    ],
    ids=lambda pod: str(next(iter(pod.values()))),
)
def test_others_keep_their_scheduler(adopting: Stage, pod: Manifest) -> None:
    """Where the user named one, or wants to be left alone."""
    assert scheduler_of(adopting, **pod) == pod.get("schedulerName", _STOCK)


def test_the_default_schedulers_name_is_no_choice(adopting: Stage) -> None:
    """The API server fills it in, so that nobody can tell who wrote it."""
    assert scheduler_of(adopting, schedulerName=_STOCK) == "mooring"


def test_a_namespace_that_opted_out_keeps_its_scheduler(adopting: Stage) -> None:
    """As a namespace that the registration leaves out would."""
    labels = {"mooring.dev/ignore": "1"}
    adopting.patch(f"/api/v1/namespaces/{adopting.namespace}", {"metadata": {"labels": labels}})

    eventually(lambda: scheduler_of(adopting) == _STOCK)


@pytest.mark.parametrize("affinity", [{"zone": "zone-2"}, {}], ids=["zone", "nowhere"])
def test_data_that_is_on_no_node_in_particular_is_no_reason(adopting: Stage, affinity: dict[str, str]) -> None:
    """A zone is kept by every scheduler, and of an unknown place Mooring's knows no more than another."""
    volume = manifests.volume(adopting.volume_name("data"), "data", adopting.namespace)
    if affinity:
        terms = [{"matchExpressions": expressions(**affinity)}]
        volume["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
    adopting.create_in_cluster("/api/v1/persistentvolumes", volume)
    claims = adopting.path("persistentvolumeclaims")
    adopting.client.create(claims, manifests.claim("data", volume_name=adopting.volume_name("data")))
    eventually(lambda: adopting.client.get(f"{claims}/data")["status"]["phase"] == "Bound")
    if affinity:
        adopting.await_known("data", ["node-5", "node-6"])

    both = tried(adopting, manifests.pod("both", "data", "located"))
    alone = adopting.pod("alone", "data")

    assert both["spec"]["schedulerName"] == "mooring"
    assert alone["spec"]["schedulerName"] == _STOCK


def test_a_policy_names_the_scheduler(adopting: Stage) -> None:
    """For pods that name none, wherever their data is; a name of the user's stays."""
    adopting.policy("volcanic", podSelector={"matchLabels": {"app": "hot"}}, schedulerName="volcano")
    creations = Creations(adopting)
    hot = {"labels": {"app": "hot"}}

    eventually(lambda: scheduler_of(adopting, **hot) == "volcano")
    assert scheduler_of(adopting, **hot, schedulerName="stork") == "stork"
    assert scheduler_of(adopting) == "mooring"
    adopting.pod("unbound", "missing", **hot)
    assert creations.told("unbound")["schedulerName"] == "volcano"


def test_a_policy_that_only_reports_sets_no_scheduler(adopting: Stage) -> None:
    """Neither the one it names nor Mooring's."""
    adopting.policy("looking", schedulerName="volcano", updateMode="Audit")

    eventually(lambda: scheduler_of(adopting) == _STOCK)


def test_without_its_scheduler_pods_stay_with_the_stock_one(adopting: Stage) -> None:
    """A pod would wait for ever for a scheduler that is not there; a policy that names it is no exception."""
    adopting.policy("ours", podSelector={"matchLabels": {"app": "ours"}}, schedulerName="mooring", **STRICT_RULE)
    ours = manifests.pod("strict", "located", labels={"app": "ours"})
    # Its status is the leader's, and it is another replica that answers.
    eventually(lambda: terms_of(tried(adopting, ours)))
    adopting.sandbox.stop("mooring-scheduler")
    try:
        eventually(lambda: scheduler_of(adopting) == _STOCK)

        pod = adopting.pod("soft", "located")
        strict = adopting.client.create(adopting.path("pods"), ours)

        assert {each["spec"]["schedulerName"] for each in (pod, strict)} == {_STOCK}
        assert adopting.node_of("soft")
        assert adopting.node_of("strict") == "node-2"
    finally:
        adopting.sandbox.start("mooring-scheduler")
    eventually(lambda: scheduler_of(adopting) == "mooring")
