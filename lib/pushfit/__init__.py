"""PushFit: feed model.fit from generator processes on any number of hosts."""

__version__ = "0.2.0"
