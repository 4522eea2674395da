"""The order of every sample, and which generator makes it. Pure: `now` and chance are arguments.

It knows no sockets, processes, files or clocks, and it does not log.
"""
