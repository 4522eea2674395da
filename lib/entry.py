"""How every script starts and ends: log lines for people, errors without tracebacks, exit codes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from lib.errors import PushFitError
from lib.interrupts import INTERRUPTED, end_now, interrupted, leave_signals


def enter(main: Callable[[list[str]], int | None]) -> NoReturn:
    """Run `main(argv)` and exit: 0 done, 2 something to mend, 3 rejected, 130 Ctrl-C."""
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("pushfit").setLevel(logging.INFO)
    try:
        code = main(sys.argv[1:]) or 0
    except PushFitError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # `… | head` closed our output: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    finally:
        leave_signals()
    if code == INTERRUPTED and interrupted.is_set():
        end_now(code)
    sys.exit(code)
