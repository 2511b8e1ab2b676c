"""The wire form of admission: an AdmissionReview (admission.k8s.io/v1) in, one with a JSON patch (RFC 6902) out."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from mooring.cluster.records import Pod
from mooring.serve.patch import Operation
from mooring.serve.wire import MalformedRequestError, decode

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

_NOTHING: Final = msgspec.Raw(b"null")


class _Kind(msgspec.Struct):
    kind: str = ""
    group: str = ""


class _GeneratedMeta(msgspec.Struct, rename="camel"):
    generate_name: str = ""


class _Generated(msgspec.Struct):
    metadata: _GeneratedMeta


class ReviewRequest(msgspec.Struct, rename="camel"):
    """What is asked: may this be done, and should anything be changed first?"""

    uid: str
    kind: _Kind = msgspec.field(default_factory=_Kind)
    sub_resource: str = ""
    operation: str = ""
    namespace: str = ""
    object: msgspec.Raw = _NOTHING

    @property
    def creates_pod(self) -> bool:
        """Whether a pod is to be created; nothing else is Mooring's business."""
        return self.operation == "CREATE" and self.kind == _Kind("Pod") and not self.sub_resource

    def pod(self) -> Pod:
        """Read the pod. Its namespace may be in the request only, and a pod that gets a name yet goes by its prefix.

        Raises:
            ValueError: a field has the wrong type; the message names it.
        """
        pod = _POD.decode(self.object)
        meta = pod.metadata
        name = meta.name or _GENERATED.decode(self.object).metadata.generate_name
        meta = msgspec.structs.replace(meta, name=name, namespace=self.namespace or meta.namespace)
        return msgspec.structs.replace(pod, metadata=meta)


class _Review(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    request: ReviewRequest | None = None


_REVIEW: Final = msgspec.json.Decoder(_Review)
_POD: Final = msgspec.json.Decoder(Pod)
_GENERATED: Final = msgspec.json.Decoder(_Generated)


def decode_review(body: bytes) -> ReviewRequest:
    """Read a review.

    Raises:
        MalformedRequestError: the body is no AdmissionReview of this version.
    """
    review = decode(_REVIEW, body)
    if (review.api_version, review.kind) != (API_VERSION, KIND):
        raise MalformedRequestError(f"an {KIND} of {API_VERSION} is expected")
    if review.request is None:
        raise MalformedRequestError("request is missing")
    return review.request


def encode_review(uid: str, *, patch: Sequence[Operation], audit: Mapping[str, str], warnings: Sequence[str]) -> bytes:
    """Allow what was asked, with these changes.

    Args:
        uid: the request's.
        patch: the changes, in order; none for none.
        audit: annotations of the request in the audit log; the API server prefixes them with the webhook's name.
        warnings: sentences that whoever asked gets to see.
    """
    response: dict[str, Any] = {"uid": uid, "allowed": True}
    if patch:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(msgspec.json.encode(patch)).decode()}
    if audit:
        response["auditAnnotations"] = audit
    if warnings:
        response["warnings"] = warnings
    return msgspec.json.encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})
