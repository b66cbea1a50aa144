"""Every error that we raise on purpose.

IdpError
├── InvalidInput      InputTooLong, InvalidAlbum, InvalidAddress, InvalidServiceUrl, InvalidAmount,
│                     InvalidAccountNumber, InvalidPassword
├── Refused           BadCredentials, TooManyAttempts, NotAllowed
├── NotFound
├── Conflict          AliasTaken, InProgress, LastAdministrator, StaleVersion
├── UnsafePlan        NeedsApproval
├── CanaryFailed
├── RefusedSource
├── StoreUnavailable
├── TargetError       TargetUnavailable, TargetDeferred, TargetRejected
└── ConfigError

An error carries a stable `code` (part of the API and of the audit trail) and says whether a retry can help.
HTTP statuses and CAS failure codes come from tables at the edge.
"""

from typing import ClassVar


class IdpError(Exception):
    """Base of all our errors."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False


class InvalidInput(IdpError):
    """The input does not have the required form."""

    code = "invalid_input"


class InputTooLong(InvalidInput):
    """The input is too long. Its content was not read."""

    code = "too_long"


class InvalidAlbum(InvalidInput):
    """Not an album number: 1 to 10 ASCII digits."""

    code = "invalid_album"


class InvalidAddress(InvalidInput):
    """Not an address that we assign or write to."""

    code = "invalid_address"


class InvalidServiceUrl(InvalidInput):
    """Not a URL that an application may ask us to return to."""

    code = "invalid_service_url"


class InvalidAmount(InvalidInput):
    """Not an amount of money greater than nothing."""

    code = "invalid_amount"


class InvalidAccountNumber(InvalidInput):
    """Not a Polish account number; the text says what is wrong."""

    code = "invalid_account_number"


class InvalidPassword(InvalidInput):
    """A new password that the rules refuse; the text says which rule."""

    code = "invalid_password"


class Refused(IdpError):
    """The request is valid and not permitted."""

    code = "refused"


class BadCredentials(Refused):
    """Unknown person or wrong password. The answer is the same for both."""

    code = "bad_credentials"


class TooManyAttempts(Refused):
    """A limit on attempts was reached."""

    code = "too_many_attempts"
    retryable = True


class NotAllowed(Refused):
    """The person is known and may not do this."""

    code = "not_allowed"


class NotFound(IdpError):
    """The requested thing does not exist."""

    code = "not_found"


class Conflict(IdpError):
    """Somebody else was first, or the state has changed."""

    code = "conflict"


class AliasTaken(Conflict):
    """The mail name belongs, or once belonged, to somebody else, or looks too much like theirs."""

    code = "alias_taken"


class InProgress(Conflict):
    """The same is being done at this moment, perhaps in another window."""

    code = "in_progress"
    retryable = True


class LastAdministrator(Conflict):
    """This is the last administrator who may sign in. Without them nobody could administer idp."""

    code = "last_administrator"


class StaleVersion(Conflict):
    """The row changed since it was read."""

    code = "stale_version"
    retryable = True


class UnsafePlan(IdpError):
    """The plan changes more than the limits allow."""

    code = "unsafe_plan"


class NeedsApproval(UnsafePlan):
    """Not enough people have approved this plan. The text says which limit it exceeds and what to do."""

    code = "needs_approval"


class CanaryFailed(IdpError):
    """The first people of a run are not as desired. Nobody else was written."""

    code = "canary_failed"


class RefusedSource(IdpError):
    """A registry file was refused as a whole, and nothing was imported. `reason` is a stable word (docs)."""

    code = "refused_source"

    def __init__(self, sentence: str, reason: str = "refused_source") -> None:
        super().__init__(sentence)
        self.reason = reason


class StoreUnavailable(IdpError):
    """Our own database did not answer in time, or was too busy."""

    code = "store_unavailable"
    retryable = True


class TargetError(IdpError):
    """A target, or another system that we call, failed."""

    code = "target_error"


class TargetUnavailable(TargetError):
    """It did not answer in time. The same request may succeed later."""

    code = "target_unavailable"
    retryable = True

    def __init__(self, sentence: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s  # the pause that the target asked for


class TargetDeferred(TargetError):
    """It refuses this item for now. Other items may succeed."""

    code = "target_deferred"
    retryable = True


class TargetRejected(TargetError):
    """It refused the request. The same request will fail again."""

    code = "target_rejected"


class ConfigError(IdpError):
    """A person must repair settings, keys or databases. The text says how."""

    code = "config_error"
