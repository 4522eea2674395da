"""A field of a settings struct as a setting, with its flag, its variable and its text.

`Setting.read` turns text into a value, for every layer. `Setting.text` turns a value into text
that `Setting.read` reads as the same value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from pushfit import endpoint
from pushfit.errors import ConfigError, nearest, trouble
from pushfit.host import typed_path
from pushfit.settings.declaration import About, Decides
from pushfit.text import as_line, counted, from_line

PREFIX = "PUSHFIT_"
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)(B?)", re.IGNORECASE | re.ASCII)
LINES = "lines"  # the unit of a list that is given as a file or as text with line breaks
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_KINDS = (
    inspect.BoolType, inspect.IntType, inspect.FloatType, inspect.StrType, inspect.LiteralType,
)  # fmt: skip
_LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


class Setting(About, frozen=True, kw_only=True):
    """One setting.

    name: its key in rows of `cfg/`; for a parameter of a task see `parameters_of`.
    field: the name of its field in the struct.
    hint: the annotation, with its limits.
    type: the annotation as msgspec sees it.
    default: the default; msgspec.NODEFAULT: a value must be given.
    description: the sentence about it in ``--help``.
    choices: the words that are allowed for the value, or for an item of a list; empty: any text.
    """

    name: str
    field: str
    hint: Any
    type: inspect.Type
    default: Any
    description: str = ""
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def is_bool(self) -> bool:
        return isinstance(self.type, inspect.BoolType)

    @property
    def is_path(self) -> bool:
        """Return whether its value is, or may be, the path of a file or folder."""
        return self.unit in ("path", "name or path")

    @property
    def item(self) -> inspect.Type:
        """The type of an item of a list; of any other setting, the type of its value."""
        item = getattr(self.type, "item_type", self.type)
        while isinstance(item, inspect.Metadata):
            item = item.type
        return item

    @property
    def kinds(self) -> tuple[inspect.Type, ...]:
        """The types that an item may have: one type, or the types of a union."""
        return self.item.types if isinstance(self.item, inspect.UnionType) else (self.item,)

    @property
    def is_list(self) -> bool:
        return isinstance(self.type, inspect.VarTupleType | inspect.TupleType | inspect.ListType)

    @property
    def is_fraction(self) -> bool:
        """Return whether an item may be a number that is not an integer."""
        return any(isinstance(kind, inspect.FloatType) for kind in self.kinds)

    @property
    def negated(self) -> str:
        """The flag that sets a bool to false."""
        return "--no-" + self.flag[2:]

    def word(self, value: object) -> str:
        """The word of a command line for `value`, such as ``--flag=value`` or ``--no-flag``."""
        if self.is_bool:
            return self.flag if value else self.negated
        return f"{self.flag}={self.text(value)}"

    def limits(self) -> str:
        """The limits in words, such as ``"at least 1"`` or ``"1 to 9"``; ``""``: there are none."""
        for kind in self.kinds:
            low, high = getattr(kind, "ge", None), getattr(kind, "le", None)
            if low is not None and high is not None:
                return f"{self.text(low)} to {self.text(high)}"
            words = [
                f"{word} {self.text(limit)}"
                for key, word in _LIMITS.items()
                if (limit := getattr(kind, key, None)) is not None
            ]
            if words:
                return " and ".join(words)
        return ""

    def allowed(self) -> str:
        """In words, which values are allowed. It follows "it must be" in a message."""
        if self.unit == LINES:
            return "a text file with one entry a line"
        what = self._allowed_kind()
        if self.is_list:
            what = f"a comma-separated list, each of its items {what}"
        limits = "" if self.unit in ("bind", "connect") else self.limits()
        return what + (f", {limits}" if limits else "")

    def _allowed_kind(self) -> str:
        words = self.choices
        if isinstance(self.item, inspect.LiteralType):
            return "one of " + ", ".join(words)
        if self.unit == "bytes":
            return "a number of bytes such as 800MB, 512M or 2GiB"
        if self.unit == "seconds":
            return "a number of seconds"
        if isinstance(self.item, inspect.BoolType):
            return "true or false"
        if isinstance(self.item, inspect.FloatType):
            return "a number"
        if self.unit in ("bind", "connect"):
            return "an address such as tcp://gpu-box:12001"
        if isinstance(self.item, inspect.IntType):
            return "a whole number"
        if not words:
            return "text"
        return f"{' or '.join(words)}, or {'a number' if self.is_fraction else 'a whole number'}"

    def read(self, value: object, origin: str) -> Any:
        """Read a value.

        value: text, or a value of the setting's type.
        origin: where it came from, in words, e.g. ``"--epochs on the command line"``.
        Returns a value of the setting's type.
        Raises ConfigError, with the origin, the value, and the values that are allowed.
        """
        try:
            ready = self._parsed(value) if isinstance(value, str) else value
            result = msgspec.convert(ready, self.hint, strict=False)
            _refuse_infinity(result)
        except ConfigError as error:
            raise ConfigError(f"{origin}: {error}") from error
        except ValueError:  # msgspec.ValidationError is one, too
            shown = value if isinstance(value, str) else repr(value)
            items = shown.split(",") if self.is_list else [shown]
            near = [nearest(word.strip(), self.choices) for word in items]
            word = next(filter(None, near), "")
            raise ConfigError(
                f"{origin}: {shown!r} is not valid, it must be {self.allowed()}{word}"
            ) from None
        if self.unit in ("bind", "connect"):
            try:
                for address in result if self.is_list else (result,):
                    endpoint.parse(address, bind=self.unit == "bind")
            except ConfigError as error:
                raise ConfigError(f"{origin}: {error}") from None
        return result

    def shown(self, value: object) -> str:
        """`value` as text for people. The entries of a file are only counted."""
        if self.unit == LINES:
            return counted(len(value), "entry") if value and isinstance(value, tuple | list) else ""
        text = self.text(value)
        return text.replace(",", ", ") if self.is_list else text  # with spaces, lines can wrap

    def _parsed(self, text: str) -> object:
        if self.unit == LINES:
            return read_lines(text)
        if self.is_list:
            items = [item.strip() for item in text.split(",")] if text else []
            return [_path(item) for item in items] if self.is_path else items
        if self.is_path:
            return _path(text)
        if self.unit == "bytes":
            return parse_size(text)
        if self.is_bool:
            return _parse_bool(text)
        return text

    def text(self, value: object) -> str:
        """`value` as it can be written on a command line."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if self.unit == LINES and isinstance(value, tuple | list):
            return "".join(f"{as_line(line)}\n" for line in value)
        if isinstance(value, tuple | list):
            return ",".join(self.text(item) for item in value)
        if self.unit == "bytes" and isinstance(value, int):
            return format_size(value)
        return (
            f"{value:g}"
            if isinstance(value, float) and float(f"{value:g}") == value
            else (str(value))
        )


@lru_cache
def settings_of(struct: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """The settings that `struct` declares, in its order. A field may have no Meta."""
    hints = get_type_hints(struct, include_extras=True)
    return tuple(_settings(inspect.type_info(struct), hints))


def refuse_idle(settings: msgspec.Struct) -> None:
    """Raise ConfigError for a setting that has no effect (see `only_with` of `about`)."""
    for setting in settings_of(type(settings)):
        value = getattr(settings, setting.field)
        if setting.only_with is None or value == setting.default:
            continue
        other, needed = setting.only_with
        if (now := getattr(settings, other)) != needed:
            unset = setting.text(setting.default)
            raise ConfigError(
                f"{setting.flag} works with --{other} {needed}, but --{other} is {now}: give "
                f"--{other} {needed}, or give {setting.flag} its default, {unset}"
            )


def _settings(info: inspect.Type, hints: dict[str, Any]) -> Iterator[Setting]:
    for field in info.fields if isinstance(info, inspect.StructType) else ():
        kind, description = field.type, ""
        extra: dict[str, Any] = {}
        while isinstance(kind, inspect.Metadata):
            description = (kind.extra_json_schema or {}).get("description", description)
            extra = {**(kind.extra or {}), **extra}
            kind = kind.type
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        yield Setting(
            name=field.encode_name,  # it differs from field.name for keywords such as `from`
            field=field.name,
            hint=hints[field.name],
            type=kind,
            default=default,
            description=description,
            choices=tuple(_words(hints[field.name])),
            **{key: extra[key] for key in About.__struct_fields__ if key in extra},
        )


def _words(hint: Any) -> Iterator[str]:
    """The words of every Literal in `hint`, in their order, which msgspec.inspect does not keep."""
    for part in get_args(hint):
        if get_origin(hint) is Literal:
            yield str(part)
        else:
            yield from _words(part)


def parameters_of(
    task: str, params: type[msgspec.Struct], taken: Iterable[str]
) -> tuple[Setting, ...]:
    """The parameters of a task, as settings of the group "TASK task".

    task: the name of the task.
    params: its struct of parameters.
    taken: the names of the settings of all programs. A parameter with such a name is called
        TASK_NAME, in every program, so that each name has one meaning.
    Raises ConfigError for a parameter whose type cannot be written as text.
    """
    names = frozenset(taken)
    for setting in settings_of(params):
        if not all(isinstance(kind, _KINDS) for kind in setting.kinds):
            raise ConfigError(
                f"task {task}: its parameter {setting.field!r} cannot be written on a command "
                "line: it must be a bool, int, float, str, Literal, or a tuple of these. Give "
                "each value that is nested in it a parameter of its own"
            )
    return tuple(
        msgspec.structs.replace(
            setting,
            group=f"{task} task",
            name=f"{task}_{setting.field}" if setting.field in names else setting.field,
            decides=Decides.SAMPLES,
        )
        for setting in settings_of(params)
        if not setting.internal
    )


def read_lines(text: str) -> list[str]:
    """The entries of a list, one on each line.

    text: the path of a file; or, if it has line breaks, the lines themselves.

    Empty lines and lines that begin with # are ignored. An entry in quotes is a JSON string, for
    names with line breaks or with spaces at an end. Raises ConfigError.
    """
    if not text:
        return []
    content, place = text, "the list"
    if "\n" not in text:
        path = typed_path(text)
        place = str(path)
        try:
            content = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigError(trouble(error)) from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not a text file in UTF-8: {error}") from error
    lines = [line.strip() for line in content.split("\n")]
    if not (found := [from_line(line) for line in lines if line and line[0] != "#"]):
        raise ConfigError(f"{place} has no entries: write one on each line, or leave it out")
    return found


def parse_size(text: str) -> int:
    """The number of bytes of a text such as ``2GiB``, ``512M``, ``800MB`` or ``1000``.

    GiB and M are powers of 1024, MB is a power of 1000. Raises ValueError.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        raise ValueError(text)
    number, power, binary, unit = match.groups()
    base = 1000 if unit and not binary else 1024
    scale: int = base ** _POWERS[power.upper()]
    if "." not in number:
        return int(number) * scale
    return round(float(number) * scale)


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads as `size`."""
    for letter, power in reversed(_POWERS.items()):
        for unit, scale in ((f"{letter}iB", 1024**power), (f"{letter}B", 1000**power)):
            if power and size and size % scale == 0:
                return f"{size // scale}{unit}"
    return str(size)


def _path(text: str) -> str:
    return str(typed_path(text)) if text.startswith("~") else text


def _parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _refuse_infinity(value: object) -> None:
    for item in value if isinstance(value, tuple | list) else (value,):
        if isinstance(item, float) and not math.isfinite(item):
            raise ValueError(value)
