"""`--from`: the settings of a stored stream, as a layer between environment and run before.

So that `python train_zmq.py --from DIR` trains on what is in DIR with no other flag. Three kinds:

- Those of MAY_DIFFER make other batches of the same samples: a flag overrides them.
- The others of the stream, and the parameters of the task, made the samples: a flag that says
  something else is refused, since no sample can be made again.
- Those of the fleet have nothing to do where there is none: their flags are refused. In the
  environment or a row of HOSTS they are passed over, which serve other runs as well.

How long to train is not a matter of the store: `--epochs` is the trainer's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cfg import again
from cfg.layers import COMMAND_LINE, Layers
from cfg.stream import FleetSettings
from lib import tasks
from lib.errors import ConfigError

STORE = "store"
MAY_DIFFER = frozenset({"batch_size", "mix_visits", "seed"})
SHAPE = MAY_DIFFER | {
    "task", "patches_per_visit", "val_patches_per_visit", "patches_per_epoch", "balance",
}  # fmt: skip
IDLE = frozenset(FleetSettings.__struct_fields__) - {"progress"} | {"links", "order"}


def settings_of_store(folder: Path, programs: Iterable[str]) -> Mapping[str, tuple[object, str]]:
    """{name: (value, source)} that the stored stream in `folder` hands on.

    programs: the names of the settings of all programs; others are parameters of a task. Raises
    DataError where there is no store, and ConfigError for settings that cannot be read.
    """
    from lib.store import layout  # numpy with it, for which no other program's --help shall wait

    layout.read(folder)
    advice = "It is as the sink has written it at first: bring it back, or store the stream again"
    known = set(programs)
    return {
        name: (each.value, f"{STORE} {folder}")
        for name, each in again.settings_in(folder, "the stored stream", advice).items()
        if name in SHAPE or name not in known
    }


def check(layers: Layers, stored: Mapping[str, tuple[object, str]], folder: str) -> None:
    """Raises ConfigError for flags that are not for a stored stream, or contradict this one."""
    for name, setting in layers.settings.items():
        if name in IDLE and layers.sources[name] == COMMAND_LINE:
            raise ConfigError(
                f"{setting.flag} has nothing to do with --from: the samples are in {folder}, and "
                f"no generator makes any. Leave {setting.flag} out, or --from"
            )
        if name in MAY_DIFFER or name not in stored:
            continue
        now, then = layers.values[name], setting.read(stored[name][0], name)
        if name == "task" and all(str(each).endswith(tasks.ENDING) for each in (now, then)):
            continue  # a file may move
        if now != then:
            raise ConfigError(
                f"{setting.flag} {setting.text(now) or 'none'} ({layers.sources[name]}): the "
                f"samples in {folder} were made with {setting.text(then) or 'none'}, and that "
                f"cannot be changed any more. Leave {setting.flag} out, or store another stream: "
                "python sink_zmq.py … --out DIR"
            )
