"""`--callback`: callbacks of a user's own, called after PushFit's.

What one raises ends the run with a sentence that names it, and not with a traceback of Keras's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import keras

from pushfit.errors import ConfigError, PushFitError, raised
from pushfit.training import user_code
from pushfit.training.user_code import UserCode

HOOKS = (
    "set_model", "set_params", "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end",
    "on_train_batch_begin", "on_train_batch_end", "on_test_begin", "on_test_end",
    "on_test_batch_begin", "on_test_batch_end", "on_batch_begin", "on_batch_end",
)  # fmt: skip


class CallbackError(PushFitError):
    """A callback that the user has named raised an exception."""


def make(texts: Iterable[str], code: UserCode) -> list[keras.callbacks.Callback]:
    """The callbacks, in their order. Raises ConfigError for what is not a callback."""
    return [_made(text, code.of(text)) for text in texts]


def _made(text: str, what: Any) -> keras.callbacks.Callback:
    made = what
    if not isinstance(what, keras.callbacks.Callback):
        if not callable(what):
            raise ConfigError(
                f"--callback {text} is {type(what).__name__}: name a class, or a function that "
                "returns a callback"
            )
        made = user_code.made(what, "--callback", text)
    if not isinstance(made, keras.callbacks.Callback):
        raise ConfigError(
            f"--callback {text} gives {type(made).__name__}, and it must be a "
            "keras.callbacks.Callback"
        )
    # On the object, not around it: Keras looks at which hooks a callback has of its own.
    for hook in HOOKS:
        method = getattr(made, hook)
        if not _inherited(made, hook):
            setattr(made, hook, _guarded(method, text, hook))
    return made


def _inherited(callback: keras.callbacks.Callback, hook: str) -> bool:
    """Whether it is Keras's own, which does nothing of a user's."""
    own = hook in vars(callback)
    return not own and getattr(type(callback), hook) is getattr(keras.callbacks.Callback, hook)


def _guarded(method: Callable[..., Any], text: str, hook: str) -> Callable[..., Any]:
    @wraps(method)
    def called(*given: Any, **named: Any) -> Any:
        try:
            return method(*given, **named)
        except (Exception, SystemExit) as error:
            raise CallbackError(
                f"--callback {text} failed in {hook}: {raised(error)}. Correct it or leave it out, "
                "and resume the run"
            ) from error

    return called
