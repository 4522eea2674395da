"""A trainer and a generator on loopback; prints the samples that went over the wire, in hex.

python -m tests.support.capture FOLDER [keys]
"""

from __future__ import annotations

import sys
from pathlib import Path

from pushfit import tasks
from pushfit.wire.admission import Admission
from pushfit.wire.keys import GeneratorKey, KeyFolder, read_secret
from tests.support.fakes import write_numbers
from tests.support.rig import Rig

if __name__ == "__main__":
    tasks.TASKS["number"] = "tests.support.fakes:NumberTask"
    where, key, admission = Path(sys.argv[1]), None, None
    if sys.argv[2:] == ["keys"]:
        folder = KeyFolder(where / "keys", make=True)
        key = read_secret(folder.make("gpu2"), GeneratorKey)
        admission = Admission(folder)
    rig = Rig(write_numbers(where / "data"), admission=admission)
    rig.worker(key=key)
    for batch in rig.feed().all():
        for image in batch.arrays["image"]:
            print(image.tobytes().hex())
    rig.close()
