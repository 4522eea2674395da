"""A stored stream, looked at: what it holds, whether it is as it was stored, some of it drawn.

python -m lib.sinks.hdf5 info hdf5/cam
python -m lib.sinks.hdf5 verify hdf5/cam
python -m lib.sinks.hdf5 sheet hdf5/cam        # draws hdf5/cam/samples.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.entry import enter, printable
from lib.observe import console
from lib.sinks.hdf5.contents import Contents


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lib.sinks.hdf5",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("info", "verify", "sheet"))
    parser.add_argument("folder", type=Path, metavar="DIR", help="that the sink was given as --out")
    parser.add_argument("--to", type=Path, metavar="FILE", help="of sheet (DIR/samples.png)")
    options = parser.parse_args(argv)
    contents = Contents(options.folder)
    if options.command == "info":
        print(printable(contents.summary()))
        for split in contents.store.splits:
            print(f"\n{printable(contents.table(split))}")
    elif options.command == "sheet":
        into = options.to or options.folder / "samples.png"
        contents.sheet(into)
        print(f"drawn: {into}")
    else:
        wrong = contents.verify(console.Live())
        for each in wrong:
            print(printable(each))
        files = len(contents.places())
        verdict = f"{len(wrong):,} of them are not" if wrong else "all are"
        print(f"{files:,} files: {verdict} as they were stored")
        return 1 if wrong else 0
    return 0


if __name__ == "__main__":
    enter(main)
