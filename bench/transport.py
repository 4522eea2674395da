"""What leases, exact order and accounting cost, against bare pyzmq and tf.data service.

The sides are those of `bench/_sides.py`: `ours` against `raw`, and against `raw_kept`, so that what
the protocol costs can be told from what the settings of the sockets gain. `batched` adds what only
ours does: mixing and copying into batches; `encrypted` has keys. tf.data service runs as documented
and tuned, with its default compression and without; the faster of the two counts. Rounds alternate;
the ratio of a size is the median over the rounds, for one or two generators, whichever is worse.

    python -m bench transport [--seconds 3] [--rounds 5] [--sizes 0.8MB 8MB] [--peers 1 2]
"""

from __future__ import annotations

from typing import Any

from bench._sides import TF, TF_FORMS, against, arguments, rounds


def run(args: list[str]) -> dict[str, Any]:
    options = arguments("transport", __doc__, args)
    found = rounds(("raw", "raw_kept", "ours", "batched", "encrypted", TF), options)
    compared: dict[str, tuple[str, ...]] = {"vs_raw": ("raw",), "vs_raw_kept": ("raw_kept",)}
    for name, kind in (("", "uncompressed"), ("_compressed", "compressed")):
        forms = tuple(f"tf_{form}" for form in TF_FORMS if form.startswith(kind))
        compared[f"vs_tfdata_service{name}"] = forms
    ratios: dict[str, float] = {}
    for name, others in compared.items():
        ratios |= against(found, name, "ours", others, options)
    ratios |= against(found, "encrypted_vs_ours", "encrypted", ("ours",), options)
    return found.result(ratios)
