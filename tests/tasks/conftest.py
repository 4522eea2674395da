from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from pushfit.tasks import user_task


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """What a file brings into the process goes with the test."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    user_task._loaded.clear()
    for name in set(sys.modules) - modules:
        if name.startswith(("pushfit_task_", "beside")):
            del sys.modules[name]
