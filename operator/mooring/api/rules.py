"""What a value may look like, said twice in one place: to Python here, and to the API server as CEL."""

import re
from typing import Any, Final, NotRequired, TypedDict

from pydantic import JsonValue
from pydantic_core import PydanticCustomError

CEL_RULES: Final = "x-kubernetes-validations"

_DNS_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_KEY: Final = rf"^({_DNS_LABEL}(\.{_DNS_LABEL})*/)?([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]$"
_DURATION: Final = "^([0-9]{1,5}(h|m|s|ms)){1,4}$"
_HTTP_URL: Final = r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-\"$->@-~]*)?$"
_MIN_INTERVAL_SECONDS: Final = 5

LABEL_VALUE_PATTERN: Final = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
MAX_LABEL_KEY: Final = 317
"""A DNS subdomain (253), a slash and a name (63)."""

LABEL_KEY_MESSAGE: Final = "must be a label key, such as kubernetes.io/hostname or tier"
LABEL_KEYS_MESSAGE: Final = "every key must be a label key, such as kubernetes.io/hostname or tier"
DURATION_MESSAGE: Final = "must be a duration, such as 30s, 10m or 1h30m"
HTTP_URL_MESSAGE: Final = "must be an http or https URL without user, query or fragment, such as https://px-api:9021"
INTERVAL_MESSAGE: Final = "must be a duration of at least 5s, such as 30s or 5m"
ONE_SOURCE_MESSAGE: Final = "exactly one of replicas and openStorage is required"
VALUES_REQUIRED_MESSAGE: Final = "In and NotIn need at least one value"
VALUES_FORBIDDEN_MESSAGE: Final = "Exists and DoesNotExist take no values"
NEVER_STRICT_ANYWHERE_MESSAGE: Final = "DoNotSchedule contradicts placement Anywhere, which has no opinion on nodes"


class CelRule(TypedDict):
    """One entry of `x-kubernetes-validations`; `fieldPath` names the field at fault below the rule's own."""

    rule: str
    message: str
    fieldPath: NotRequired[str]


LABEL_KEY_RULE: Final = CelRule(rule=f"self.matches(r'{_LABEL_KEY}')", message=LABEL_KEY_MESSAGE)
LABEL_KEYS_RULE: Final = CelRule(rule=f"self.all(key, key.matches(r'{_LABEL_KEY}'))", message=LABEL_KEYS_MESSAGE)
DURATION_RULE: Final = CelRule(rule=f"self.matches(r'{_DURATION}')", message=DURATION_MESSAGE)
HTTP_URL_RULE: Final = CelRule(rule=f"self.matches(r'{_HTTP_URL}')", message=HTTP_URL_MESSAGE)
INTERVAL_RULE: Final = CelRule(
    rule=f"self.matches(r'{_DURATION}') && duration(self) >= duration('5s')", message=INTERVAL_MESSAGE
)
ONE_SOURCE_RULE: Final = CelRule(rule="has(self.replicas) != has(self.openStorage)", message=ONE_SOURCE_MESSAGE)
VALUES_REQUIRED_RULE: Final = CelRule(
    rule="!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
    message=VALUES_REQUIRED_MESSAGE,
    fieldPath=".values",
)
VALUES_FORBIDDEN_RULE: Final = CelRule(
    rule="!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",
    message=VALUES_FORBIDDEN_MESSAGE,
    fieldPath=".values",
)
NEVER_STRICT_ANYWHERE_RULE: Final = CelRule(
    rule="self.placement != 'Anywhere' || self.whenUnsatisfiable != 'DoNotSchedule'",
    message=NEVER_STRICT_ANYWHERE_MESSAGE,
    fieldPath=".whenUnsatisfiable",
)


def broken(message: str) -> PydanticCustomError:
    """Return the validation error whose text is `message` and nothing else."""
    return PydanticCustomError("mooring_rule", "{message}", {"message": message})


def check_label_key(key: str) -> str:
    """Return a qualified name as Kubernetes means it: an optional DNS prefix and a name of at most 63 characters."""
    if len(key) > MAX_LABEL_KEY or not re.fullmatch(_LABEL_KEY, key):
        raise broken(LABEL_KEY_MESSAGE)
    return key


def check_duration(text: str) -> str:
    """Return a duration as Gateway API writes them (GEP-2257): up to four numbers with h, m, s or ms."""
    if not re.fullmatch(_DURATION, text):
        raise broken(DURATION_MESSAGE)
    return text


def check_interval(text: str) -> str:
    """Return a duration that is long enough between two polls."""
    if not re.fullmatch(_DURATION, text) or duration_seconds(text) < _MIN_INTERVAL_SECONDS:
        raise broken(INTERVAL_MESSAGE)
    return text


def check_http_url(text: str) -> str:
    """Return an http or https URL that names a server and perhaps a path."""
    if not re.fullmatch(_HTTP_URL, text):
        raise broken(HTTP_URL_MESSAGE)
    return text


def check_unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return a list that is a set, as `x-kubernetes-list-type: set` demands."""
    for position, name in enumerate(names):
        if name in names[:position]:
            raise broken(f"names {name} twice")
    return names


def duration_seconds(text: str) -> float:
    """Return the seconds in a duration that `check_duration` accepts."""
    seconds = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(int(number) * seconds[unit] for number, unit in re.findall("([0-9]+)(ms|h|m|s)", text))


def with_rules(*rules: CelRule) -> dict[str, JsonValue]:
    """Return the JSON-schema extra that carries CEL rules from a model to its CRD."""
    entries: list[Any] = [dict(rule) for rule in rules]
    return {CEL_RULES: entries}
