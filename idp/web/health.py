"""The two health addresses. Every web process of ours answers them in one shape."""

from collections.abc import Callable, Mapping

from flask import Blueprint

OK = "ok"
DOWN = "down"


def blueprint(parts: Callable[[], Mapping[str, str]]) -> Blueprint:
    """Return `/healthz` and `/readyz`.

    Shape:   parts: the state of each part: "ok", "down" or "unknown"; texts that name no address and no error
    Effect:  /healthz says that this process answers. /readyz says that every part works: 200, else 503
    """
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": OK}

    @health.get("/readyz")
    def readyz() -> tuple[dict[str, object], int]:
        states = dict(parts())
        ready = all(state == OK for state in states.values())
        return {"status": OK if ready else DOWN, "parts": states}, 200 if ready else 503

    return health
