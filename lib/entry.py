"""How every script starts and ends: log lines for people, errors without tracebacks, exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from lib.errors import PushFitError

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended

interrupted = threading.Event()


def end_on_signals() -> None:
    """Have Ctrl-C and SIGTERM raise KeyboardInterrupt in the main thread, and set `interrupted`.

    The event because a Ctrl-C in `fit` was once seen to vanish: most likely the exception came up
    inside a callback from C++, which drops it. Loops that take long look at the event as well. Set
    here, it also works where a shell started us with Ctrl-C ignored, as it does with `&`.
    """

    def interrupt(number: int, frame: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


def enter(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Run `main(argv)` and exit: 0 done, 2 something to mend, 3 rejected, 130 Ctrl-C."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("pushfit").setLevel(logging.INFO)
    try:
        code = main(sys.argv[1:]) or 0
    except PushFitError as error:
        code = error.exit_code
        with suppress(OSError):  # a log on a full disk must not change what a supervisor is told
            print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # `… | head` closed our output: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
