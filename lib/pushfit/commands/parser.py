"""The parser of the commands whose arguments are not settings: `keys`, `store` and others."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from pushfit.errors import ConfigError, nearest

_UNKNOWN = "unrecognized arguments: "


class Parser(argparse.ArgumentParser):
    """Takes no abbreviations, and raises ConfigError where argparse would print its usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        if message.startswith(_UNKNOWN):
            word = message.removeprefix(_UNKNOWN).split()[0].partition("=")[0]
            known = nearest(word, self._option_string_actions)
            raise ConfigError(f"{word} is not a word of {self.prog}{known or ', see --help'}")
        raise ConfigError(f"{message} ({self.prog} --help shows what it takes)")
