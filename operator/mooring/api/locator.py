"""`VolumeLocator`: where a storage system says which node holds the data of a volume, checked and typed.

The fields and their defaults are those of the CRD, which is generated from these models. Whether an expression compiles
is not checked here: CEL is no business of the models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from mooring.api import rules
from mooring.api.locator_status import LocatorStatus
from mooring.api.parsing import parse_metadata, parse_spec, parse_status
from mooring.api.policy import API_VERSION
from mooring.api.selectors import ApiModel, LabelKey, LabelSelector

KIND: Final = "VolumeLocator"
NEWEST: Final = "*"
"""The version of a resource that stands for the newest one served."""

_DNS_LABEL: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_DNS_SUBDOMAIN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

Expression = Annotated[str, Field(min_length=1, max_length=4096)]


class FollowedResource(ApiModel):
    """A resource of the storage system, and which of its objects are read."""

    group: Annotated[str, Field(max_length=253, pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")] = ""
    """The API group, such as longhorn.io; left out, the core group."""
    version: Annotated[str, Field(max_length=63, pattern=r"^(\*|[a-z]([-a-z0-9]*[a-z0-9])?)$")] = NEWEST
    """The version, such as v1beta2; * is the newest one served."""
    resource: Annotated[str, Field(max_length=63, pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    """The resource's name in the API, a plural such as replicas."""
    kind: Annotated[str | None, Field(max_length=63, pattern="^[A-Z][A-Za-z0-9]*$")] = None
    """The kind that manifests of it have, where it is not the singular that kubectl would guess. Only snapshots need
    it, which know no plurals."""
    namespace: Annotated[str | None, Field(max_length=63, pattern=_DNS_LABEL)] = None
    """Only objects of this namespace are read; left out, those of all namespaces, or a cluster-scoped resource."""
    label_selector: LabelSelector | None = None
    """Only objects with these labels are read."""

    def is_of(self, manifest: Mapping[str, Any]) -> bool:
        """Whether a manifest is an object of this resource that is read, in whichever version it is written."""
        group = str(manifest.get("apiVersion") or "").rpartition("/")[0]
        kind = str(manifest.get("kind") or "")
        return group == self.group and self._is_kind(kind) and self._selects(manifest.get("metadata"))

    def _is_kind(self, kind: str) -> bool:
        return kind == self.kind if self.kind is not None else _guessed_resource(kind) == self.resource

    def _selects(self, metadata: Any) -> bool:
        given = metadata if isinstance(metadata, Mapping) else {}
        labels = given.get("labels")
        return self.namespace in {None, given.get("namespace") or "default"} and (
            self.label_selector is None or self.label_selector.matches(labels if isinstance(labels, Mapping) else {})
        )


class ReplicaSource(ApiModel):
    """Objects that each stand for the data of one volume on one node."""

    resource: FollowedResource
    """What is read."""
    volume: Expression
    """CEL over `object`: the volume's key, as spec.volume gives it for a PersistentVolume."""
    node: Expression
    """CEL over `object`: the node that has the data, by its name, by the value of nodeLabel on it, or by an id that
    spec.nodes turns into a name."""
    node_label: Annotated[
        LabelKey | None,
        Field(max_length=rules.MAX_LABEL_KEY, json_schema_extra=rules.with_rules(rules.LABEL_KEY_RULE)),
    ] = None
    """The node label whose value `node` gives, such as openebs.io/nodeid; left out, it gives a name."""
    usable: Expression = "true"
    """CEL over `object`: whether the data can be used, a boolean. It must hold for the replicas of a detached volume
    too, which is when the next pod is scheduled."""
    whole: Expression = "true"
    """CEL over `object`: whether it is a whole copy of the data, a boolean. One that is not, such as a tie-breaker, a
    diskless replica or a shard, never counts."""


class SecretKey(ApiModel):
    """A key of a Secret in Mooring's own namespace."""

    name: Annotated[str, Field(max_length=253, pattern=_DNS_SUBDOMAIN)]
    """The Secret's name."""
    key: Annotated[str, Field(max_length=253, pattern="^[-._A-Za-z0-9]+$")]
    """The key in its data."""


class OpenStorageSource(ApiModel):
    """An OpenStorage REST API, which is asked about each volume of the driver."""

    endpoint: Annotated[
        str,
        AfterValidator(rules.check_http_url),
        Field(max_length=2048, json_schema_extra=rules.with_rules(rules.HTTP_URL_RULE)),
    ]
    """The API's http or https URL, such as https://portworx-api.portworx:9021."""
    interval: Annotated[
        str,
        AfterValidator(rules.check_interval),
        Field(max_length=32, json_schema_extra=rules.with_rules(rules.INTERVAL_RULE)),
    ] = "30s"
    """How often it is asked, such as 30s or 5m; 5s at least."""
    token_secret: SecretKey | None = None
    """Where the bearer token is that it wants; left out, none is sent."""
    ca_secret: SecretKey | None = None
    """Where the certificates (PEM) are that its own is checked with; left out, the system's."""

    @property
    def interval_seconds(self) -> float:
        """`interval` in seconds."""
        return rules.duration_seconds(self.interval)


class NodeSource(ApiModel):
    """Objects that each say what the storage system calls a node, or how its storage is."""

    resource: FollowedResource
    """What is read."""
    id: Expression
    """CEL over `object`: the storage system's own name of the node, as replicas give it."""
    node: Expression
    """CEL over `object`: the node's name in Kubernetes."""
    state: Expression | None = None
    """CEL over `object`: the state of storage on the node: Online, StorageDown, Degraded or Offline. Left out, nothing
    is said of it."""


class ServingSource(ApiModel):
    """Objects that each say which node serves a shared volume to all others, over NFS for instance."""

    resource: FollowedResource
    """What is read."""
    volume: Expression
    """CEL over `object`: the volume's key, as spec.volume gives it for a PersistentVolume."""
    node: Expression
    """CEL over `object`: the name of the node that serves it, or an id that spec.nodes turns into a name."""
    usable: Expression = "true"
    """CEL over `object`: whether it is being served, a boolean."""


class LocatorSpec(ApiModel):
    """Where the volumes of one CSI driver say which nodes hold their data."""

    model_config = ConfigDict(json_schema_extra=rules.with_rules(rules.ONE_SOURCE_RULE))

    driver: Annotated[str, Field(min_length=1, max_length=63)]
    """The CSI driver whose volumes are located, such as driver.longhorn.io."""
    volume: Expression = "volume.spec.csi.volumeHandle"
    """CEL over `volume`, the PersistentVolume: the key by which the storage system's objects name it."""
    replicas: ReplicaSource | None = None
    """The resource that says where the replicas of a volume are. Either this or openStorage."""
    open_storage: OpenStorageSource | None = None
    """An OpenStorage REST API that says it, where no resource does. Either this or replicas."""
    nodes: NodeSource | None = None
    """A resource that turns the storage system's ids of nodes into names, or says how storage on a node is."""
    serving: ServingSource | None = None
    """A resource that says which node serves a shared volume: pods belong there, not where the replicas are."""

    @model_validator(mode="after")
    def _one_source(self) -> "LocatorSpec":
        if (self.replicas is None) is (self.open_storage is None):
            raise rules.broken(rules.ONE_SOURCE_MESSAGE)
        return self


class InvalidLocatorError(ValueError):
    """A manifest that the API server would refuse; the message names the field, such as `spec.replicas.node: ...`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locator:
    """A VolumeLocator; only the API server gives a `uid`."""

    kind: ClassVar[str] = KIND

    name: str
    spec: LocatorSpec
    status: LocatorStatus = field(default_factory=LocatorStatus)
    generation: int = 0
    uid: str = ""
    resource_version: str = ""

    @property
    def key(self) -> str:
        """What the index calls it: its name."""
        return self.name


def parse_locator(obj: Mapping[str, Any]) -> Locator:
    """Check and type a VolumeLocator as a manifest or the API server gives it.

    Raises:
        InvalidLocatorError: it is no VolumeLocator, or one that the API server would refuse.
    """
    for part, wanted in {"apiVersion": API_VERSION, "kind": KIND}.items():
        if obj.get(part) != wanted:
            raise InvalidLocatorError(f"{part}: must be {wanted}, not {obj.get(part)!r}")
    metadata = parse_metadata(obj, refusal=InvalidLocatorError)
    return Locator(
        name=metadata["name"],
        spec=parse_spec(LocatorSpec, obj.get("spec"), refusal=InvalidLocatorError),
        status=parse_status(LocatorStatus, obj.get("status")),
        generation=metadata.get("generation", 0),
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
    )


def _guessed_resource(kind: str) -> str:
    """The resource that kubectl takes a kind for where it cannot ask (apimachinery, meta.UnsafeGuessKindToResource)."""
    word = kind.lower()
    if word.endswith("endpoints"):
        return word
    if word.endswith("s"):
        return f"{word}es"
    return f"{word.removesuffix('y')}ies" if word.endswith("y") else f"{word}s"
