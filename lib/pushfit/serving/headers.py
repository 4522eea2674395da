"""The headers of every answer, which allow a browser very little. None of them is for CORS."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

from pushfit.serving.logs import request_id

REQUEST_ID = "X-Request-ID"
POLICY = "Content-Security-Policy"
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # the meaning of frame-ancestors, for old browsers
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add(headers: MutableHeaders) -> None:
    """Add them to `headers`; a page may already have its own policy there."""
    headers[REQUEST_ID] = request_id.get()
    headers.setdefault(POLICY, _POLICY)
    headers.update(_ALWAYS)


def policy(*sources: str) -> str:
    """The policy of one of our pages. sources: further directives, such as `img-src 'self'`."""
    return "; ".join([_POLICY.replace("base-uri 'none'", "base-uri 'self'"), *sources])
