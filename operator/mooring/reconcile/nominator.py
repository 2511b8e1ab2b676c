"""Nominating a node for a pod, with the room on it kept from the moment of the choice."""

from http import HTTPStatus
from typing import Final

import structlog

from mooring.cluster.connection import ApiError
from mooring.cluster.index import Cluster
from mooring.cluster.records import Pod
from mooring.reconcile.writer import Writer

_log = structlog.get_logger(__name__)


class Nominator:
    """Writes nominations, one at a time for each pod."""

    def __init__(self, cluster: Cluster, writer: Writer) -> None:
        self._cluster: Final = cluster
        self._writer: Final = writer

    async def nominate(self, pod: Pod, node: str) -> bool:
        """Nominate a node; returns whether the API server took it, for a pod is not held because of a nomination.

        Raises:
            ApiError: the pod is gone, or is another one by now, or the API server is not up to it at the moment.
            aiohttp.ClientError, TimeoutError, OSError: there was no answer.
        """
        # Promised before it is written: the next pod must not get the same room meanwhile.
        self._cluster.promise(pod, node)
        try:
            await self._writer.nominate(pod, node)
        except ApiError as error:
            self._cluster.withdraw(pod)
            if not _is_refusal(error):
                raise
            _log.warning("a pod cannot be nominated", pod=pod.key, node=node, error=str(error))
            return False
        except BaseException:
            self._cluster.withdraw(pod)
            raise
        return True


def _is_refusal(error: ApiError) -> bool:
    """Whether the API server would say the same again."""
    passing = error.is_missing or error.is_conflict or error.status == HTTPStatus.TOO_MANY_REQUESTS
    return not passing and error.status < HTTPStatus.INTERNAL_SERVER_ERROR
