"""``python -m cfg``: which host row, which links, which settings, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from cfg import base, links
from cfg.fields import Setting, settings_of
from cfg.layers import COMMAND_LINE, DEFAULT, matches
from cfg.resolve import Resolved, resolve, takes_parameters, word
from cfg.stream import about
from lib.entry import enter

PROG = "python -m cfg"


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to report on."""

    task: Annotated[str, about("Data", "Task to show the parameters and defaults of.")] = "camera"
    links: Annotated[str, about("Data", "Folder of symbolic links to report on.", unit="path")] = (
        "nvmelinks"
    )
    all: Annotated[
        bool, about("Report", "Show every setting, not only those that are not defaults.")
    ] = False


def main(argv: Sequence[str]) -> int:
    """Prints the report; returns 0 if the links that training needs are fine, 2 otherwise."""
    shown = resolve(
        ReportSettings,
        argv,
        prog=PROG,
        description="Show this host's row, its links and its settings, and what is wrong.",
    )
    found = links.inspect(Path(shown.settings.links), shown.machine)
    print("\n".join(_host(shown)), end="\n\n")
    print("\n".join(_links(shown, found)), end="\n\n")
    print("\n".join(_settings(shown)))
    return 0 if not any(link.wrong for link in found) else 2


def _host(shown: Resolved[ReportSettings]) -> Iterator[str]:
    machine = shown.machine
    kind = f"a container: {machine.container}" if machine.container else "not a container"
    yield f"Host     {machine.name} ({kind})"
    label, done = "Row", set[str]()
    for row in (row for row in base.HOSTS if matches(row, machine)):
        new = {name: value for name, value in row.settings.items() if name not in done}
        if new or label == "Row":
            sets = ", ".join(f"{name}={value}" for name, value in new.items()) or "sets nothing"
            yield f"{label:8} {row.pattern!r} of HOSTS in cfg/base.py: {sets}"
        label, done = "then", done | set(new)


def _links(shown: Resolved[ReportSettings], found: Sequence[links.Link]) -> Iterator[str]:
    folder = Path(shown.settings.links)
    yield f"Links    {folder} ({shown.sources['links']})"
    if not folder.is_dir():
        yield f"         is {'not a folder' if folder.exists() else 'not there'}: mkdir -p {folder}"
    wide = max(len(link.name) for link in found)
    far = min(max(len(link.target) for link in found), 40)
    for link in found:
        mark = "ok" if link.state == "fine" else "WRONG" if link.wrong else "-"
        target = f"-> {link.target}" if link.target else ""
        count = f"{link.entries:,} {'entry' if link.entries == 1 else 'entries'}"
        state = count if link.state == "fine" else _state(link)
        yield f"  {mark:5}  {link.name:{wide}} {target:{far + 3}}  {state}".rstrip()

    wrong = [link for link in found if link.wrong]
    spare = [link for link in found if not link.wrong and link.state != "fine"]
    for title, group in (("To mend it", wrong), ("Optional; to have them", spare)):
        if group:
            mounts = any(links.is_mount(link, shown.machine) for link in group)
            yield (
                f"{title}, start the container with (-v goes to docker run):"
                if mounts
                else (f"{title}:")
            )
            yield from (f"  {links.mend(link, shown.machine)}" for link in group)
    for link in wrong:
        if link.name not in links.NEEDED:
            yield f"Or do without: rm {links.near(link.path)}"
    if wrong:
        yield "Or name another folder of links: --links DIR, or PUSHFIT_LINKS=DIR"


def _state(link: links.Link) -> str:
    words = {
        "dangling": "points to nothing",
        "not mounted": "is not mounted",
        "missing": "is not there",
        "empty": "is empty",
        "a file": "is a file, not a folder",
        "unreadable": "cannot be read",
    }
    what = links.LINKS.get(link.name, "")
    return words[link.state] + (f" ({what})" if what else "")


def _settings(shown: Resolved[ReportSettings]) -> Iterator[str]:
    """Settings of every program; a line each, unless programs differ in it."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    total = set()
    for prog, struct in base.PROGRAMS.items():
        for setting, value, source in _resolved(shown, prog, struct):
            total.add(setting.name)
            if source != DEFAULT or shown.settings.all:
                key = (setting.name, setting.text(value) or setting.zero or "none", source)
                lines.setdefault(key, []).append(prog.removesuffix(".py").partition("_")[0])
    names = {name for name, *_ in lines}
    hidden = "" if shown.settings.all else f"; {len(total - names)} are defaults, --all shows them"
    yield f"Settings {len(names)} of {len(total)}{hidden}"
    widths = [max((len(key[column]) for key in lines), default=0) for column in range(3)]
    widths[1] = min(widths[1], 40)
    for (name, text, source), programs in lines.items():
        who = "" if len(programs) == len(base.PROGRAMS) else " ".join(programs)
        line = f"  {name:{widths[0]}}  {text:{widths[1]}}  {source:{widths[2]}}  {who}"
        yield line.rstrip()


def _resolved(
    shown: Resolved[ReportSettings], prog: str, struct: type[msgspec.Struct]
) -> Iterator[tuple[Setting, Any, str]]:
    """Each setting of `struct`, its value and its source, under the flags of this command line."""
    taken = {setting.name for setting in settings_of(struct)}
    if takes_parameters(struct):
        taken |= {setting.name for setting in shown.described if setting.name != "all"}
    argv = [
        word(setting, shown.value(setting))
        for setting in shown.described
        if setting.name in taken and shown.sources[setting.name] == COMMAND_LINE
    ]
    outcome = resolve(struct, argv, prog=prog)
    for setting in outcome.described:
        yield setting, outcome.value(setting), outcome.sources[setting.name]


if __name__ == "__main__":
    enter(main)
