"""python -m bench._httptools …: serve.py on uvicorn's protocol with httptools, without our limits.

That is what uvicorn takes by itself where httptools is installed. The application, its limits of
uploads, and the loop are those of serve.py.
"""

from __future__ import annotations

import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pushfit.commands import serve
from pushfit.entry import enter
from pushfit.serving import server


def unbounded(*, connections: object, metrics: object, **uvicorns: Any) -> HttpToolsProtocol:
    return HttpToolsProtocol(**uvicorns)


if __name__ == "__main__":
    vars(server)["Protocol"] = unbounded
    enter(serve.main, sys.argv[1:])
