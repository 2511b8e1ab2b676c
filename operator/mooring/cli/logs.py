"""How the process logs: one structured line an event, on standard error."""

import logging
import sys
from enum import StrEnum

import structlog


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """From which level on lines are written; `debug` has a line for each decision."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure(*, level: LogLevel, form: LogFormat) -> None:
    """Set up structlog, and send what libraries log through the standard module the same way at warning and above."""
    threshold = logging.getLevelName(level.upper())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        processors=[*shared, renderer],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    # kopf logs each retry as an error; the reflectors say the same of the same API server, once.
    logging.getLogger("kopf").setLevel(logging.CRITICAL)
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler], force=True)
