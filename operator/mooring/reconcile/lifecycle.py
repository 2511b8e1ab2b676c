"""The life of policies and locators, by kopf: in a thread and loop of its own, since kopf cancels tasks that share one.

Its handlers only post an object's key to the main loop. They are plain event handlers, so that nothing is written on
the objects: no finalizers, no annotations. The index is the one read model, and reconcile writes the status.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final

import kopf
import structlog

from mooring.api.policy import GROUP, VERSION

_log = structlog.get_logger(__name__)
_RESTART_SECONDS: Final = 5.0
_POLICIES: Final = ("volumeplacementpolicies", "clustervolumeplacementpolicies")
_LOCATORS: Final = "volumelocators"


class Lifecycle:
    """Runs kopf in a thread until stopped."""

    def __init__(
        self,
        *,
        login: Callable[..., kopf.ConnectionInfo],
        on_policy: Callable[[str], None],
        on_locator: Callable[[str], None],
    ) -> None:
        self._registry: Final = kopf.OperatorRegistry()
        self._stop: Final = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        kopf.on.login(registry=self._registry)(login)
        kopf.on.startup(registry=self._registry)(_configure)
        for plural in _POLICIES:
            kopf.on.event(GROUP, VERSION, plural, registry=self._registry)(self._poster(on_policy, _policy_key))
        kopf.on.event(GROUP, VERSION, _LOCATORS, registry=self._registry)(self._poster(on_locator, _locator_key))

    def start(self) -> None:
        """Start kopf; keys are posted to the loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Stop kopf and wait for its thread, but not for long: it is a daemon thread and holds nothing."""
        self._stop.set()
        if self._loop is None:
            return  # never started
        await asyncio.to_thread(self._thread.join, 2.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                asyncio.run(
                    kopf.operator(registry=self._registry, standalone=True, clusterwide=True, stop_flag=self._stop)
                )
            except Exception as error:  # noqa: BLE001 - kopf gives up after a minute without an API server; we do not
                _log.warning("kopf is started anew", error=str(error) or type(error).__name__)
            self._stop.wait(_RESTART_SECONDS)

    def _poster(self, post: Callable[[str], None], key_of: Callable[[kopf.Body], str]) -> Callable[..., None]:
        def handler(body: kopf.Body, **_: Any) -> None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(post, key_of(body))

        return handler


def _policy_key(body: kopf.Body) -> str:
    parts = [body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]]
    return "/".join(part for part in parts if part)


def _locator_key(body: kopf.Body) -> str:
    return str(body["metadata"]["name"])


def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    # kopf takes this finalizer off anything it watches: with its default name we would fight other kopf operators.
    settings.persistence.finalizer = f"{GROUP}/unused"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    settings.posting.enabled = False
    settings.watching.inactivity_timeout = 150
    # The CRDs are installed before the operator runs; watching all definitions would be a right more to ask for.
    settings.scanning.disabled = True
