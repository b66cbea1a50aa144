"""Sign-on as pages use it: the session of this browser, signing in, signing out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import Request, Response

from idp.clock import Clock
from idp.db.outbox import Message
from idp.db.raw import RawStore
from idp.sso import sessions
from idp.sso.cookie import DeviceCookie, SessionCookie
from idp.sso.login_throttle import LoginThrottle
from idp.sso.session_queries import LiveSession
from idp.sso.sessions import Browser, Ended, Started
from idp.sso.settings import SsoSettings
from idp.sso.sign_in import PasswordCheck
from idp.sso.sign_out import Outcome, SignOutService


@dataclass(frozen=True, slots=True)
class SignOnService:
    """Sign-in, sessions and sign-out as views need them; one per process."""

    raw_store: RawStore
    settings: SsoSettings
    clock: Clock
    cookie: SessionCookie
    check_password: PasswordCheck
    sign_out_service: SignOutService
    throttle: LoginThrottle

    @property
    def device_cookie(self) -> DeviceCookie:
        return DeviceCookie(self.cookie.is_https)

    def current_session(self, request: Request) -> LiveSession | None:
        """Return the living session of this browser."""
        return self.session_of(self.cookie.read(request))

    def session_of(self, token: str) -> LiveSession | None:
        """Return the living session that a cookie's value opens."""
        return sessions.find(self.raw_store, self.settings, self.clock, token)

    def captcha_is_due(self, request: Request) -> bool:
        """Tell whether a sign-in form for this browser asks for the CAPTCHA, before anybody has typed a name."""
        return self.throttle.captcha_is_due_for_anybody(request.remote_addr or "", self.device_cookie.read(request))

    def sign_in(
        self, request: Request, name: str, password: str, *, warns: bool, remember: bool, is_person: bool = False
    ) -> Started:
        """Return a new session for whoever gave a right name and password.

        Shape:   is_person: the CAPTCHA was answered
        Raises:  RefusedSignIn, TooSoon, CaptchaDue, TooBusy, TargetUnavailable
        """
        browser = browser_of(request, self.device_cookie.read(request))
        account = self.check_password(name, password, browser, is_person=is_person)
        started = sessions.start(
            self.raw_store,
            self.settings,
            self.clock,
            account,
            browser,
            replaces=self.cookie.read(request),
            remembered=remember,
            warns=warns,
        )
        self.sign_out_service.tell(started.logouts, wait_s=0)
        return replace(started, devices=self.throttle.know_device(account.account_id, browser.devices))

    def give_cookies(self, response: Response, token: str, devices: tuple[str, ...], *, remember: bool) -> None:
        """Hand the new session's token to the browser, and the tokens of its known devices."""
        if devices:
            self.device_cookie.issue(response, devices, self.settings.throttle.device_s)
        lasts_s = self.settings.remembered_s if remember and self.settings.remember_me else None
        self.cookie.issue(response, token, lasts_s)

    def clear_cookie(self, response: Response) -> None:
        """Tell the browser to forget its session."""
        self.cookie.clear(response)

    def find(self, started: Started) -> LiveSession | None:
        """Return the session that was just started; None when the account was closed in the same moment."""
        return self.session_of(started.token)

    def sign_out(self, session: LiveSession) -> list[Outcome]:
        """End a session, as its owner asks, and return which applications have confirmed."""
        logouts = sessions.end(
            self.raw_store, self.clock, [session.session_id], Ended.SIGNED_OUT, actor=session.account_id
        )
        return self._tell(logouts)

    def _tell(self, logouts: Sequence[Message]) -> list[Outcome]:
        return self.sign_out_service.tell(logouts, self.settings.logout_wait_s)


def browser_of(request: Request, devices: tuple[str, ...] = ()) -> Browser:
    """Return where a request comes from; addresses behind proxies are already judged by the web plumbing."""
    return Browser(network=request.remote_addr or "", name=request.user_agent.string, devices=devices)
