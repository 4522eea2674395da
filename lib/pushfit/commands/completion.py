"""``pushfit completion bash|zsh``: a script by which a shell completes commands, flags and values.

    source <(pushfit completion bash)                       in ~/.bashrc, with bash
    pushfit completion zsh > ~/.zfunc/_pushfit              in a folder of $fpath, with zsh

The script holds all words that it offers, so that the Tab key does not wait for Python. It is made
from the declared settings; make it again after an upgrade.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from pushfit import __version__, tasks
from pushfit.commands import COMMANDS, config, doctor, keys, samples, store
from pushfit.commands.parser import Parser
from pushfit.settings.fields import Setting, parameters_of, settings_of
from pushfit.settings.programs import PROGRAMS, names
from pushfit.settings.resolve import takes_parameters

STRUCTS: Final[Mapping[str, type[msgspec.Struct]]] = {
    **PROGRAMS,
    "config": config.ReportSettings,
    "doctor": doctor.DoctorSettings,
}


class Flag(msgspec.Struct, frozen=True):
    """One flag.

    values: the words to offer as its value.
    path: True offers files as well.
    more: its value is a list, with commas.
    """

    name: str
    help: str
    takes_value: bool = True
    values: tuple[str, ...] = ()
    path: bool = False
    more: bool = False


class Command(msgspec.Struct, frozen=True):
    """What may follow a command.

    words: the words to offer as its first argument.
    paths: True offers files as arguments.
    """

    flags: tuple[Flag, ...]
    words: tuple[str, ...] = ()
    paths: bool = False


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="pushfit completion",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("shell", choices=tuple(SHELLS), help="the shell that the script is for")
    return made


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    print(SHELLS[options.shell](commands()))
    return 0


def commands() -> dict[str, Command]:
    """{name: the command}, of all commands of `pushfit`."""
    parsers = {
        "keys": keys.parser(),
        "store": store.parser(),
        "samples": samples.parser(),
        "completion": parser(),
    }
    found = {name: Command(tuple(_flags(struct))) for name, struct in STRUCTS.items()}
    found |= {name: _of_parser(each) for name, each in parsers.items()}
    found["health"] = Command((), paths=True)
    return {name: found[name] for name in COMMANDS}


def _flags(struct: type[msgspec.Struct]) -> Iterator[Flag]:
    for setting in settings_of(struct):
        yield from _of_setting(setting)
    seen: set[str] = set()
    for name in tasks.TASKS if takes_parameters(struct) else ():
        try:
            task = tasks.load(name)
        except ImportError:  # this host lacks a library that only that task needs
            continue
        for setting in parameters_of(task.name, task.Params, names()):
            if setting.name not in seen:
                yield from _of_setting(setting)
            seen.add(setting.name)
    yield Flag("--help", "Print all flags and exit.", takes_value=False)


def _of_setting(setting: Setting) -> Iterator[Flag]:
    if setting.is_bool:
        yield Flag(setting.flag, setting.description, takes_value=False)
        yield Flag(setting.negated, f"Not: {setting.description}", takes_value=False)
    else:
        path = setting.is_path or setting.unit == "lines"
        values = (*setting.choices, *setting.suggested)
        yield Flag(setting.flag, setting.description, True, values, path, setting.is_list)


def _of_parser(parser: argparse.ArgumentParser) -> Command:
    flags: list[Flag] = []
    words: tuple[str, ...] = ()
    paths = False
    for action in parser._actions:
        choices = tuple(map(str, action.choices or ()))
        path = action.metavar in ("DIR", "FILE")
        for name in (each for each in action.option_strings if each.startswith("--")):
            takes_value = action.nargs != 0
            flags.append(Flag(name, action.help or "", takes_value, choices, path))
        if not action.option_strings:
            words, paths = words or choices, paths or path
    return Command(tuple(flags), words, paths)


# -- bash --------------------------------------------------------------------------------------

BASH = """\
# Completion of `pushfit` for bash, made by `pushfit completion bash` (PushFit {version}).
_pushfit() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}"
    local command="${{COMP_WORDS[1]}}" words="" paths="" IFS=$' \\t\\n'
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{commands}" -- "$cur"))
        return
    fi
    # bash cuts --flag=value into three words.
    if [[ $cur == "=" ]]; then
        cur=""
    elif [[ $prev == "=" ]]; then
        prev="${{COMP_WORDS[COMP_CWORD-2]}}"
    fi
    case "$command $prev" in
{values}
    *)
        case "$command" in
{flags}
        esac
        ;;
    esac
    # In a list with commas, the last item is completed.
    COMPREPLY=($(compgen -P "${{cur%"${{cur##*,}}"}}" -W "$words" -- "${{cur##*,}}"))
    if [[ -n $paths && $cur != -* ]]; then
        compopt -o filenames 2>/dev/null
        IFS=$'\\n'
        COMPREPLY+=($(compgen -f -- "$cur"))
    fi
}}
complete -F _pushfit pushfit"""


def bash(found: Mapping[str, Command]) -> str:
    values, flags = [], []
    for name, command in found.items():
        values += [
            (f'"{name} {flag.name}"', _bash_sets(flag.values, flag.path))
            for flag in command.flags
            if flag.takes_value
        ]
        words = [*command.words, *(flag.name for flag in command.flags)]
        flags.append((name, _bash_sets(words, command.paths)))
    return BASH.format(
        version=__version__,
        commands=" ".join(found),
        values="\n".join(f"    {pattern}) {sets};;" for pattern, sets in values),
        flags="\n".join(f"        {pattern}) {sets};;" for pattern, sets in flags),
    )


def _bash_sets(words: Iterable[str], paths: bool) -> str:
    joined = " ".join(words)
    return (f'words="{joined}" ' if joined else "") + ("paths=yes " if paths else "")


# -- zsh ---------------------------------------------------------------------------------------

ZSH = """\
#compdef pushfit
# Completion of `pushfit` for zsh, made by `pushfit completion zsh` (PushFit {version}).
_pushfit_or_file() {{
    compadd -- "$@"
    _files
}}
_pushfit() {{
    local -a commands
    commands=(
{commands}
    )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    shift words
    ((CURRENT--))
    case "$words[1]" in
{cases}
    esac
}}
if [[ "$funcstack[1]" == _pushfit ]]; then
    _pushfit "$@"
else
    compdef _pushfit pushfit
fi"""


def zsh(found: Mapping[str, Command]) -> str:
    commands = [f"        {_quoted(f'{name}:{COMMANDS[name]}')}" for name in found]
    cases = []
    for name, command in found.items():
        specs = [_quoted(_zsh_flag(flag)) for flag in command.flags]
        if command.words:
            specs.append(_quoted(f":word:({' '.join(command.words)})"))
        if command.paths:
            specs.append(_quoted("*:path:_files"))
        lines = " \\\n            ".join(["_arguments", *specs])
        cases.append(f"    {name})\n        {lines}\n        ;;")
    return ZSH.format(version=__version__, commands="\n".join(commands), cases="\n".join(cases))


def _zsh_flag(flag: Flag) -> str:
    """The flag in the form that `_arguments` takes: ``*--flag=[help]:what:action``."""
    text = flag.help.partition(". ")[0].replace("\\", "\\\\")
    for sign in "[]:":
        text = text.replace(sign, f"\\{sign}")
    if not flag.takes_value:
        return f"*{flag.name}[{text}]"
    words = " ".join(flag.values)
    if flag.path and words:
        action = f" _pushfit_or_file {words}"  # the blank keeps zsh from adding options of compadd
    elif flag.path:
        action = "_files"
    elif flag.more and words:
        action = f"_values -s , value {words}"
    else:
        action = f"({words})" if words else " "
    return f"*{flag.name}=[{text}]:value:{action}"


def _quoted(text: str) -> str:
    """`text` for a shell, in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


SHELLS = {"bash": bash, "zsh": zsh}
