"""Moves this process's wall clock by FAULTS_CLOCK seconds; Python imports it at its start."""

import os
import time

_AHEAD = float(os.environ.get("FAULTS_CLOCK", "0"))
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _AHEAD
time.time_ns = lambda: _time_ns() + int(_AHEAD * 1e9)
