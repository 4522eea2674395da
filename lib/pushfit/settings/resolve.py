"""Makes the settings of a program from their layers, and notes the layer of each value.

    default  <  task        `row` of the task, ROW of cfg/TASK.py
             <  host        rows of HOSTS in cfg/base.py that match this host
             <  environment PUSHFIT_NAME
             <  store       DIR/config.json, with --from DIR
             <  run before  OUT/config.json, with --resume
             <  command line

- First the run that is resumed is read, then the stored stream of ``--from``, then ``--task``,
  since the task decides which parameters there are. A program whose task may be empty takes no
  parameters; a generator gets them from the trainer.
- A name that no program knows is refused in every layer, with the nearest known name. The names of
  other programs' settings are ignored, since rows and environments are shared by all programs.
- Every value is read by `Setting.read`, so an invalid value gets the same message in every layer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from pushfit import host_facts, tasks
from pushfit.errors import ConfigError, nearest
from pushfit.settings import config_file, site
from pushfit.settings.command_line import CommandLine
from pushfit.settings.declaration import Kept
from pushfit.settings.fields import PREFIX, Setting, parameters_of, settings_of
from pushfit.settings.keywords import Keywords
from pushfit.settings.layers import (
    Environment,
    HostRows,
    Layers,
    Source,
    TaskRow,
    matches,
    task_row,
)
from pushfit.settings.origin import COMMAND_LINE, DEFAULT, Origin
from pushfit.settings.programs import names
from pushfit.settings.resume_layer import RunBefore
from pushfit.settings.site import Host
from pushfit.settings.store_layer import StoredStream

S = TypeVar("S", bound=msgspec.Struct)
Load = Callable[..., Any]  # (name of a task) → its class, as pushfit.tasks.load


class Resolved(msgspec.Struct, Generic[S], frozen=True):
    """The settings of a program, resolved.

    settings: the values.
    params: the parameters of the task; None: the program takes no task.
    sources: {name of a setting: where its value came from}.
    host_row: the pattern of the first row of HOSTS that matched.
    machine: this host.
    described: the declarations of all settings, with the parameters last.
    """

    settings: S
    params: msgspec.Struct | None
    sources: dict[str, Origin]
    host_row: str
    machine: host_facts.Machine
    described: tuple[Setting, ...]

    def value(self, setting: Setting) -> Any:
        own = setting in settings_of(type(self.settings))
        return getattr(self.settings if own else self.params, setting.field)

    def given(self, name: str) -> bool:
        """Return whether a person gave the setting `name`."""
        return self.sources[name].is_given

    @property
    def changed(self) -> frozenset[str]:
        """The names of the settings that were given on this command line."""
        return frozenset(name for name, where in self.sources.items() if where == COMMAND_LINE)

    def values(self) -> Iterator[tuple[Setting, Any, Origin]]:
        """(setting, value, origin) of every setting."""
        for setting in self.described:
            yield setting, self.value(setting), self.sources[setting.name]

    def as_json(self) -> dict[str, Any]:
        """The content of OUT/config.json: every value with its origin, parameters included."""
        return {
            "host": {"name": self.machine.name, "row": self.host_row},
            "settings": config_file.entries(self.values()),
        }

    def texts(self) -> dict[str, str]:
        """{name: text} of every setting, as it can be written on a command line."""
        return {setting.name: setting.text(value) for setting, value, _ in self.values()}

    def fixed(self) -> dict[str, str]:
        """The part of `texts` that a run keeps from its start to its end."""
        texts = self.texts()
        return {s.name: texts[s.name] for s in self.described if s.kept is Kept.ALWAYS}

    def defaults(self) -> dict[str, str]:
        """{name: text} of all defaults. A setting that must be given has none."""
        known = (s for s in self.described if s.default is not msgspec.NODEFAULT)
        return {setting.name: setting.text(setting.default) for setting in known}

    def argv(self) -> list[str]:
        """A command line that gives exactly these settings, without any other layer."""
        return [setting.word(value) for setting, value, _ in self.values()]


def resolve(
    struct: type[S],
    argv: Sequence[str] | Keywords,
    *,
    prog: str,
    description: str = "",
    environ: Mapping[str, str] | None = None,
    machine: host_facts.Machine | None = None,
    table: Sequence[Host] | None = None,
    load: Load = tasks.load,
    row_of: Callable[[str, Any], Mapping[str, object]] = task_row,
) -> Resolved[S]:
    """The settings of a program on this host.

    struct: the declarations of the settings.
    argv: the words of the command line, without the name of the program; or the keywords of a
        call.
    prog: the name of the program, or how the call is written, for messages.
    description: the first paragraph of ``--help``.
    environ, machine, table, load, row_of: tests replace them; None: the real ones.
    Raises ConfigError. Prints the help and exits if the command line asks for help.
    """
    own = settings_of(struct)
    taken = names() | {setting.name for setting in own}
    machine = machine or host_facts.this_machine()
    rows = [row for row in (site.hosts() if table is None else table) if matches(row, machine)]
    if not rows:
        raise ConfigError(f"no row of HOSTS in cfg/base.py matches this host, {machine.name}")
    environment = Environment(os.environ if environ is None else environ)
    words = argv if isinstance(argv, Keywords) else CommandLine(argv, prog)

    # Each of these adds a layer, and the task adds settings.
    lower: list[Source] = [HostRows(rows, taken), environment]
    early = {setting.name: setting for setting in own if setting.early}

    def found(name: str) -> tuple[Any, Origin]:
        return Layers([*lower, words]).value(early[name]) if name in early else (None, DEFAULT)

    before = stored = None
    if found("resume")[0] and (out := found("out")[0]):
        before = RunBefore(Path(out))
        lower.append(before)
    if folder := found("from")[0]:
        stored = StoredStream(Path(folder))
        lower.insert(lower.index(environment) + 1, stored)
    task, said = found("task")

    parameters: tuple[Setting, ...] = ()
    chosen = None
    if takes_parameters(struct):
        chosen = _load(load, task, said)
        parameters = parameters_of(chosen.name, chosen.Params, taken)
        known = taken.union(setting.name for setting in parameters) - early.keys()
        lower.insert(0, TaskRow(chosen.name, row_of(task, chosen), known))
    described = (*own, *parameters)
    spelt = taken.union(setting.name for setting in parameters)
    unknown = environment.unknown(spelt)
    if unknown and not environment.of_child:  # for a child, the parent has checked them
        _refuse_variables(unknown, spelt, load, task or "")

    if words.asks_for_help:
        _show_help(prog, description, described, Layers(lower))
    words.check(described)
    layers = Layers([*lower, words])
    values = {setting.name: layers.value(setting) for setting in described}
    if stored is not None:
        stored.check((setting, *values[setting.name]) for setting in described)
    missing = [s.flag for s in described if values[s.name][0] is msgspec.NODEFAULT]
    if missing:
        raise ConfigError(f"{', '.join(missing)} must be given (task {task})")
    return Resolved(
        settings=_made(struct, {s.field: values[s.name][0] for s in own}, prog),
        params=chosen
        and _made(chosen.Params, {s.field: values[s.name][0] for s in parameters}, f"task {task}"),
        sources={name: origin for name, (_, origin) in values.items()},
        host_row=rows[0].pattern,
        machine=machine,
        described=described,
    )


def takes_parameters(struct: type[msgspec.Struct]) -> bool:
    """Return whether a program with these settings takes parameters, since it needs a task."""
    return any(setting.name == "task" and setting.default for setting in settings_of(struct))


def _show_help(
    prog: str, description: str, described: Sequence[Setting], below: Layers
) -> NoReturn:
    from pushfit.settings import help_page  # it imports argparse

    current = {setting.name: below.value(setting) for setting in described}
    print(help_page.text(prog, described, description=description, current=current), end="")
    sys.exit(0)


def _load(load: Load, task: str, said: Origin) -> Any:
    if not said.said_by:
        return load(task)
    try:
        return load(task, said_by=said.said_by)
    except ConfigError as error:
        if Path(task).exists():
            raise
        raise ConfigError(
            f"{error}. {said.said_by.capitalize()} was made with it; if it was moved, give --task "
            "with its new path"
        ) from error


def _refuse_variables(
    variables: Sequence[str], known: frozenset[str], load: Load, task: str
) -> None:
    """Raise ConfigError for the first variable that is not a parameter of any task.

    This loads every task, since the environment of a generator may have been made for its trainer.
    """
    every = [*tasks.TASKS, *([task] if task.endswith(tasks.ENDING) else [])]
    names = known | set(_parameters_of_all(every, known, load))
    spelt = sorted(PREFIX + name.upper() for name in names)
    for variable in variables:
        if variable not in spelt:
            near = nearest(variable.upper(), spelt) or "; `pushfit config --all` lists them"
            raise ConfigError(f"{variable} in the environment is not a setting{near}")


def _parameters_of_all(every: Sequence[str], taken: frozenset[str], load: Load) -> Iterator[str]:
    for name in every:
        try:
            task = load(name)
        except ImportError:  # this host lacks a library of that task
            continue
        yield from (setting.name for setting in parameters_of(task.name, task.Params, taken))


def _made(struct: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """`struct` with `values`. Raises ConfigError if its ``__post_init__`` refuses them."""
    try:
        return struct(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the settings of {where} contradict each other: {error}") from error
