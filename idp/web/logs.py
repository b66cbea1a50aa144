"""Write logs without secrets: one line per event, with the request's reference number."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"password|passwd|secret|ticket|token|pesel|document|national_id|cookie|authorization|samlresponse|pgt|tgt|otp",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"""
    (?P<tag>\b(?:password|passwd|secret|ticket|token|pgtId|pgtIou|pesel|SAMLResponse)=)[^&\s"']+
    | \b(?:ST|PT|PGT|PGTIOU|TGT|TGC|LT)-[\w.-]{8,}         # CAS tickets, wherever they stand
    | \b\d{11}\b                                           # the form of a PESEL
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def configure_logs(log_format: str = "auto", level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send our log lines and those of libraries to `stream` (standard error), redacted.

    Shape:   log_format: "json", "console", "plain" (one line for the user of a command), or "auto" (console on a
             terminal, else JSON)
    Effect:  the process's logging configuration is replaced; a repeat is harmless
    """
    stream = stream or sys.stderr
    for_people = log_format == "console" or (log_format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Text tracebacks without local variables: locals hold passwords.
    last: list[Processor] = [structlog.processors.format_exc_info, redact]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if for_people
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    if log_format == "plain":
        renderer = PlainLines()
    # Libraries use `logging`. Our own lines go directly to the stream, at a quarter of the cost.
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    structlog.configure(
        processors=[*shared, *last, renderer],
        logger_factory=structlog.WriteLoggerFactory(stream),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


class PlainLines:
    """Renders what the user of a command must know as one line; the same error is told once.

    Shape:   "Warning: target failed: ldap: ldap://localhost: no answer within 2 seconds"
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        """Return the line.

        Raises:  DropEvent
        """
        error = " ".join(str(event.get("error") or event.get("why") or "").split())
        if error in self._told:
            raise structlog.DropEvent
        if error:
            self._told.add(error)
        parts = [str(event.get("event", "")), str(event.get("target") or ""), error]
        line = f"{str(event.get('level', 'warning')).capitalize()}: {': '.join(part for part in parts if part)}"
        return "\n".join([line, event["exception"]] if "exception" in event else [line])


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what must not be logged: by field name, and by the form of the text."""
    return {name: REDACTED if _SECRET_NAME.search(name) else _clean(value) for name, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_TEXT.sub(lambda found: (found["tag"] or "") + REDACTED, value)
    if isinstance(value, Mapping):
        return redact(None, "", dict(value))
    if isinstance(value, list | tuple | set):
        return [_clean(item) for item in value]
    return value
