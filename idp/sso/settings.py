"""`[sso]` and `[http]`: the one session, and what we say to applications over HTTP."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from idp.settings import Adds, Section


class ThrottleSettings(Section):
    """`[sso.throttle]`: what slows guessing down. Only failures count; who signs in rightly is never limited."""

    enabled: Annotated[bool, "Slow down repeated failures. Off is for test benches only."] = True
    account_free_failures: Annotated[int, "Failures of an account before the next try has to wait.", Field(ge=1)] = 5
    network_free_failures: Annotated[int, "Failures of a network before the next try has to wait.", Field(ge=1)] = 50
    first_delay_s: Annotated[float, "Seconds of the first wait; each further failure doubles it.", Field(gt=0)] = 2
    longest_delay_s: Annotated[float, "Seconds of the longest wait.", Field(gt=0)] = 300
    forget_s: Annotated[int, "Seconds after the last failure at which failures are forgotten.", Field(ge=60)] = 3600
    captcha_after: Annotated[int, "Failures of an account or network until the CAPTCHA is due.", Field(ge=1)] = 3
    device_failures: Annotated[int, "Failures after which a known device counts as an unknown one.", Field(ge=1)] = 10
    device_s: Annotated[int, "Seconds that a device stays known after its last sign-in.", Field(ge=0)] = 180 * 24 * 3600
    guessed_accounts: Annotated[
        int, "Accounts that a network fails on before it is taken for guessing and treated strictly.", Field(ge=2)
    ] = 20
    guessing_s: Annotated[int, "Seconds over which those accounts are counted.", Field(ge=60)] = 24 * 3600
    guessing_free_failures: Annotated[int, "Failures of such a network before the next try waits.", Field(ge=0)] = 3
    network_bits_v4: Annotated[
        int, "Leading bits of an IPv4 address that count as one network.", Field(ge=8, le=32)
    ] = 32
    network_bits_v6: Annotated[
        int,
        "Leading bits of an IPv6 address that count as one network. Networks of 8 and 16 bits less count, too, with"
        " limits 4 and 16 times higher.",
        Field(ge=16, le=128),
    ] = 64
    shared_networks: Annotated[
        list[IPv4Network | IPv6Network],
        "Addresses that many people share, such as a campus behind one. Their limits are higher.",
    ] = []
    shared_network_factor: Annotated[int, "How many times higher the limits of shared networks are.", Field(ge=1)] = 20


class SsoSettings(Section):
    """`[sso]`: the sign-on session that all applications share."""

    idle_s: Annotated[int, "Seconds without use after which a session ends.", Field(ge=60)] = 2 * 3600
    lifetime_s: Annotated[int, "Seconds after sign-in at which a session ends in any case.", Field(ge=60)] = 10 * 3600
    remember_me: Annotated[bool, "Offer to stay signed in on this device after the browser is closed."] = False
    remembered_s: Annotated[
        int,
        "Seconds that such a session lasts, used or not; three months at most (CAS Protocol 3.0.3, 4.1.5).",
        Field(ge=60, le=92 * 24 * 3600),
    ] = 14 * 24 * 3600
    login_ticket_s: Annotated[float, "Seconds that an open sign-in form stays good.", Field(ge=60)] = 3600
    captcha: Annotated[
        Literal["adaptive", "always", "off"], "Ask for a CAPTCHA after failures (adaptive), always, or never (off)."
    ] = "adaptive"
    captcha_cost: Annotated[int, "Rounds of PBKDF2 in each step of the CAPTCHA's proof of work.", Field(ge=100)] = 1000
    captcha_steps: Annotated[int, "Steps of that proof at most; a browser needs half of them.", Field(ge=10)] = 5000
    parallel_checks: Annotated[
        int,
        "Passwords that one web process has checked at a time; a hash needs memory and a core.",
        Field(ge=1),
    ] = 2
    waiting_checks: Annotated[
        int,
        "Sign-ins that wait for that; the next ones are asked to come back.",
        Field(ge=0),
    ] = 24
    check_wait_s: Annotated[float, "Seconds that a sign-in waits for its check at most.", Field(gt=0)] = 5.0
    sessions_per_account: Annotated[
        int, "Sessions of one account at a time; one more ends the oldest.", Field(ge=1)
    ] = 50
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
