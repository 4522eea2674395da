"""Code that a user names for a training: a loss, metrics, callbacks, a model.

    check(resolved)   before Keras is imported: is it there, and may it run?
    load(resolved)    its objects

It runs only by the user's word: what a run's folder alone names does not (`pushfit.tasks.trusted`).
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec

from pushfit.errors import ConfigError, nearest, raised
from pushfit.settings import code
from pushfit.settings.programs.train import TrainSettings
from pushfit.settings.resolve import Resolved
from pushfit.tasks import trusted, user_file

log = logging.getLogger("pushfit.trainer")

SETTINGS = ("model", "loss", "metrics", "callback")  # those that may name code


class UserCode(msgspec.Struct, frozen=True):
    """The objects, by what settings say of them: {"FILE.py:NAME": object}."""

    objects: dict[str, Any] = {}

    def of(self, text: str) -> Any:
        """The object that `text` names; `text` itself where it does not name code."""
        return self.objects.get(text, text)


def check(resolved: Resolved[TrainSettings]) -> None:
    """Raises ConfigError for code that is not there, or that only data names. Runs none of it."""
    for flag, text, said_by in _named(resolved):
        check_one(flag, text, said_by)


def load(resolved: Resolved[TrainSettings]) -> UserCode:
    """All of it, loaded. Raises ConfigError for what cannot be, or raises in it."""
    return UserCode(
        {text: load_one(flag, text, said_by) for flag, text, said_by in _named(resolved)}
    )


def check_one(flag: str, text: str, said_by: str = "") -> None:
    """See `check`. said_by: the data that names it, such as "the run before"; "": a person does."""
    named = code.parse(text, flag)
    if named.is_file:
        user_file.source(Path(named.where), flag)
    elif importlib.util.find_spec(named.where.partition(".")[0]) is None:
        package = named.where.partition(".")[0]
        raise ConfigError(
            f"{flag} {text}: there is no module {package!r} here: install it, or give the file as "
            "FILE.py:NAME"
        )
    if said_by and not trusted.is_known(*_entry(text, named)):
        how = " with its present content" if named.is_file else ""
        raise ConfigError(
            f"{said_by} names {flag} {text}, and you have not named that on this host{how}. A "
            "folder may come from anybody, so the code that it names does not run: look into it, "
            f"and if you trust it, name it in a training: {flag} {text}"
        )


def load_one(flag: str, text: str, said_by: str = "") -> Any:
    """The object that `text` names. Raises ConfigError."""
    check_one(flag, text, said_by)
    named = code.parse(text, flag)
    if named.is_file:
        module = user_file.module(Path(named.where), flag)
    else:
        module = _imported(named.where, f"{flag} {text}")
    try:
        found = reduce(getattr, named.attribute.split("."), module)
    except AttributeError:
        names = [name for name in vars(module) if not name.startswith("_")]
        raise ConfigError(
            f"{flag} {text}: there is no {named.attribute!r} in {named.where}"
            f"{nearest(named.attribute, names)}"
        ) from None
    if not said_by:
        trusted.remember(*_entry(text, named))
    return found


def _entry(text: str, named: code.Code) -> tuple[Path | str, str]:
    """What `trusted` is asked for."""
    return (Path(named.where), named.attribute) if named.is_file else (text, "")


def _named(resolved: Resolved[TrainSettings]) -> Iterator[tuple[str, str, str]]:
    """(flag, text, the data that says it) of each setting that names code."""
    for flag, text in resolved.settings.named_code():
        yield flag, text, resolved.sources[flag.removeprefix("--")].said_by


def _imported(module: str, where: str) -> Any:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and module.startswith(error.name):
            raise ConfigError(f"{where}: there is no module {error.name!r} here") from error
        raise ConfigError(f"{where}: {raised(error)}") from error


def made(what: Any, flag: str, text: str) -> Any:
    """What `what` returns, called without arguments. Raises ConfigError for what it raises."""
    try:
        return what()
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"{flag} {text} cannot be called without arguments: {raised(error)}"
        ) from (error)
