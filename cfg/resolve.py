"""Layers into settings, remembering which layer gave each value.

    default  <  task        ROW of cfg/TASK.py
             <  host        rows of HOSTS in cfg/base.py that match this host
             <  environment PUSHFIT_NAME
             <  store       DIR/config.json, with --from DIR
             <  run before  OUT/config.json, with --resume
             <  command line

- The task decides which parameters there are, so ``--task`` is looked for first; before that, which
  stored stream is trained from, if one is; and first of all, which run is resumed. A program whose
  task may be left empty takes no parameters: a generator is told them by the trainer.
- A name that no program knows is refused in every layer, with the nearest one that is known. A
  name of another program's setting is passed over: rows and environments serve them all.
- Every value is read by the same `Setting.read`, so a bad one is reported alike from anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from cfg import base, cli, hosts, stored
from cfg.again import RUN_BEFORE, is_given, settings_of_run
from cfg.fields import PREFIX, Setting, parameters_of, settings_of
from cfg.layers import PARENT, Layers, matches, task_row
from lib import tasks
from lib.errors import ConfigError, nearest

S = TypeVar("S", bound=msgspec.Struct)
Load = Callable[[str], Any]  # name of a task -> its class, as lib.tasks.load does


class Resolved(msgspec.Struct, Generic[S], frozen=True):
    """The outcome.

    params: the task's own, or None in a program that takes no task.
    sources: {name of a setting: "default" | "task camera" | "host container" |
        "environment PUSHFIT_EPOCHS" | "command line"}.
    host_row: pattern of the first row of HOSTS that matched.
    described: the settings themselves, parameters last.
    """

    settings: S
    params: msgspec.Struct | None
    sources: dict[str, str]
    host_row: str
    machine: hosts.Machine
    described: tuple[Setting, ...]

    def value(self, setting: Setting) -> Any:
        own = setting in settings_of(type(self.settings))
        return getattr(self.settings if own else self.params, setting.field)

    def given(self, name: str) -> bool:
        """Whether the user named it: on the command line or in the environment."""
        return is_given(self.sources[name])

    def as_json(self) -> dict[str, Any]:
        """For OUT/config.json: every value with its source. Parameters are among the settings."""
        return {
            "host": {"name": self.machine.name, "row": self.host_row},
            "settings": {
                setting.name: {
                    "value": msgspec.to_builtins(self.value(setting)),
                    "source": self.sources[setting.name],
                }
                for setting in self.described
            },
        }

    def texts(self) -> dict[str, str]:
        """Every setting as it would be written on a command line."""
        return {setting.name: setting.text(self.value(setting)) for setting in self.described}

    def argv(self) -> list[str]:
        """A command line that gives these settings, whatever the other layers say."""
        return [word(setting, self.value(setting)) for setting in self.described]


def word(setting: Setting, value: object) -> str:
    """``--flag=value``, or ``--flag`` / ``--no-flag``."""
    if setting.is_bool:
        return setting.flag if value else cli.negated(setting)
    return f"{setting.flag}={setting.text(value)}"


def resolve(
    struct: type[S],
    argv: Sequence[str],
    *,
    prog: str,
    description: str = "",
    environ: Mapping[str, str] | None = None,
    machine: hosts.Machine | None = None,
    table: Sequence[base.Host] = base.HOSTS,
    load: Load = tasks.load,
    row_of: Callable[[str, Any], Mapping[str, object]] = task_row,
) -> Resolved[S]:
    """The settings of `struct` on this host, for this command line.

    `environ`, `machine`, `table`, `load` and `row_of` stand in for the real ones in tests.
    Raises ConfigError; prints and exits for ``--help``.
    """
    own = settings_of(struct)
    taken = {setting.name for known in base.PROGRAMS.values() for setting in settings_of(known)}
    taken |= {setting.name for setting in own}
    machine = machine or hosts.this_machine()
    environ = os.environ if environ is None else environ
    rows = [row for row in table if matches(row, machine)]
    if not rows:
        raise ConfigError(f"no row of HOSTS in cfg/base.py matches this host, {machine.name}")

    layers = Layers(list(own))
    task, params = None, None
    before: Mapping[str, tuple[object, str]] = {}
    kept: Mapping[str, tuple[object, str]] = {}
    first = [setting for setting in own if setting.name in ("task", "resume", "out", "from")]
    if any(setting.name == "task" for setting in first):
        pick = Layers(first)
        pick.add_hosts(rows, taken)
        pick.add_environment(environ)
        words = _first_words(prog, first, argv)
        pick.add_command_line(words)
        if pick.values.get("resume") and pick.values["out"]:
            before = settings_of_run(Path(pick.values["out"]))
            pick.add_config(before, f"the {RUN_BEFORE}")
            pick.add_command_line(words)
        pick.place_paths()
        if folder := pick.values.get("from"):
            kept = stored.settings_of_store(Path(folder), taken)
            pick.add_config(kept, "the stored stream")
            pick.add_config(before, f"the {RUN_BEFORE}")
            pick.add_command_line(words)
            pick.place_paths()
        task = str(pick.values["task"])
    if task is not None and takes_parameters(struct):
        chosen = _load(load, task, pick.sources["task"])
        params = chosen.Params
        layers.extend(parameters_of(chosen.name, params, taken))
        layers.add_task(chosen.name, row_of(task, chosen), taken)
    layers.add_hosts(rows, taken)
    unknown = layers.add_environment(environ, ignore=taken | {"task"})
    if unknown and PARENT not in environ:  # a parent has refused them already, knowing the task
        _refuse_variables(unknown, taken | set(layers.settings), load, task or "")

    layers.add_config(kept, "the stored stream")
    layers.add_config(before, f"the {RUN_BEFORE}")
    parser = cli.build(prog, layers.described(), description=description, current=layers.current())
    layers.add_command_line(parser.words(argv))
    layers.place_paths()
    if kept:
        stored.check(layers, kept, str(layers.values["from"]))
    missing = [s.flag for s in layers.described() if layers.values[s.name] is msgspec.NODEFAULT]
    if missing:
        raise ConfigError(f"{', '.join(missing)} must be given (task {task})")
    return Resolved(
        settings=_made(struct, {s.field: layers.values[s.name] for s in own}, prog),
        params=params
        and _made(
            params,
            {s.field: layers.values[s.name] for s in layers.described()[len(own) :]},
            f"task {task}",
        ),
        sources=layers.sources,
        host_row=rows[0].pattern,
        machine=machine,
        described=layers.described(),
    )


def takes_parameters(struct: type[msgspec.Struct]) -> bool:
    """Whether a program with these settings takes a task's parameters: it needs a task, then."""
    return any(setting.name == "task" and setting.default for setting in settings_of(struct))


def _load(load: Load, task: str, source: str) -> Any:
    try:
        return load(task)
    except ConfigError as error:
        if not source.startswith((RUN_BEFORE, stored.STORE)):
            raise
        raise ConfigError(
            f"{error}. The {source.partition(',')[0]} was made with it; if it was moved, give "
            "--task with its new path"
        ) from error


def _first_words(
    prog: str, settings: Sequence[Setting], argv: Sequence[str]
) -> dict[str, str | bool]:
    """What `argv` says of `settings`, and of nothing else."""
    parser = cli.build(prog, settings)
    words = [word for word in argv if word not in ("-h", "--help")]
    return parser.words(words, strict=False)


def _refuse_variables(variables: Sequence[str], known: set[str], load: Load, task: str) -> None:
    """Raises ConfigError for the first that is not a parameter of any task, either.

    Only here are tasks loaded that are not asked for: a generator may stand in an environment
    that was made for its trainer.
    """
    every = [*tasks.TASKS, *([task] if task.endswith(tasks.ENDING) else [])]
    names = known | set(_parameters_of_all(every, known, load))
    spelt = sorted(PREFIX + name.upper() for name in names)
    for variable in variables:
        if variable not in spelt:
            near = nearest(variable.upper(), spelt) or "; `python -m cfg --all` lists them"
            raise ConfigError(f"{variable} in the environment is not a setting{near}")


def _parameters_of_all(every: Sequence[str], taken: set[str], load: Load) -> Iterator[str]:
    for name in every:
        try:
            task = load(name)
        except ImportError:  # this host lacks a library that only that task needs
            continue
        yield from (setting.name for setting in parameters_of(task.name, task.Params, taken))


def _made(struct: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """`struct` with `values`; what its own ``__post_init__`` refuses is a ConfigError."""
    try:
        return struct(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the settings of {where} do not go together: {error}") from error
