"""What can go wrong with a provider.

ProviderError                     a call failed; says whether trying again can help
  RequestRefused                  the prompt or the request is not accepted (400, 422, policy)
  NotEntitled                     no key, a wrong key, no credit: stops the whole job
  InvalidResponse                 an answer that is not a whole picture             retryable
  ProviderUnavailable             network, 5xx, deadline                            retryable
    RateLimited                   "not now": 429, or a full queue
    ServerGone                    that server does not answer: the scene may go to another
ProviderConfigurationError        the installation is wrong; not a ProviderError
"""

from typing import ClassVar

from django.core.exceptions import ImproperlyConfigured


class ProviderError(Exception):
    """A failed call. `message` is for the person who waits for the picture: it never holds a key or a body.

    `bytes_received` counts what was read of picture bodies before the call failed.
    """

    retryable: ClassVar[bool] = False
    code: ClassVar[str] = "provider_error"

    def __init__(self, message: str, *, provider: str, bytes_received: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.bytes_received = bytes_received


class RequestRefused(ProviderError):
    code = "request_refused"


class NotEntitled(ProviderError):
    """No further call is of use before somebody changes the key or buys credit."""

    code = "not_entitled"


class InvalidResponse(ProviderError):
    retryable = True
    code = "invalid_response"


class ProviderUnavailable(ProviderError):
    retryable = True
    code = "provider_unavailable"


class RateLimited(ProviderUnavailable):
    """`retry_after`: seconds the provider asked for, or None where it named no time."""

    code = "rate_limited"

    def __init__(
        self, message: str, *, provider: str, retry_after: float | None = None, bytes_received: int = 0
    ) -> None:
        super().__init__(message, provider=provider, bytes_received=bytes_received)
        self.retry_after = retry_after


class ServerGone(ProviderUnavailable):
    """One of several servers does not answer any more. The request is forgotten there: another may make it anew."""

    code = "server_gone"


class ProviderConfigurationError(ImproperlyConfigured):
    """A setting is missing or wrong. Raised before any row is made or call is begun."""
