"""Which trainer a process is, as its settings or its launcher say, and where it listens."""

from __future__ import annotations

import pytest

from pushfit.endpoint import Endpoint
from pushfit.errors import ConfigError
from pushfit.plan.shards import WHOLE, Shards
from pushfit.settings.stored import StoredSettings
from pushfit.settings.stream import StreamSettings
from pushfit.streams import ranks

TORCH = {"WORLD_SIZE": "4", "RANK": "3"}
SLURM = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}


def settings(**given: int) -> StreamSettings:
    return StreamSettings(**{"shards": 8, "batch_size": 64, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ({}, {}, Shards(8, 1, 0)),
        ({"world": 2, "rank": 1}, {}, Shards(8, 2, 1)),
        ({"world": 2, "rank": 1}, TORCH, Shards(8, 2, 1)),
        ({}, TORCH, Shards(8, 4, 3)),
        ({}, SLURM, Shards(8, 2, 1)),
        ({}, {**SLURM, **TORCH}, Shards(8, 4, 3)),
        ({"world": 2}, {**SLURM, **TORCH}, Shards(8, 2, 1)),
        ({"rank": 0}, SLURM, Shards(8, 2, 0)),
        ({}, {"WORLD_SIZE": "4"}, Shards(8, 1, 0)),
        ({"shards": 1}, TORCH, WHOLE),
    ],
)
def test_flags_count_before_the_launcher(
    given: dict[str, int], environ: dict[str, str], expected: Shards
) -> None:
    assert ranks.shards_of(settings(**given), environ) == expected


@pytest.mark.parametrize(
    ("given", "environ", "said"),
    [
        ({"world": 3, "rank": 0}, {}, "3 trainers, which cannot share 8 shards"),
        ({}, {"WORLD_SIZE": "3", "RANK": "0"}, "^WORLD_SIZE says that the run has 3 trainers"),
        ({"world": 2}, {}, "give each its own number from 0 to 1 with --rank"),
        ({"world": 2, "rank": 2}, {}, "--rank 2 is not one of the 2 trainers"),
        ({"rank": 1}, {}, "--rank 1 is not one of the 1 trainers"),
    ],
)
def test_what_cannot_be_gets_a_sentence(
    given: dict[str, int], environ: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        ranks.shards_of(settings(**given), environ)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"batch_size": 30}, "a batch of 30 samples cannot be made of 8 shards equally.* as 32"),
        ({"shards": 1, "world": 2}, "a run of several trainers needs shards"),
        ({"shards": 1, "rank": 1}, "a run of several trainers needs shards"),
        ({"order": "arrival"}, "--order arrival takes samples as they come"),
        ({"from_": "store"}, "--from names a stored stream"),
        ({"val_from": "store"}, "--val-from names a stored stream"),
    ],
)
def test_settings_that_do_not_go_together(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        StoredSettings(**{"shards": 8, "batch_size": 64, **given})  # type: ignore[arg-type]


def test_each_rank_has_ports_of_its_own() -> None:
    address = Endpoint("0.0.0.0", 12001)
    ports = [ranks.address_of(address, Shards(8, 4, rank)).port for rank in range(4)]
    assert ports == [12001, 12003, 12005, 12007]
    assert ranks.address_of(Endpoint("127.0.0.1", 0), Shards(8, 4, 3)).port == 0
    with pytest.raises(ConfigError, match=r"port 65537.* choose a port below 65528"):
        ranks.address_of(Endpoint("0.0.0.0", 65_531), Shards(8, 4, 3))


def test_what_all_trainers_must_have_the_same_of() -> None:
    shape = ranks.shape_of(settings(seed=5))
    assert shape["seed"] == "5" and shape["batch_size"] == "64" and shape["mix_visits"] == "32"
    assert ranks.shape_of(StoredSettings(shards=8, batch_size=64))["drop_last"] == "no"
    assert not shape.keys() & {"world", "rank", "bind", "generators", "task", "links", "epochs"}
