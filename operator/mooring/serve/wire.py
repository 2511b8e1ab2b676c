"""The scheduler extender's wire form (k8s.io/kube-scheduler/extender/v1): bytes to names, and answers to bytes.

The types have no JSON tags, so that the keys are Go's field names. A request carries either node names
(`nodeCacheCapable: true`) or whole Node objects; the answer has the same form.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from mooring.cluster.records import Pod
from mooring.serve.names import NameList

Decoded = TypeVar("Decoded")

_NULL: Final = msgspec.Raw(b"null")
_NAME_PREFIX: Final = b'{"metadata":{"name":"'
#: What the API server accepts as a node name (RFC 1123 subdomain) needs no escaping in JSON; anything else is refused.
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]+\Z")


class MalformedRequestError(ValueError):
    """A body that is not what is served here; the message says what is wrong."""


class _NodeList(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


class _Args(msgspec.Struct):
    pod: Pod | None = msgspec.field(name="Pod", default=None)
    nodes: _NodeList | None = msgspec.field(name="Nodes", default=None)
    node_names: msgspec.Raw = msgspec.field(name="NodeNames", default=_NULL)


class _NamedMeta(msgspec.Struct):
    name: str


class _Named(msgspec.Struct):
    metadata: _NamedMeta


class _PreemptionArgs(msgspec.Struct):
    pod: Pod | None = msgspec.field(name="Pod", default=None)
    victims: dict[str, "_Victims"] | None = msgspec.field(name="NodeNameToVictims", default=None)
    meta_victims: dict[str, msgspec.Raw] | None = msgspec.field(name="NodeNameToMetaVictims", default=None)


class _Victim(msgspec.Struct):
    metadata: "_VictimMeta"


class _VictimMeta(msgspec.Struct):
    uid: str = ""


class _Victims(msgspec.Struct):
    pods: list[_Victim] | None = msgspec.field(name="Pods", default=None)
    violations: int = msgspec.field(name="NumPDBViolations", default=0)


_ARGS: Final = msgspec.json.Decoder(_Args)
_NAMED: Final = msgspec.json.Decoder(_Named)
_PREEMPTION_ARGS: Final = msgspec.json.Decoder(_PreemptionArgs)


class Request(msgspec.Struct, frozen=True):
    """One call of a verb.

    Attributes:
        names: the candidate nodes.
        objects: the same nodes as the JSON that came in, by name, when they came as objects.
    """

    pod: Pod
    names: NameList
    objects: dict[str, msgspec.Raw] | None


class Preemption(msgspec.Struct, frozen=True):
    """One call of the preempt verb: the nodes on which pods would be evicted, and the answer to give for each."""

    pod: Pod
    victims: Mapping[str, msgspec.Raw]


def decode(decoder: msgspec.json.Decoder[Decoded], body: bytes) -> Decoded:
    """Read a body.

    Raises:
        MalformedRequestError: it is not JSON, or a part is missing or of the wrong type.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequestError(str(error)) from error


def decode_request(body: bytes) -> Request:
    """Read a call of filter or prioritize.

    Raises:
        MalformedRequestError: the body is not JSON, or a part is missing or of the wrong type.
    """
    args = decode(_ARGS, body)
    if args.node_names != _NULL:
        try:
            names = NameList.parse(bytes(args.node_names))
        except ValueError as error:  # msgspec's errors are ValueErrors too
            raise MalformedRequestError(f"NodeNames: {error}") from error
        return Request(_pod(args.pod), names, None)
    if args.nodes is not None:
        objects = {_node_name(raw): raw for raw in args.nodes.items or ()}
        return Request(_pod(args.pod), NameList.of(objects), objects)
    raise MalformedRequestError("neither NodeNames nor Nodes is given")


def decode_preemption(body: bytes) -> Preemption:
    """Read a call of preempt; victims come as whole pods or as identifiers, and are answered as identifiers.

    Raises:
        MalformedRequestError: the body is not JSON, or a part is missing or of the wrong type.
    """
    args = decode(_PREEMPTION_ARGS, body)
    if args.meta_victims is not None:
        return Preemption(_pod(args.pod), args.meta_victims)
    victims = {node: msgspec.Raw(_identifiers(victims)) for node, victims in (args.victims or {}).items()}
    return Preemption(_pod(args.pod), victims)


def encode_filter(request: Request, kept: NameList, refused: Iterable[tuple[str, NameList]]) -> bytes:
    """Answer filter.

    All refusals are `FailedAndUnresolvableNodes`: evicting pods does not bring the data, so that kube-scheduler need
    not try preemption there.

    Args:
        request: the call; its form decides the answer's.
        kept: the nodes that stay.
        refused: reasons, and the nodes that each refuses.
    """
    parts = [b'{"Nodes":null,"NodeNames":', kept.json()]
    if request.objects is not None:
        items = b",".join(bytes(request.objects[name]) for name in kept.to_list())
        parts = [b'{"Nodes":{"metadata":{},"items":[', items, b']},"NodeNames":null']
    parts.append(b',"FailedNodes":{},"FailedAndUnresolvableNodes":{')
    for reason, names in refused:
        parts += [names.wrapped(b"", b":" + msgspec.json.encode(reason)), b","]
    if parts[-1] == b",":
        parts.pop()
    parts.append(b'},"Error":""}')
    return b"".join(parts)


def encode_preemption(victims: Mapping[str, msgspec.Raw]) -> bytes:
    """Answer preempt: the nodes on which evicting pods can help, with their victims as they came."""
    return msgspec.json.encode({"NodeNameToMetaVictims": victims})


def _pod(pod: Pod | None) -> Pod:
    if pod is None:
        raise MalformedRequestError("Pod is missing")
    return pod


def _node_name(raw: msgspec.Raw) -> str:
    # Go writes a Node's metadata.name first; finding it there spares a second scan of the whole object.
    data = bytes(raw)
    if data.startswith(_NAME_PREFIX):
        name = data[len(_NAME_PREFIX) : data.index(b'"', len(_NAME_PREFIX))].decode()
    else:
        try:
            name = _NAMED.decode(data).metadata.name
        except msgspec.DecodeError as error:
            raise MalformedRequestError(f"Nodes.items: {error}") from error
    if not _NAME.match(name):
        raise MalformedRequestError(f"Nodes.items: not a node name: {name!r}")
    return name


def _identifiers(victims: _Victims) -> bytes:
    pods = [{"UID": victim.metadata.uid} for victim in victims.pods or ()]
    return msgspec.json.encode({"Pods": pods, "NumPDBViolations": victims.violations})
