"""One module a command of `pushfit`: each is the map of a process."""

from __future__ import annotations

COMMANDS = {
    "train": "train a model on the samples of a fleet, or on a stored stream",
    "generate": "make samples on this host and push them to a trainer",
    "sink": "measure a stream, or store it",
    "predict": "predict the classes of new records with trained runs",
    "serve": "answer HTTP requests with the predictions of a model of a run",
    "keys": "make, list and revoke the keys of generators",
    "config": "show this host's settings and links to data, and what is wrong with them",
    "store": "show, verify or draw a stored stream",
    "samples": "make a small data set to try PushFit with",
    "doctor": "show what a bug report has to say of this host",
    "completion": "print what makes bash or zsh complete these commands and their flags",
    "health": "tell whether the processes of a container work",
}
