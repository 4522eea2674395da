"""Which devices are chosen, of those that Keras finds."""

from __future__ import annotations

from types import ModuleType

import pytest

from pushfit.errors import ConfigError
from pushfit.training import backend
from pushfit.training.devices import Devices, chosen

GPUS = [f"gpu:{number}" for number in range(4)]


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "devices", lambda keras: list(GPUS))
    made = "pushfit.training.devices._mirrored"
    monkeypatch.setattr(made, lambda used: ModuleType("strategy"))


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("text", "used", "told"),
    [
        ("1", [0], "Devices   gpu:0; not used: gpu:1, gpu:2, gpu:3 (--devices all)"),
        ("3", [0, 1, 2], "Devices   gpu:0, gpu:1, gpu:2; not used: gpu:3 (--devices all)"),
        ("1,3", [1, 3], "Devices   gpu:1, gpu:3; not used: gpu:0, gpu:2 (--devices all)"),
        ("all", [0, 1, 2, 3], "Devices   gpu:0, gpu:1, gpu:2, gpu:3"),
    ],
)
def test_what_is_used_and_what_is_idle(text: str, used: list[int], told: str) -> None:
    found = chosen(text, 12)
    assert list(found.used) == [GPUS[number] for number in used]
    assert sorted([*found.used, *found.idle]) == GPUS
    assert (found.plan is None) == (len(used) == 1)
    assert found.told == told


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("text", ["5", "0,4", "7,8"])
def test_devices_that_are_not_there(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        chosen(text, 20)
    assert str(raised.value) == (
        f"--devices {text}: Keras finds 4 devices on this host, gpu:0, gpu:1, gpu:2, gpu:3"
    )


@pytest.mark.usefixtures("gpus")
def test_all_devices_share_each_batch_evenly() -> None:
    with pytest.raises(ConfigError, match="30 is the number of samples that 4 devices share"):
        chosen("all", 30)


def test_a_host_with_one_device_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "devices", lambda keras: ["cpu:0"])
    assert chosen("all", 7) == chosen("1", 7) == Devices(("cpu:0",))
    assert chosen("1", 7).told == ""
    with pytest.raises(ConfigError, match="set XLA_FLAGS=--xla_force_host_platform_device_count=2"):
        chosen("2", 8)
