"""Git beside Mooring: each rollout is somebody's intent, and nobody fights over a template."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from tests.e2e import manifests
from tests.e2e.gitops import GIT, ArgoClientSide, ArgoServerSide, Flux, Git, HelmRelease, Putter, Replacer, kubectl
from tests.e2e.manifests import Manifest
from tests.e2e.operator.test_moves import evictions
from tests.e2e.operator.vocabulary import bound_to
from tests.e2e.stage import PLACEMENT_APPLIED, STRICT_RULE, Stage, is_complete, stays
from tests.e2e.support import eventually
from tests.programs import Helm, HelmError

_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
#: The mode that moves what runs, with no brake on: whatever could loop does.
_RECONCILE: Final[dict[str, Any]] = {"updateMode": "Reconcile", "disruption": {"cooldown": "0s"}}
_ROUNDS = 3
_QUIET_SECONDS = 1

#: An affinity of Git's in which Mooring has no interest.
_APART: Final = {
    "podAntiAffinity": {
        _PREFERRED: [
            {"weight": 1, "podAffinityTerm": {"topologyKey": manifests.HOSTNAME, "labelSelector": {"matchLabels": {}}}}
        ]
    }
}


class Facts(NamedTuple):
    """What must not grow without a reason.

    Attributes:
        generation: of the workload: how often its spec was changed (a Deployment's annotations count as spec).
        rollouts: how many its controller began, counting a return to an old template too.
        writes: what Mooring sent to the object, taken or refused; its status is another matter, and what came late is
            sent anew.
    """

    generation: int
    rollouts: int
    writes: int


class App:
    """A workload of one pod with a claim, whose manifest lies in Git."""

    def __init__(self, stage: Stage, kind: str, git: Git, **fields: Any) -> None:
        self.stage = stage
        self.git = git
        self._kind = kind
        self._collection = f"{kind.lower()}s"
        self._path = stage.path(self._collection, "shop")
        recreate = {"strategy": {"type": "Recreate"}} if kind == "Deployment" else {}
        spec: Manifest = {"replicas": 1, **recreate}
        self.manifest = manifests.workload(kind, "shop", "data", spec=spec, **fields)
        # An empty map is a claim of its own to server-side apply.
        del self.template["metadata"]["annotations"]
        self._data_was_on: list[str] = []
        self._since = stage.sandbox.audit_offset()

    def sync(self, *, rounds: int = 1) -> None:
        """Let Git have its way so many times."""
        for _ in range(rounds):
            self.git.sync(copy.deepcopy(self.manifest))

    def start(self) -> None:
        """Create it and wait until it runs."""
        self.sync()
        self.settle()

    def settle(self) -> str:
        """Wait until a rollout is over, and give the node where the pod runs."""

        def settled() -> str:
            found = self.stage.client.get(self._path)
            assert is_complete(found), found.get("status")
            status = found["status"]
            assert status.get("currentRevision") == status.get("updateRevision"), status
            nodes = self.stage.runs_on("shop")
            assert len(nodes) == 1, nodes
            return nodes.pop()

        return str(eventually(settled))

    def drift(self) -> str:
        """Say that its data lies on a node where it never did, and its pod does not run; gives that node."""
        taken = {*self._data_was_on, self.settle()}
        data = next(node for node in (f"node-{number}" for number in range(1, 7)) if node not in taken)
        self._data_was_on.append(data)
        self.stage.move_data("data", data)
        self.stage.await_known("data", [data])
        return data

    def await_at(self, node: str) -> None:
        """Wait until the pod runs there, and Mooring has said that this is its doing."""
        eventually(lambda: self.settle() == node)
        self.await_reason("Applied")

    def await_reason(self, reason: str) -> None:
        """Wait until `PlacementApplied` has this reason."""
        self.stage.await_reason(self._collection, "shop", PLACEMENT_APPLIED, reason)

    @property
    def template(self) -> Manifest:
        """The template as it is in Git."""
        return self.manifest["spec"]["template"]  # type: ignore[no-any-return]

    def in_git(self, affinity: Manifest | None) -> None:
        """Change what Git says of affinity."""
        self.template["spec"].pop("affinity", None)
        if affinity is not None:
            self.template["spec"]["affinity"] = affinity

    @property
    def affinity(self) -> Manifest:
        """The node affinity in the template."""
        return self.stage.affinity_of("shop", kind=self._collection)

    @property
    def asked_for(self) -> str:
        """The node that preferred terms of Mooring's ask for first."""
        best = max(self.affinity[_PREFERRED], key=lambda term: int(term["weight"]))
        return str(best["preference"]["matchExpressions"][0]["values"][0])

    @property
    def facts(self) -> Facts:
        """How things stand."""
        return Facts(self.stage.client.get(self._path)["metadata"]["generation"], self._rollouts(), self._writes())

    def assert_quiet(self) -> None:
        """Let Git have its way again and again, and see that nothing more comes of it."""

        def standing() -> tuple[object, ...]:
            template = self.stage.template_of("shop", kind=self._collection)
            return template, self._rollouts(), self._writes()

        before = standing()
        self.sync(rounds=_ROUNDS)
        stays(lambda: standing() == before, seconds=_QUIET_SECONDS)

    def _rollouts(self) -> int:
        """The highest revision: a template that comes back gets a new number, and no new object."""
        if self._kind == "Deployment":
            # The Deployment's own annotation is gone for a moment after each replacement.
            owned = self.stage.client.get(self.stage.path("replicasets"))["items"]
            return max(int(each["metadata"]["annotations"]["deployment.kubernetes.io/revision"]) for each in owned)
        history = self.stage.client.get(f"/apis/apps/v1/namespaces/{self.stage.namespace}/controllerrevisions")
        return max(int(revision["revision"]) for revision in history["items"])

    def _writes(self) -> int:
        return sum(
            event["objectRef"].get("namespace") == self.stage.namespace
            and event["objectRef"]["resource"] == self._collection
            and event["verb"] in {"create", "update", "patch", "delete"}
            and "subresource" not in event["objectRef"]
            and "the object has been modified" not in event["responseStatus"].get("message", "")
            for event in self.stage.sandbox.audit(user=self.stage.user, since=self._since)
        )


@pytest.fixture(params=["Deployment", "StatefulSet"])
def kind(request: pytest.FixtureRequest) -> str:
    """Give the kinds of workload that keep a history of their templates."""
    return str(request.param)


@pytest.fixture(params=[*GIT, "helm"])
def git(request: pytest.FixtureRequest, stage: Stage, helm: Helm, tmp_path: Path) -> Git:
    """Give the tools that keep a cluster as Git says."""
    return HelmRelease(stage, helm, tmp_path / "chart") if request.param == "helm" else GIT[request.param](stage)


def test_git_without_node_affinity_takes_no_notice(stage: Stage, kind: str, git: Git) -> None:
    """One rollout for Mooring's terms, and one for each change of Git's, which takes them along."""
    stage.volume("data")
    app = App(stage, kind, git)
    app.start()
    data = app.drift()
    app.sync(rounds=_ROUNDS)
    assert app.facts == Facts(generation=1, rollouts=1, writes=0)

    stage.policy("near", **_RECONCILE)
    app.await_at(data)

    app.assert_quiet()
    assert app.facts == Facts(generation=2, rollouts=2, writes=1)
    assert app.asked_for == data

    app.template["spec"]["containers"][0]["image"] = "example.com/main:2"
    app.sync()
    app.await_at(data)

    app.assert_quiet()
    assert app.facts == Facts(generation=3, rollouts=3, writes=1)
    assert app.asked_for == data


def test_git_has_nothing_to_put_back_after_the_release(stage: Stage, kind: str, git: Git) -> None:
    """Without its policy a template keeps the terms until there is no pod left; then they go, and nothing of Git's."""
    stage.volume("data")
    app = App(stage, kind, git, affinity={})
    app.start()
    data = app.drift()
    stage.policy("near", **_RECONCILE)
    app.await_at(data)

    stage.delete(stage.path("volumeplacementpolicies", "near"))
    app.await_reason("ReleasePending")
    app.manifest["spec"]["replicas"] = 0
    app.sync()

    eventually(lambda: app.affinity == {})
    # Git's change, and the release.
    eventually(lambda: app.facts == Facts(generation=4, rollouts=3, writes=2))
    app.assert_quiet()
    assert app.facts == Facts(generation=4, rollouts=3, writes=2)


def test_a_list_in_git_is_never_written(stage: Stage, kind: str, git: Git) -> None:
    """The condition says whose it is, and nothing moves."""
    stage.volume("data")
    own = manifests.on_nodes("node-2")
    app = App(stage, kind, git, affinity=own)
    app.start()
    app.drift()

    stage.policy("near", **_RECONCILE)

    app.await_reason("FieldOwnedByOther")
    app.assert_quiet()
    assert app.facts == Facts(generation=1, rollouts=1, writes=0)
    assert app.affinity == own["nodeAffinity"]


def test_a_list_in_git_takes_over_and_is_free_when_git_gives_it_up(stage: Stage, kind: str, git: Git) -> None:
    """Mooring's terms give way in Git's own rollout, and come back once, when Git has none any more."""
    nodes, where = stage.own_nodes(2)
    stage.volume("data")
    app = App(stage, kind, git, **where)
    app.start()
    far = app.settle()
    (near,) = {*nodes} - {far}
    stage.move_data("data", near)
    stage.await_known("data", [near])
    stage.policy("near", **_RECONCILE)
    app.await_at(near)

    app.in_git(manifests.on_nodes(far))
    app.sync()

    app.await_reason("FieldOwnedByOther")
    app.settle()
    app.assert_quiet()
    assert app.facts == Facts(generation=3, rollouts=3, writes=1)
    assert app.affinity == manifests.on_nodes(far)["nodeAffinity"]

    # So the pod is away from its data after Git's rollout, and there is a reason to write. The scheduler learns of its
    # own pods in order, but of what happens to nodes at another time.
    stage.pod("filler", cpu="8", **bound_to(near, **where))
    assert stage.node_of("filler") == near
    app.in_git(None)
    app.sync()
    app.settle()
    stage.delete(stage.path("pods", "filler"))

    app.await_reason("Applied")
    app.settle()
    app.assert_quiet()
    facts = app.facts
    assert (facts.generation, facts.writes) == (5, 2)
    # Mooring's change may join Git's rollout.
    assert facts.rollouts in {4, 5}
    assert app.asked_for == near


def test_what_client_side_apply_drops_stays_out(stage: Stage, kind: str) -> None:
    """It drops the whole affinity that it once applied, with Mooring's terms in it: one rollout, and no second try."""
    stage.volume("data")
    app = App(stage, kind, ArgoClientSide(stage), affinity=_APART)
    app.start()
    data = app.drift()
    stage.policy("near", **_RECONCILE)
    app.await_at(data)
    app.assert_quiet()
    assert app.facts == Facts(generation=2, rollouts=2, writes=1)

    app.in_git(None)
    app.sync()

    app.await_reason("FieldOwnedByOther")
    app.settle()
    app.assert_quiet()
    assert app.facts == Facts(generation=3, rollouts=3, writes=1)
    assert app.affinity == {}


@pytest.mark.parametrize("tool", [ArgoServerSide, Flux], ids=["argo-server-side", "flux"])
def test_what_server_side_apply_drops_is_its_own(stage: Stage, kind: str, tool: Callable[[Stage], Git]) -> None:
    """It gives up what it applied, and nothing of Mooring's."""
    stage.volume("data")
    app = App(stage, kind, tool(stage), affinity=_APART)
    app.start()
    data = app.drift()
    stage.policy("near", **_RECONCILE)
    app.await_at(data)

    app.in_git(None)
    app.sync()

    app.await_at(data)
    app.assert_quiet()
    assert app.facts == Facts(generation=3, rollouts=3, writes=1)
    assert app.asked_for == data


@pytest.mark.parametrize("tool", [ArgoServerSide, Flux], ids=["argo-server-side", "flux"])
def test_empty_fields_in_git_are_no_claim(stage: Stage, kind: str, tool: Callable[[Stage], Git]) -> None:
    """Server-side apply makes whoever applies `annotations: {}` their owner: taken over once, and never fought for."""
    stage.volume("data")
    app = App(stage, kind, tool(stage), affinity={"nodeAffinity": {}})
    app.template["metadata"]["annotations"] = {}
    app.start()
    data = app.drift()
    stage.policy("near", **_RECONCILE)
    app.await_at(data)
    app.assert_quiet()
    # The refusal is how Mooring learns of it.
    assert app.facts == Facts(generation=2, rollouts=2, writes=2)

    data = app.drift()
    app.await_at(data)

    app.assert_quiet()
    assert app.facts == Facts(generation=3, rollouts=3, writes=3)
    assert app.asked_for == data


def test_git_that_turns_to_server_side_apply_takes_no_notice(stage: Stage, kind: str) -> None:
    """Argo CD's applies change sides, and kubectl's code moves what it applied before, but nothing of Mooring's."""
    stage.volume("data")
    app = App(stage, kind, ArgoClientSide(stage), affinity=_APART)
    app.start()
    data = app.drift()
    stage.policy("near", **_RECONCILE)
    app.await_at(data)

    app.git = ArgoServerSide(stage)
    app.assert_quiet()
    assert (app.facts.rollouts, app.facts.writes) == (2, 1)
    assert app.asked_for == data


def test_helm_names_the_conflict(stage: Stage, helm: Helm, tmp_path: Path) -> None:
    """A list that comes to a chart while Mooring's is there: without force helm only says whose it is."""
    stage.volume("data")
    release = HelmRelease(stage, helm, tmp_path / "chart")
    app = App(stage, "Deployment", release)
    app.start()
    data = app.drift()
    stage.policy("near", **_RECONCILE)
    app.await_at(data)
    before = app.facts

    app.in_git(manifests.on_nodes("node-2"))
    with pytest.raises(HelmError, match=f'conflict with "mooring".*{_PREFERRED}'):
        release.upgrade(app.manifest)

    assert app.facts == before
    assert app.asked_for == data


@pytest.mark.parametrize("tool", [Replacer, Putter], ids=["kubectl-replace", "controller"])
def test_who_replaces_whole_objects_has_the_last_word(stage: Stage, kind: str, tool: Callable[[Stage], Git]) -> None:
    """Two rollouts each time that the data moves: one try of Mooring's, and its undoing. No third."""
    stage.volume("data")
    app = App(stage, kind, ArgoClientSide(stage))
    app.start()
    app.git = tool(stage)
    app.sync()
    app.settle()
    start = app.facts
    data = app.drift()
    stage.policy("near", **_RECONCILE)

    for tries in (1, 2):
        # Its generation grows with each replacement, which takes the Deployment controller's annotation out.
        app.await_at(data)
        app.sync()
        app.await_reason("FieldOwnedByOther")
        app.settle()
        app.assert_quiet()
        assert (app.facts.rollouts, app.facts.writes) == (start.rollouts + 2 * tries, tries)
        assert app.affinity == {}
        data = app.drift()


def test_admission_still_says_what_git_takes_out(admitted: Stage, kind: str) -> None:
    """A strict rule without terms in the template: each new pod gets its place as it is created; none is evicted."""
    admitted.volume("data")
    app = App(admitted, kind, Putter(admitted))
    kubectl(admitted, "create", manifest=app.manifest)
    data = app.drift()
    admitted.policy("near", **_RECONCILE, **STRICT_RULE)
    app.await_at(data)
    since = admitted.sandbox.audit_offset()

    app.sync()

    app.await_reason("FieldOwnedByOther")
    assert app.settle() == data
    app.assert_quiet()
    assert app.affinity == {}
    assert app.settle() == data
    assert evictions(admitted, since) == []


def test_an_undo_to_terms_of_ours_is_kept(stage: Stage, kind: str) -> None:
    """`kubectl rollout undo` owns the old terms: one refusal, and no fight, whatever Git does."""
    app = _undone(stage, kind, ArgoClientSide(stage))
    old = app.affinity

    app.await_reason("FieldOwnedByOther")
    app.settle()
    app.assert_quiet()
    assert app.facts == Facts(generation=4, rollouts=4, writes=3)
    assert app.affinity == old


def test_an_undo_that_flux_reverts_ends_well(stage: Stage, kind: str) -> None:
    """Flux takes the undone terms over and out; the template is free again for today's, and both are content."""
    app = _undone(stage, kind, Flux(stage))
    app.await_reason("FieldOwnedByOther")

    app.sync()
    app.settle()

    data = app.drift()
    app.await_at(data)
    app.assert_quiet()
    assert app.asked_for == data


def _undone(stage: Stage, kind: str, git: Git) -> App:
    """Give an app whose data moved twice, and whose last rollout was undone."""
    stage.volume("data")
    app = App(stage, kind, git)
    app.start()
    first = app.drift()
    stage.policy("near", **_RECONCILE)
    app.await_at(first)
    second = app.drift()
    app.await_at(second)
    assert app.facts == Facts(generation=3, rollouts=3, writes=2)
    kubectl(stage, "rollout", "undo", f"{kind.lower()}/shop")
    app.settle()
    assert app.asked_for == first
    return app
