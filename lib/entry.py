"""How every script starts and ends: log lines for people, errors without tracebacks, exit codes."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from lib.errors import PushFitError
from lib.interrupts import INTERRUPTED, end_now, interrupted, leave_signals

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """`text` with its control characters spelled out: what a peer sent must not steer a terminal.

    Line breaks and tabs stay: tracebacks have them.
    """
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


class Printable(logging.Formatter):
    """Log lines without control characters, whoever supplied a part of them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def enter(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Run `main(argv)` and exit: 0 done, 2 something to mend, 3 rejected, 130 Ctrl-C."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Printable("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("pushfit").setLevel(logging.INFO)
    try:
        code = main(sys.argv[1:]) or 0
    except PushFitError as error:
        code = error.exit_code
        with suppress(OSError):  # a log on a full disk must not change what a supervisor is told
            print(f"error: {printable(str(error))}", file=sys.stderr)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # `… | head` closed our output: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception:
        if not interrupted.is_set():
            raise
        code = INTERRUPTED  # what C code made of the KeyboardInterrupt
    finally:
        leave_signals()
    if code == INTERRUPTED and interrupted.is_set():
        end_now(code)
    sys.exit(code)
