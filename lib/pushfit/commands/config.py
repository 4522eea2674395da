"""``pushfit config``: this host's row, links and settings, and what is wrong with them.

pushfit config                 shows this host's settings, and where each comes from
pushfit config --all           shows the settings that have their defaults as well
pushfit config --init          writes cfg/, dockerlinks/ and nvmelinks/ here, for a site to edit
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from pushfit import tasks
from pushfit.errors import DataError
from pushfit.observe import summary
from pushfit.settings import links, new_site, site
from pushfit.settings.declaration import Placed, about
from pushfit.settings.fields import Setting, settings_of
from pushfit.settings.layers import matches
from pushfit.settings.links import ReportedLinks
from pushfit.settings.origin import COMMAND_LINE, DEFAULT, Origin
from pushfit.settings.programs import PROGRAMS
from pushfit.settings.resolve import Resolved, resolve, takes_parameters
from pushfit.tasks import checks
from pushfit.text import as_lines

PROG = "pushfit config"


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to report on."""

    task: Annotated[
        str,
        about(
            "Data",
            "Task whose parameters and defaults are shown.",
            unit="name or path",
            suggested=tuple(tasks.TASKS),
            placed=Placed.TASK,
            early=True,
        ),
    ] = "camera"
    links: ReportedLinks = "nvmelinks"
    all: Annotated[
        bool, about("Report", "Show every setting, also those that have their defaults.")
    ] = False
    init: Annotated[
        bool,
        about(
            "Report",
            "Write the files that a site edits into the current folder, and exit: cfg with the "
            "table of hosts, and the two folders of links to the data. Nothing is overwritten.",
        ),
    ] = False


def main(argv: Sequence[str]) -> int:
    """Print the report. Returns 0 if the links that training needs are fine, otherwise 2."""
    shown = resolve(
        ReportSettings,
        argv,
        prog=PROG,
        description="Show this host's row, its links and its settings, and what is wrong.",
    )
    if shown.settings.init:
        made = new_site.make(Path.cwd())
        print(f"made {', '.join(path.name for path in made)} in {Path.cwd()}")
        print("Now point the links to your data: ln -sfn /path/to/your/train nvmelinks/train")
        return 0
    found = links.inspect(Path(shown.settings.links), shown.machine)
    print(as_lines(_host(shown)), end="\n\n")
    print(as_lines(_links(shown, found)), end="\n\n")
    if not any(link.wrong for link in found):
        print(as_lines(_data(shown)), end="\n\n")
    print(as_lines(_settings(shown)))
    return 0 if not any(link.wrong for link in found) else 2


def _host(shown: Resolved[ReportSettings]) -> Iterator[str]:
    machine = shown.machine
    kind = f"a container: {machine.container}" if machine.container else "not a container"
    yield f"Host     {machine.name} ({kind})"
    label, done, folder = "Row", set[str](), site.folder()
    table = f"HOSTS in {links.near(folder / site.TABLE)}" if folder else "the default table"
    for row in (row for row in site.hosts() if matches(row, machine)):
        new = {name: value for name, value in row.settings.items() if name not in done}
        if new or label == "Row":
            sets = ", ".join(f"{name}={value}" for name, value in new.items()) or "sets nothing"
            yield f"{label:8} {row.pattern!r} of {table}: {sets}"
        label, done = "then", done | set(new)


def _links(shown: Resolved[ReportSettings], found: Sequence[links.Link]) -> Iterator[str]:
    folder = Path(shown.settings.links)
    yield f"Links    {folder} ({shown.sources['links']})"
    if reason := links.unusable(folder):
        yield f"         {reason}"
    wide = max(len(link.name) for link in found)
    far = min(max(len(link.target) for link in found), 40)
    for link in found:
        mark = "ok" if link.state == "fine" else "WRONG" if link.wrong else "-"
        target = f"-> {link.target}" if link.target else ""
        count = f"{link.entries:,} {'entry' if link.entries == 1 else 'entries'}"
        state = count if link.state == "fine" else _state(link)
        yield f"  {mark:5}  {link.name:{wide}} {target:{far + 3}}  {state}".rstrip()

    wrong = [link for link in found if link.wrong]
    known = [link for link in found if link.name in links.SHOWN | {links.WRITTEN}]
    spare = [link for link in known if not link.wrong and link.state != "fine"]
    for title, group in (("To correct it", wrong), ("Optional; to have them", spare)):
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
            yield f"Or train without it: rm {links.near(link.path)}"
    if wrong:
        yield "Or choose another folder of links: --links DIR, or PUSHFIT_LINKS=DIR"


def _data(shown: Resolved[ReportSettings]) -> Iterator[str]:
    """The data that the task finds behind the links and what it does not use, or what is wrong."""
    settings = shown.settings
    assert shown.params is not None  # --task has a default
    try:
        data = checks.scan(tasks.load(settings.task)(shown.params), Path(settings.links))
    except DataError as error:
        yield f"Data      {error}"
        return
    yield from summary.found(
        data.counts(),
        origin=settings.links,
        validation=data.validation,
        unused=data.unused,
        never=data.visiting().never,
    )


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
    """The settings of all programs: a line for each, or several if the programs differ in it."""
    lines: dict[tuple[str, str, str], list[str]] = {}  # by name, value and source
    total = set()
    for prog, struct in PROGRAMS.items():
        for setting, value, origin in _resolved(shown, prog, struct):
            total.add(setting.name)
            if origin != DEFAULT or shown.settings.all:
                key = (setting.name, setting.shown(value) or setting.zero or "none", str(origin))
                lines.setdefault(key, []).append(prog)
    names = {name for name, *_ in lines}
    hidden = "" if shown.settings.all else f"; {len(total - names)} are defaults, --all shows them"
    yield f"Settings {len(names)} of {len(total)}{hidden}"
    widths = [max((len(key[column]) for key in lines), default=0) for column in range(3)]
    widths[1] = min(widths[1], 40)
    for (name, text, source), programs in lines.items():
        who = "" if len(programs) == len(PROGRAMS) else " ".join(programs)
        line = f"  {name:{widths[0]}}  {text:{widths[1]}}  {source:{widths[2]}}  {who}"
        yield line.rstrip()


def _resolved(
    shown: Resolved[ReportSettings], prog: str, struct: type[msgspec.Struct]
) -> Iterator[tuple[Setting, Any, Origin]]:
    """Each setting of `struct`, its value and its source, under the flags of this command line."""
    taken = {setting.name for setting in settings_of(struct)}
    if takes_parameters(struct):
        own = settings_of(ReportSettings)
        taken |= {setting.name for setting in shown.described if setting not in own}
    argv = [
        setting.word(value)
        for setting, value, origin in shown.values()
        if setting.name in taken and origin == COMMAND_LINE
    ]
    yield from resolve(struct, argv, prog=prog).values()
