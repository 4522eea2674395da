"""`pushfit keys`: the keys of a trainer and of its generators."""

from __future__ import annotations

import argparse

from pushfit.commands.parser import Parser
from pushfit.errors import ConfigError
from pushfit.host import typed_path
from pushfit.installation import typed
from pushfit.wire.keys import KeyFolder


def parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="pushfit keys", description="Make, list and revoke the keys of generators."
    )
    parser.add_argument(
        "command", choices=("make", "list", "revoke"), help="what to do with the keys"
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="name of a key, usually the generators' host"
    )
    parser.add_argument(
        "--keys", default="keys", metavar="DIR", help="the trainer's folder of keys (keys)"
    )
    return parser


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    if options.command != "list" and not options.names:
        raise ConfigError(f"{options.command} needs a NAME, e.g. that of the generators' host")
    folder = KeyFolder(typed_path(options.keys), make=options.command == "make")
    for name in options.names if options.command == "make" else ():
        path = folder.make(name)
        generate = f"{typed('generate')} … --key {path.name}"
        print(f"made {path}: copy it to the generators' host, and start {generate} there")
    for name in options.names if options.command == "revoke" else ():
        folder.revoke(name)
        print(f"revoked {name}: runs that use {folder.path} disconnect it at once")
    if options.command == "list":
        for name in folder.names(folder.admitted):
            print(f"admitted  {name}")
        for name in folder.names(folder.revoked):
            print(f"revoked   {name}")
    return 0
