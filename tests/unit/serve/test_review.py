"""The wire form of admission: reviews are read, or it is said what is wrong with them; answers are what is expected."""

import base64
import json
from typing import Any

import pytest

from mooring.serve.review import decode_review, encode_review
from mooring.serve.wire import MalformedRequestError

_POD = {"metadata": {"name": "web", "labels": {"a": "b"}}, "spec": {"volumes": []}}


def _body(**request: Any) -> bytes:
    """Give a review as the API server sends it, with these fields of the request."""
    asked = {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "alice"},
        "object": _POD,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions"},
        **request,
    }
    return json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": asked}).encode()


def test_a_pod_is_read() -> None:
    """Its namespace is that of the request: the object may lack it."""
    request = decode_review(_body())

    assert (request.uid, request.creates_pod) == ("u-1", True)
    assert request.pod().key == "shop/web"
    assert request.pod().labels == {"a": "b"}


def test_a_pod_without_a_name_goes_by_its_prefix() -> None:
    """The API server makes the name after admission; logs and ephemeral claims need something to go by."""
    request = decode_review(_body(object={"metadata": {"generateName": "web-5f7b-"}, "spec": {}}))

    assert request.pod().key == "shop/web-5f7b-"


@pytest.mark.parametrize(
    "request_fields",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE", "object": None},
        {"subResource": "binding"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
        {"kind": {"group": "metrics.k8s.io", "version": "v1", "kind": "Pod"}},
    ],
)
def test_what_is_not_a_new_pod(request_fields: dict[str, Any]) -> None:
    """It is read, and told apart."""
    assert not decode_review(_body(**request_fields)).creates_pod


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "an AdmissionReview of admission.k8s.io/v1 is expected"),
        (_body().replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"), "admission.k8s.io/v1 is expected"),
        (_body().replace(b"AdmissionReview", b"ConversionReview"), "an AdmissionReview"),
        (b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', "request is missing"),
        (_body(uid=None), r"\$.request.uid"),
        (_body(namespace=7), r"\$.request.namespace"),
        (b"\xff" + _body(), "malformed"),
    ],
)
def test_malformed(body: bytes, complaint: str) -> None:
    """The message says which part is wrong."""
    with pytest.raises(MalformedRequestError, match=complaint):
        decode_review(body)


@pytest.mark.parametrize(
    "pod", [None, [], {"spec": {}}, {"metadata": {"name": 7}}, {"metadata": {}, "spec": {"volumes": 1}}]
)
def test_a_pod_that_cannot_be_read(pod: Any) -> None:
    """It is an error of its own: such a pod is admitted, and what is wrong with it is the API server's to say."""
    request = decode_review(_body(object=pod))

    with pytest.raises(ValueError, match=r"Expected|missing"):
        request.pod()


def test_an_answer_without_changes() -> None:
    """Nothing is said that says nothing."""
    assert json.loads(encode_review("u-1", patch=[], audit={}, warnings=[])) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u-1", "allowed": True},
    }


def test_an_answer_with_changes() -> None:
    """The patch travels in base64, with its type."""
    operations = [{"op": "add", "path": "/spec/schedulerName", "value": "mooring"}]

    answer = encode_review("u-1", patch=operations, audit={"policy": "p"}, warnings=["w"])

    response = json.loads(answer)["response"]
    assert json.loads(base64.b64decode(response.pop("patch"))) == operations
    assert response == {
        "uid": "u-1",
        "allowed": True,
        "patchType": "JSONPatch",
        "auditAnnotations": {"policy": "p"},
        "warnings": ["w"],
    }
