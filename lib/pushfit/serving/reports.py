"""Reports to Sentry: every log line with the level of an error is reported, and nothing else."""

from __future__ import annotations

import logging
from typing import Any

from pushfit.errors import ConfigError, OutputError
from pushfit.installation import typed
from pushfit.serving.logs import log, request_id

WAIT_SECONDS = 20.0  # for the answer to the test error


class TrialError(Exception):
    """An error without a cause, which shows that reports arrive."""


def report_errors(dsn: str, run: str, **options: Any) -> None:
    """From now on, send every logged error to Sentry, without the content of requests.

    options: further ones of `sentry_sdk.init`. Raises ConfigError.
    """
    try:
        import sentry_sdk
        from sentry_sdk.types import Event, Hint
        from sentry_sdk.utils import BadDsn
    except ImportError as error:
        raise ConfigError("--sentry-dsn needs Sentry's library: pip install sentry-sdk") from error

    def tagged(event: Event, hint: Hint) -> Event:
        event["tags"] = {**event.get("tags", {}), "request_id": request_id.get(), "run": run}
        return event

    try:
        sentry_sdk.init(
            dsn,
            auto_enabling_integrations=False,
            include_local_variables=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,
            max_breadcrumbs=0,  # these would be log lines about other requests
            before_send=tagged,
            **options,
        )
    except BadDsn as error:
        raise ConfigError(f"--sentry-dsn {dsn!r} is not a DSN of Sentry: {error}") from None


def trial(dsn: str, run: str) -> str:
    """Report a test error like any other, wait until it arrives, and return a line about it.

    Raises ConfigError, or OutputError if it did not arrive.
    """
    if not dsn:
        raise ConfigError("--sentry-test needs an address to send to: give --sentry-dsn, too")
    report_errors(dsn, run, transport=_watched())
    import sentry_sdk

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its retries are not errors
    error = TrialError(f"this is a trial: {typed('serve')} --sentry-test")
    log.error("a trial error for Sentry", exc_info=error)
    event = sentry_sdk.last_event_id()
    sentry_sdk.flush(WAIT_SECONDS)
    transport: Any = sentry_sdk.get_client().transport
    host = transport.parsed_dsn.netloc
    sentry_sdk.get_client().close(0)  # otherwise it would try again when the program ends
    if not transport.said.startswith("2"):
        why = transport.said or f"no answer within {WAIT_SECONDS:g} s"
        raise OutputError(
            f"the trial error did not arrive at {host} ({why}): check that this host reaches it, "
            "and that --sentry-dsn is the one in the settings of the project"
        )
    return f"a trial error was sent to Sentry at {host}: TrialError, event {event}, run {run}"


def _watched() -> type:
    """A transport that keeps the first answer: a status, or what went wrong."""
    from sentry_sdk.transport import HttpTransport

    class Watched(HttpTransport):
        said = ""

        def _request(self, *words: Any, **named: Any) -> Any:
            try:
                answer = super()._request(*words, **named)
            except Exception as error:
                self.said = self.said or str(getattr(error, "reason", error))
                raise
            self.said = self.said or f"{answer.status} {answer.reason or ''}".strip()
            return answer

    return Watched
