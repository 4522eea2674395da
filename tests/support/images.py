"""Images of the Dockerfile, as tests run them."""

from __future__ import annotations

USER = 10001  # whom the images run as
