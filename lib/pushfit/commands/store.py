"""Inspect a stored stream.

pushfit store info hdf5/cam         shows what it holds
pushfit store verify hdf5/cam       checks every file
pushfit store sheet hdf5/cam        draws samples into hdf5/cam/samples.png
"""

from __future__ import annotations

import argparse

from pushfit.commands.parser import Parser
from pushfit.host import typed_path
from pushfit.observe import console
from pushfit.text import one_line


def parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="pushfit store",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command", choices=("info", "verify", "sheet"), help="what to do with the stored stream"
    )
    parser.add_argument(
        "folder", type=typed_path, metavar="DIR", help="the folder that the sink had as --out"
    )
    parser.add_argument(
        "--to",
        type=typed_path,
        metavar="FILE",
        help="the picture that `sheet` writes (DIR/samples.png)",
    )
    return parser


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    from pushfit.sinks.hdf5.inspect import Contents  # needs h5py, which not every host has

    contents = Contents(options.folder)
    if options.command == "info":
        print(contents.summary())
        for split in contents.store.splits:
            print(f"\n{contents.table(split)}")
    elif options.command == "sheet":
        into = options.to or options.folder / "samples.png"
        contents.sheet(into)
        print(f"drawn: {into}")
    else:
        wrong = contents.verify(console.Live())
        for each in wrong:
            print(one_line(each))
        files = len(contents.places())
        verdict = f"{len(wrong):,} are not" if wrong else "all are"
        print(f"{files:,} files: {verdict} as they were stored")
        return 1 if wrong else 0
    return 0
