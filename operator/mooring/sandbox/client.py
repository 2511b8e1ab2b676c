"""Raw requests to a sandbox's kube-apiserver, with the standard library alone."""

import http.client
import json
import ssl
import time
from types import TracebackType
from typing import Any, Final, Self

from mooring.sandbox.layout import Layout
from mooring.sandbox.processes import LOOPBACK

_APPLY: Final = "application/apply-patch+yaml"
#: kube-apiserver closes a connection on which it was asked nothing for 90 seconds.
_IDLE_SECONDS: Final = 45.0


class ApiError(Exception):
    """kube-apiserver refused a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class ApiClient:
    """One connection as one user, kept alive while it is used; not for several threads at a time."""

    def __init__(self, layout: Layout, *, user: str = "admin", timeout: float = 30) -> None:
        context = ssl.create_default_context(cafile=layout.pki("ca.crt"))
        context.load_cert_chain(layout.pki(f"{user}.crt"), layout.pki(f"{user}.key"))
        port = layout.ports["kube-apiserver"]
        self._connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=timeout, context=context)
        self._asked = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
        """Send one request and give the parsed answer.

        Raises:
            ApiError: the answer is an error of Kubernetes.
            OSError: there is no answer.
        """
        sent = None if body is None else json.dumps(body)
        if time.monotonic() - self._asked > _IDLE_SECONDS:
            self._connection.close()  # http.client connects anew by itself
        self._asked = time.monotonic()
        try:
            self._connection.request(method, path, sent, {"Content-Type": content_type})
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ConnectionError(f"{method} {path}: {error}") from error
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiError(response.status, _message(text))
        return json.loads(text)

    def get(self, path: str) -> Any:
        """Read an object or a list."""
        return self.request("GET", path)

    def create(self, path: str, body: Any) -> Any:
        """Create an object in a collection."""
        return self.request("POST", path, body)

    def apply(self, path: str, body: Any, *, manager: str = "mooring-sandbox") -> Any:
        """Apply an object on the server's side, over whoever owned its fields."""
        query = f"?fieldManager={manager}&force=true"
        return self.request("PATCH", path + query, body, content_type=_APPLY)


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace").strip()
