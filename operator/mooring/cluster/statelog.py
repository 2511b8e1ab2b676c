"""Log lines of something that is tried again and again: a state is told of when it changes, not each time it is met."""

from typing import Any, Final

import structlog


class StateLog:
    """Tells of the state of one thing; the same line twice in a row is written once."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._log: Final = log
        self._last: tuple[str, dict[str, Any]] | None = None

    def info(self, event: str, **fields: Any) -> None:
        """Tell that things are as they should be."""
        if self._is_news(event, fields):
            self._log.info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Tell what is wrong."""
        if self._is_news(event, fields):
            self._log.warning(event, **fields)

    def _is_news(self, event: str, fields: dict[str, Any]) -> bool:
        if (event, fields) == self._last:
            return False
        self._last = (event, fields)
        return True
