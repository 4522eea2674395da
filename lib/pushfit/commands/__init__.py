"""The commands of `pushfit`, one module each, which is the map of its process.

What a command does in detail is in the rooms below.
"""

from __future__ import annotations

COMMANDS = {
    "train": "train a model on the samples of a fleet, or on a stored stream",
    "generate": "make samples on this host and push them to a trainer",
    "sink": "measure a stream, or store it",
    "predict": "predict the classes of new records with trained runs",
    "serve": "answer HTTP requests with the predictions of a run's model",
    "keys": "make, list and revoke the keys of generators",
    "config": "show this host's settings and links to data, and what is wrong with them",
    "store": "show, verify or draw a stored stream",
    "samples": "make a small data set to try PushFit with",
    "doctor": "show what a bug report needs to know about this host",
    "completion": "print a script with which bash or zsh completes commands and flags",
    "health": "check whether the processes of a container work",
}
