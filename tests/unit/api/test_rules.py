"""Python and the API server's CEL say the same about the same value."""

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from mooring.api import rules

_ALMOST_LABEL_KEYS = st.text(alphabet="aZ9-_./ \n", max_size=12)
_ALMOST_DURATIONS = st.text(alphabet="019hms. -", max_size=10)
_ALMOST_URLS = st.builds(
    "{}{}".format, st.sampled_from(["http://", "https://"]), st.text("aZ9.:/[]?#@_%'\" \né", max_size=9)
)


@given(key=_ALMOST_LABEL_KEYS)
def test_label_keys_are_judged_alike(key: str) -> None:
    """A key that the models take is one that the CEL rules take, alone and in a map, and the other way round."""
    accepted = _accepted(rules.check_label_key, key)

    assert cel.evaluate(rules.LABEL_KEY_RULE["rule"], {"self": key}) is accepted
    assert cel.evaluate(rules.LABEL_KEYS_RULE["rule"], {"self": {key: "x"}}) is accepted


@given(text=_ALMOST_DURATIONS)
def test_durations_are_judged_alike(text: str) -> None:
    """A duration that the models take is one that the CEL rule takes, and the other way round."""
    assert cel.evaluate(rules.DURATION_RULE["rule"], {"self": text}) is _accepted(rules.check_duration, text)


@given(text=_ALMOST_DURATIONS)
def test_intervals_are_judged_alike(text: str) -> None:
    """An interval that the models take is one that the CEL rule takes, and the other way round."""
    assert cel.evaluate(rules.INTERVAL_RULE["rule"], {"self": text}) is _accepted(rules.check_interval, text)


@given(text=_ALMOST_URLS)
def test_urls_are_judged_alike(text: str) -> None:
    """A URL that the models take is one that the CEL rule takes, and the other way round."""
    assert cel.evaluate(rules.HTTP_URL_RULE["rule"], {"self": text}) is _accepted(rules.check_http_url, text)


@pytest.mark.parametrize(("text", "accepted"), [("5s", True), ("4999ms", False), ("0h", False), ("1h", True)])
def test_an_interval_is_five_seconds_at_least(text: str, *, accepted: bool) -> None:
    """A storage system is not to be asked all the time."""
    assert _accepted(rules.check_interval, text) is accepted


@pytest.mark.parametrize(
    "url", ["http://a", "https://px-api.portworx.svc:9021", "https://10.0.0.1/base/", "http://[fd00::1]:9001"]
)
def test_urls_in_use_are_accepted(url: str) -> None:
    """Names, addresses, ports and paths."""
    assert rules.check_http_url(url) == url


@pytest.mark.parametrize(
    "key", ["tier", "kubernetes.io/hostname", "failure-domain.beta.kubernetes.io/zone", "px/rack", "a" * 63, "A_b.c-9"]
)
def test_label_keys_in_use_are_accepted(key: str) -> None:
    """Keys that clusters have are accepted."""
    assert rules.check_label_key(key) == key


@pytest.mark.parametrize("key", ["", "/a", "a/", "-a", "a-", "A.io/b", "a" * 64, "a b", "a\n", "a" * 320 + "/b"])
def test_label_keys_that_kubernetes_refuses_are_refused(key: str) -> None:
    """Keys that no label can have are refused."""
    with pytest.raises(PydanticCustomError, match="must be a label key"):
        rules.check_label_key(key)


def _accepted(check: object, text: str) -> bool:
    assert callable(check)
    try:
        check(text)
    except PydanticCustomError:
        return False
    return True
