"""By which names the API server calls the webhooks of a configuration."""

from typing import Any

import msgspec
import pytest

from mooring.reconcile.certificates import _Configuration, _hosts


def configuration(*client_configs: dict[str, Any]) -> _Configuration:
    """Give a configuration with a webhook for each of these."""
    webhooks = [{"name": f"{number}.mooring.dev", "clientConfig": each} for number, each in enumerate(client_configs)]
    return msgspec.convert({"metadata": {"uid": "1"}, "webhooks": webhooks}, type=_Configuration)


def service(name: str) -> dict[str, Any]:
    """Call a webhook by a service."""
    return {"service": {"name": name, "namespace": "mooring-system", "path": "/mutate", "port": 443}}


def test_services_are_called_by_their_cluster_name() -> None:
    """Each service once, by the name that the API server checks, whatever its port."""
    made = configuration(service("mooring"), service("mooring"), service("another"))

    assert _hosts(made) == ["another.mooring-system.svc", "mooring.mooring-system.svc"]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://mooring.example.com/mutate", "mooring.example.com"),
        ("https://Mooring.Example.com:10250/mutate", "mooring.example.com"),
        ("https://127.0.0.1:8443/mutate", "127.0.0.1"),
        ("https://[fd00::7]:8443/mutate", "fd00::7"),
    ],
)
def test_urls_are_called_by_their_host(url: str, host: str) -> None:
    """A process outside the cluster is called by a DNS name or an address."""
    assert _hosts(configuration({"url": url})) == [host]


@pytest.mark.parametrize("made", [configuration(), configuration({}), configuration({"url": "mutate"})])
def test_nowhere_to_call_is_an_error(made: _Configuration) -> None:
    """Without any address there is nothing to make a certificate for."""
    with pytest.raises(ValueError, match="no webhook"):
        _hosts(made)
