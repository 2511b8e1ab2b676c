"""STORK's words on pods, claims, volumes and classes, row by row, under the stock scheduler and under its own."""

from tests.e2e import manifests
from tests.e2e.operator.claims import Said, create_claims, phase_of, provide, storage_class
from tests.e2e.operator.gates import gates_of, is_held
from tests.e2e.operator.vocabulary import (
    ANYWHERE,
    DATA,
    FAR,
    LOCAL,
    REMOTE,
    SCHEDULERS,
    STOCK,
    STORKS,
    TWINS,
    await_given_up,
    await_leaning,
    await_refused,
    bound_to,
    create_leaning,
    leanings,
    opted_in,
    spellings,
    wish_for,
    wishing,
)
from tests.e2e.operator.webhooks import located, stored, tried
from tests.e2e.stage import Stage, stays
from tests.e2e.support import eventually

#: A volume that wants to be remote.
_SERVED = {"sharedv4": "true", "sharedv4_svc_type": "ClusterIP"}
_NOT_REMOTE = {f"{STORKS}preferRemoteNode": "false"}
_REMOTE = {f"{STORKS}preferRemoteNode": "true"}
_ONLY = {f"{STORKS}preferRemoteNodeOnly": "true"}
_NOT_ONLY = {f"{STORKS}preferRemoteNodeOnly": "false"}
_SKIP = {f"{STORKS}skipSchedulerScoring": "true"}

_AWAY = "away from which it is to be used"


# Words on pods.


@SCHEDULERS
def test_scheduler_name(stage: Stage, scheduler: str) -> None:
    """The name alone asks for the soft rule, as a policy does: near the data where that is possible, else elsewhere."""
    fields = opted_in(stage, scheduler)
    stage.volume("data", DATA)

    create_leaning(stage, ["data"], **fields)
    stage.pod("elsewhere", "data", **bound_to(FAR, **fields))

    assert leanings(stage, ["data"]) == {"data": LOCAL}
    assert stage.node_of("elsewhere") == FAR


@SCHEDULERS
def test_prefer_local_node_only(stage: Stage, scheduler: str) -> None:
    """In either spelling: near the data or nowhere; `"false"` says nothing."""
    fields = opted_in(stage, scheduler)
    stage.volume("data", DATA)
    storks, twin = spellings("preferLocalNodeOnly")
    words = {"storks": {storks: "true"}, "twin": {twin: "true"}}

    for name, said in words.items():
        wishing(stage, f"near-{name}", FAR, "data", annotations=said, **fields)
        stage.pod(f"refused-{name}", "data", annotations=said, **bound_to(FAR, **fields))
    stage.pod("soft", "data", annotations={storks: "false"}, **bound_to(FAR, **fields))

    for name in words:
        await_refused(stage, scheduler, f"refused-{name}", f"not near the data of data, which lies on {DATA}")
        assert stage.node_of(f"near-{name}") == DATA
    assert stage.node_of("soft") == FAR


@SCHEDULERS
def test_disable_hyperconvergence(stage: Stage, scheduler: str) -> None:
    """In either spelling all nodes are equal: nothing is held, drawn or driven away, whatever the class says."""
    fields = opted_in(stage, scheduler)
    words = dict(zip(("storks", "twin"), spellings("disableHyperconvergence"), strict=True))
    plain = {f"data-{name}": Said() for name in words}
    served = {f"served-{name}": Said(parameters={**_SERVED, **_ONLY}) for name in words}
    create_claims(stage, plain | served, DATA)
    for claims, leaning in ((plain, LOCAL), (served, REMOTE)):
        for claim in claims:
            await_leaning(stage, claim, leaning)

    for name, word in words.items():
        both = [f"data-{name}", f"served-{name}"]
        made = create_leaning(stage, both, annotations={word: "true"}, **fields)
        assert leanings(stage, both) == dict.fromkeys(both, ANYWHERE)
        assert [gates_of(pod) for pod in made] == [[]] * 4
        assert [pod["spec"]["affinity"] for pod in made] == [wish_for(DATA), wish_for(FAR)] * 2


@SCHEDULERS
def test_both_annotations(stage: Stage, scheduler: str) -> None:
    """The strict filter stays, as in STORK, and what the class wants to be away from goes."""
    fields = opted_in(stage, scheduler)
    create_claims(stage, {"data": Said(), "served": Said(parameters={**_SERVED, **_ONLY})}, DATA)
    await_leaning(stage, "data", LOCAL)
    await_leaning(stage, "served", REMOTE)
    strict, disabled = f"{STORKS}preferLocalNodeOnly", f"{STORKS}disableHyperconvergence"
    both = {strict: "true", disabled: "true"}

    wishing(stage, "near", FAR, "data", "served", annotations=both, **fields)
    stage.pod("refused", "data", annotations=both, **bound_to(FAR, **fields))
    stage.pod("torn", "data", "served", annotations={strict: "true"}, **fields)

    assert stage.node_of("near") == DATA
    await_refused(stage, scheduler, "refused", "not near the data of data")
    await_refused(stage, scheduler, "torn", f"near the data of served, {_AWAY}")


@SCHEDULERS
def test_remote_placement(stage: Stage, scheduler: str) -> None:
    """Away from all replicas where possible, or else nowhere; a volume that binds its pod to a node has no say."""
    fields = opted_in(stage, scheduler)
    replicas = ("node-1", DATA)
    stage.volumes({"data": replicas}, modes=["ReadWriteMany"])
    located(stage, "own", host=DATA)
    stage.await_known("own", [DATA])
    for when in ("ScheduleAnyway", "DoNotSchedule"):
        selector = {"matchLabels": {"remote": when}}
        name = when.lower()
        stage.policy(name, podSelector=selector, placement="Remote", whenUnsatisfiable=when, priority=1)
        labels = {"remote": when}
        for node in (*replicas, FAR):
            wishing(stage, f"{name}-{node}", node, "data", labels=labels, **fields)
        stage.pod(f"{name}-bound", "data", labels=labels, **bound_to(DATA, **fields))
        stage.pod(f"{name}-own", "own", labels=labels, **fields)

    for name in ("scheduleanyway", "donotschedule"):
        away = {stage.node_of(f"{name}-{node}") for node in replicas}
        assert away.isdisjoint(replicas)
        assert stage.node_of(f"{name}-{FAR}") == FAR
        assert stage.node_of(f"{name}-own") == DATA
    assert stage.node_of("scheduleanyway-bound") == DATA
    await_refused(stage, scheduler, "donotschedule-bound", f"near the data of data, {_AWAY}")


# Words on claims, volumes and classes.

_LEANINGS = {
    "class": (Said(parameters=_SERVED), REMOTE),
    "label": (Said(volume=_SERVED), REMOTE),
    "attribute": (Said(attributes=_SERVED), REMOTE),
    "true": (Said(parameters=_SERVED | _REMOTE), REMOTE),
    "false-class": (Said(parameters=_SERVED | _NOT_REMOTE), LOCAL),
    "false-label": (Said(parameters=_SERVED, volume=_NOT_REMOTE), LOCAL),
    "false-attribute": (Said(parameters=_SERVED, attributes=_NOT_REMOTE), LOCAL),
    "false-claim": (Said(parameters=_SERVED, claim=_NOT_REMOTE), LOCAL),
    "false-twin": (Said(parameters=_SERVED, claim={f"{TWINS}preferRemoteNode": "false"}), LOCAL),
    "volume-over-class": (Said(parameters=_SERVED | _NOT_REMOTE, volume=_REMOTE), REMOTE),
    "claim-over-volume": (Said(parameters=_SERVED, volume=_REMOTE, claim=_NOT_REMOTE), LOCAL),
    "claim-over-class": (Said(parameters=_SERVED | _NOT_REMOTE, claim=_REMOTE), REMOTE),
    "not-served": (Said(claim=_REMOTE | _ONLY), LOCAL),
    "no-service": (Said(parameters={"sharedv4": "true"} | _ONLY), LOCAL),
    "not-shared": (Said(parameters=_SERVED | {"sharedv4": "false"} | _ONLY), LOCAL),
}


@SCHEDULERS
def test_prefer_remote_node(stage: Stage, scheduler: str) -> None:
    """Only volumes that are served lean away from their data, unless the nearest word says that they do not."""
    fields = opted_in(stage, scheduler)
    create_claims(stage, {claim: said for claim, (said, _) in _LEANINGS.items()}, DATA)
    expected = {claim: leaning for claim, (_, leaning) in _LEANINGS.items()}
    for claim, leaning in expected.items():
        await_leaning(stage, claim, leaning)

    create_leaning(stage, _LEANINGS, **fields)

    assert leanings(stage, _LEANINGS) == expected


_REQUIRED = {
    "class": (Said(parameters=_SERVED | _ONLY), REMOTE, True),
    "label": (Said(parameters=_SERVED, volume=_ONLY), REMOTE, True),
    "attribute": (Said(attributes=_SERVED | _ONLY), REMOTE, True),
    "claim": (Said(volume=_SERVED, claim=_ONLY), REMOTE, True),
    "twin": (Said(parameters=_SERVED, claim={f"{TWINS}preferRemoteNodeOnly": "true"}), REMOTE, True),
    "volume-over-class": (Said(parameters=_SERVED | _ONLY, volume=_NOT_ONLY), REMOTE, False),
    "claim-over-volume": (Said(parameters=_SERVED, volume=_NOT_ONLY, claim=_ONLY), REMOTE, True),
    "claim-over-class": (Said(parameters=_SERVED | _ONLY, claim=_NOT_ONLY), REMOTE, False),
    "not-remote": (Said(parameters=_SERVED | _ONLY | _NOT_REMOTE), LOCAL, False),
    "not-served": (Said(claim=_ONLY), LOCAL, False),
}


@SCHEDULERS
def test_prefer_remote_node_only(stage: Stage, scheduler: str) -> None:
    """Where the nearest word says so, and the volume is served at all, no pod runs on a node with the data."""
    fields = opted_in(stage, scheduler)
    create_claims(stage, {claim: said for claim, (said, _, _) in _REQUIRED.items()}, DATA)
    for claim, (_, leaning, _) in _REQUIRED.items():
        await_leaning(stage, claim, leaning)

    for claim in _REQUIRED:
        stage.pod(claim, claim, **bound_to(DATA, **fields))
    wishing(stage, "away", DATA, "class", **fields)

    for claim, (_, _, required) in _REQUIRED.items():
        if required:
            await_refused(stage, scheduler, claim, f"near the data of {claim}, {_AWAY}")
        else:
            assert stage.node_of(claim) == DATA
    assert stage.node_of("away") != DATA


@SCHEDULERS
def test_what_is_no_boolean(stage: Stage, scheduler: str) -> None:
    """It takes the default, with an event that names the object and the word."""
    fields = opted_in(stage, scheduler)
    word = f"{STORKS}preferRemoteNode"
    create_claims(stage, {"data": Said(parameters=_SERVED, claim={word: "perhaps"})}, DATA)
    await_leaning(stage, "data", REMOTE)

    create_leaning(stage, ["data"], **fields)

    assert leanings(stage, ["data"]) == {"data": REMOTE}
    said = eventually(lambda: stage.events("data-near").get("AnnotationIgnored"))
    assert f"PersistentVolumeClaim {stage.namespace}/data: {word}: 'perhaps' is not a boolean" in str(said)


_SKIPPED = {
    "claim": (Said(claim=_SKIP), ANYWHERE),
    "twin": (Said(claim={f"{TWINS}skipSchedulerScoring": "true"}), ANYWHERE),
    "label": (Said(volume=_SKIP), ANYWHERE),
    "attribute": (Said(attributes=_SKIP), ANYWHERE),
    "claim-over-volume": (Said(volume=_SKIP, claim={f"{STORKS}skipSchedulerScoring": "false"}), LOCAL),
    "class": (Said(parameters=_SKIP), LOCAL),
}


@SCHEDULERS
def test_skip_scheduler_scoring(stage: Stage, scheduler: str) -> None:
    """Under a soft rule the volume draws nobody, and leaves the drawing to others; under a strict one it requires."""
    fields = opted_in(stage, scheduler)
    create_claims(stage, {claim: said for claim, (said, _) in _SKIPPED.items()}, DATA)
    stage.volume("other", FAR)
    expected = {claim: leaning for claim, (_, leaning) in _SKIPPED.items()}
    for claim, leaning in expected.items():
        await_leaning(stage, claim, leaning)

    create_leaning(stage, _SKIPPED, **fields)
    wishing(stage, "drawn-by-other", DATA, "claim", "other", **fields)
    strict = {"annotations": manifests.STRICT, **fields}
    wishing(stage, "strict", FAR, "claim", **strict)
    stage.pod("refused", "claim", **bound_to(FAR, **strict))

    assert leanings(stage, _SKIPPED) == expected
    assert stage.node_of("drawn-by-other") == FAR
    assert stage.node_of("strict") == DATA
    await_refused(stage, scheduler, "refused", "not near the data of claim")


@SCHEDULERS
def test_restore_in_progress(stage: Stage, scheduler: str) -> None:
    """No pod starts with such data: held by admission, else refused with the reason; afterwards it runs near it."""
    fields = opted_in(stage, scheduler)
    claims = dict(zip(("storks", "twin"), spellings("restore-in-progress"), strict=True))
    create_claims(stage, {claim: Said(claim={word: "true"}) for claim, word in claims.items()}, DATA)
    for claim in claims:
        stage.await_known(claim, [])

    for claim in claims:
        wishing(stage, claim, FAR, claim, **fields)

    for claim in claims:
        if scheduler == STOCK:
            stays(lambda claim=claim: is_held(stored(stage, claim)), seconds=0.5)  # type: ignore[misc]
        else:
            await_given_up(stage, claim, f"a restore of {claim} is in progress")
    for claim, word in claims.items():
        stage.patch(stage.path("persistentvolumeclaims", claim), {"metadata": {"annotations": {word: None}}})
    for claim in claims:
        stage.await_known(claim, [DATA])
    # The scheduler may have asked again before that was known; it does so whenever something happens.
    stage.pod("bystander")
    assert stage.nodes_of(list(claims)) == dict.fromkeys(claims, DATA)


# Generic ephemeral volumes.


def with_scratch(*, storage_class: str, **fields: str) -> manifests.Manifest:
    """Give a pod that would rather be elsewhere, with a generic ephemeral volume: its claim is made after it."""
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": resources}
    volume = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
    return manifests.pod("web", affinity=wish_for(FAR), volumes=[volume], **fields)


@SCHEDULERS
def test_ephemeral_volumes(admitted: Stage, scheduler: str) -> None:
    """One that is bound at once holds its pod until its place is known, and then draws it there."""
    admitted.policy("near")
    name = storage_class(admitted, "immediate")

    pod = with_scratch(storage_class=name, schedulerName=scheduler)

    assert is_held(admitted.client.create(admitted.path("pods"), pod))
    eventually(lambda: phase_of(admitted, "web-scratch") == "Pending")
    stays(lambda: is_held(stored(admitted, "web")), seconds=1)
    provide(admitted, "web-scratch", DATA, storage_class=name)
    assert admitted.node_of("web") == DATA


@SCHEDULERS
def test_ephemeral_volumes_that_wait_for_their_pod(admitted: Stage, scheduler: str) -> None:
    """Neither waits for the other: the pod is not held, and its volume is made where it would run."""
    admitted.policy("near")
    name = storage_class(admitted, "late", mode="WaitForFirstConsumer")

    pod = with_scratch(storage_class=name, schedulerName=scheduler)
    # Mooring learns of the class by a watch; until then the pod would have to wait for its claim.
    eventually(lambda: not is_held(tried(admitted, pod)))

    assert gates_of(admitted.client.create(admitted.path("pods"), pod)) == []
    claim = admitted.path("persistentvolumeclaims", "web-scratch")
    key = "volume.kubernetes.io/selected-node"
    assert eventually(lambda: admitted.client.get(claim)["metadata"].get("annotations", {}).get(key)) == FAR
    provide(admitted, "web-scratch", FAR, storage_class=name)
    assert admitted.node_of("web") == FAR
