"""How every script starts and ends: log lines for people, errors without tracebacks, exit codes."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from pushfit import terminal
from pushfit.errors import PushFitError, trouble
from pushfit.interrupts import INTERRUPTED, end_now, interrupted, leave_signals
from pushfit.requirements import explained
from pushfit.text import one_line, printable, set_in


class Printable(logging.Formatter):
    """Log lines without control characters, whoever supplied a part of them.

    What follows a line break is set in: no text of a peer can look like a line of ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        return set_in(printable(super().format(record)), 9)


def enter(main: Callable[[list[str]], int | None], words: list[str]) -> NoReturn:
    """Run `main(words)` and exit with its code, or with one of these.

    0: done. 1: the output could not be shown, and no log has it. 2: an error that the user can
    correct. 3: the trainer rejected this generator. 130: Ctrl-C.
    """
    terminal.open_streams()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Printable("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("pushfit").setLevel(logging.INFO)
    try:
        code = main(words) or 0
    except PushFitError as error:
        code = error.exit_code
        print(f"error: {set_in(str(error), 2)}", file=sys.stderr)
    except ModuleNotFoundError as error:
        if not (advice := explained(error)):
            raise
        code = PushFitError.exit_code
        print(f"error: {advice}", file=sys.stderr)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if interrupted.is_set():
            code = INTERRUPTED  # C code has turned the KeyboardInterrupt into another exception
        elif isinstance(error, OSError) and error.filename is not None:
            code = PushFitError.exit_code  # a supervisor should not try again
            print(f"error: {one_line(trouble(error))}", file=sys.stderr)
            terminal.note(traceback.format_exc())
        else:
            raise
    finally:
        leave_signals()
    if code == INTERRUPTED and interrupted.is_set():
        end_now(code)
    if not code and (lost := terminal.unseen()):
        print(f"error: the output could not be written: {lost.strerror}", file=sys.stderr)
        code = 1
    sys.exit(code)
