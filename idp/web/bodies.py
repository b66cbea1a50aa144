"""Read request bodies in a limited number of threads, so that slow clients never hold all threads of a web process.

granian waits for a body as long as the connection is open. The proxy in front sets the deadline for a body:
docs/how-to/set-up-the-proxy.md.
"""

import io
import threading

from flask import Flask, request
from werkzeug.exceptions import RequestEntityTooLarge, ServiceUnavailable


def limit_bodies(app: Flask, slots: int, max_bytes: int) -> None:
    """Read the body of each request of `app` before its view runs.

    Shape:   slots: bodies that may arrive at once, fewer than the process has threads
    Effect:  answers 503 when all slots are taken. The view reads the body from memory.
             A body larger than `max_bytes` is refused. If its Content-Length says so, Flask refuses it unread
    """
    free = threading.BoundedSemaphore(slots)

    @app.before_request
    def read_body() -> None:
        length = request.content_length or 0
        is_chunked = "Transfer-Encoding" in request.headers
        if not is_chunked and not 0 < length <= max_bytes:
            return
        if not free.acquire(blocking=False):
            raise ServiceUnavailable
        try:
            body = request.input_stream.read(max_bytes + 1 if is_chunked else length)
        finally:
            free.release()
        if len(body) > max_bytes:
            raise RequestEntityTooLarge
        request.stream = io.BytesIO(body)
