"""A small data set for streams in a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.idx_files import write_digits


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """207 training and 23 validation images."""
    return write_digits(tmp_path_factory.mktemp("digits"), 230)


@pytest.fixture(scope="session")
def many_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,800 training and 200 validation images: 29 batches of 64."""
    return write_digits(tmp_path_factory.mktemp("many"), 2000)
