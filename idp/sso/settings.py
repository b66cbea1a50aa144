"""`[sso]` and `[http]`: the one session, and what we say to applications over HTTP."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from idp.settings import Adds, Section


class ThrottleSettings(Section):
    """`[sso.throttle]`: what slows guessing down."""

    enabled: Annotated[bool, "Slow down repeated failures. Off is for test benches only."] = True


class SsoSettings(Section):
    """`[sso]`: the sign-on session that all applications share."""

    idle_s: Annotated[int, "Seconds without use after which a session ends.", Field(ge=60)] = 2 * 3600
    lifetime_s: Annotated[int, "Seconds after sign-in at which a session ends in any case.", Field(ge=60)] = 10 * 3600
    remember_me: Annotated[bool, "Offer to stay signed in on this device after the browser is closed."] = False
    remembered_s: Annotated[int, "Seconds that such a session lasts, used or not.", Field(ge=60)] = 14 * 24 * 3600
    captcha: Annotated[
        Literal["adaptive", "always", "off"], "Ask for a CAPTCHA after failures (adaptive), always, or never (off)."
    ] = "adaptive"
    logout_wait_s: Annotated[
        float, "Seconds that the sign-out page waits for applications to confirm; slower ones are told on.", Field(ge=0)
    ] = 2.0
    throttle: Annotated[ThrottleSettings, "What slows guessing down."] = ThrottleSettings()


class HttpSettings(Section):
    """`[http]`: requests that we send to registered applications."""

    extra_ca_files: Annotated[list[Path], "CA files (PEM) that are believed beside the system's.", Adds()] = []
    private_networks: Annotated[
        list[IPv4Network | IPv6Network],
        "Networks that are not public and that registered applications may have addresses in, such as 10.0.0.0/8.",
    ] = []
    timeout_s: Annotated[float, "Seconds for one whole request.", Field(gt=0)] = 3.0
