"""The cookie that carries the sign-on session: opaque, unreadable for scripts, gone with the browser.

Source:  CAS Protocol 3.0.3, section 3.6; RFC 6265bis, cookie name prefixes
"""

from dataclasses import dataclass

from flask import Request, Response

MOST_ACCOUNTS, LONGEST_TOKEN = 5, 64


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """How the cookie is named and marked on this installation."""

    is_https: bool

    @property
    def name(self) -> str:
        """`__Host-` makes browsers refuse a cookie that another host or plain http planted; it needs https."""
        return "__Host-idp_sso" if self.is_https else "idp_sso"

    def read(self, request: Request) -> str:
        """Return the token, or nothing."""
        return request.cookies.get(self.name, "")

    def issue(self, response: Response, token: str, lasts_s: int | None = None) -> None:
        """Hand out a token; without `lasts_s` it goes when the browser is closed."""
        response.set_cookie(
            self.name, token, max_age=lasts_s, path="/", secure=self.is_https, httponly=True, samesite="Lax"
        )

    def clear(self, response: Response) -> None:
        """Tell the browser to forget it."""
        response.delete_cookie(self.name, path="/", secure=self.is_https, httponly=True, samesite="Lax")


@dataclass(frozen=True, slots=True)
class PreSessionCookie:
    """Tells the browsers of two sign-in forms apart, before anybody has signed in. Gone with the browser."""

    is_https: bool

    @property
    def name(self) -> str:
        return "__Host-idp_pre" if self.is_https else "idp_pre"

    def read(self, request: Request) -> str:
        """Return the value, or nothing."""
        value = request.cookies.get(self.name, "")
        return value if len(value) <= LONGEST_TOKEN and value.isascii() else ""

    def issue(self, response: Response, value: str) -> None:
        """Hand out a value."""
        response.set_cookie(self.name, value, path="/", secure=self.is_https, httponly=True, samesite="Lax")


@dataclass(frozen=True, slots=True)
class DeviceCookie:
    """Known devices: one token for each of the latest few accounts that signed in with this browser."""

    is_https: bool

    @property
    def name(self) -> str:
        return "__Host-idp_device" if self.is_https else "idp_device"

    def read(self, request: Request) -> tuple[str, ...]:
        """Return the tokens, of whatever account."""
        tokens = request.cookies.get(self.name, "").split(".")
        return tuple(token for token in tokens if 0 < len(token) <= LONGEST_TOKEN)[:MOST_ACCOUNTS]

    def issue(self, response: Response, tokens: tuple[str, ...], lasts_s: int) -> None:
        """Hand out the tokens; the accounts that have not signed in here for longest are left out."""
        value = ".".join(tokens[:MOST_ACCOUNTS])
        response.set_cookie(
            self.name, value, max_age=lasts_s, path="/", secure=self.is_https, httponly=True, samesite="Lax"
        )
