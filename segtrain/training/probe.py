"""`python -m segtrain.training.probe`: a process that trains on noise for a moment, for who wants to know how many go
beside one another.

It reads a line of JSON, {"config", "num_outputs", "streams", "threads", "use_gpu", "seconds", "import_path"}; says
`ready` when the first step is through, which takes the most memory; waits for another line, so that several begin
together; trains, and prints {"images_per_s", "free_share"}: of the memory of the device, while all of them train.
"""

import json
import sys

from segtrain import own_code
from segtrain.config import TrialConfig
from segtrain.machine.device import free_memory_share, keep_freed_memory, make_deterministic, pick_hardware
from segtrain.training.calibration import images_per_s, noise_step

READY = "ready"
MOST_IMAGES_ON_A_CPU = 4
"""Of a batch: more take longer, and say the same of threads."""


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    own_code.make_importable(asked["import_path"])
    config = TrialConfig.from_dict(asked["config"])
    hardware = pick_hardware(config.precision, asked["threads"], asked["use_gpu"])
    make_deterministic(hardware)
    keep_freed_memory()
    batch_size = config.batch_size
    if hardware.device.type == "cpu":
        batch_size = min(batch_size, MOST_IMAGES_ON_A_CPU)
    step = noise_step(hardware, config, batch_size, asked["num_outputs"], tuple(asked["streams"]))
    step()
    print(READY, flush=True)
    sys.stdin.readline()
    rate = images_per_s(step, batch_size, asked["seconds"])
    print(json.dumps({"images_per_s": rate, "free_share": free_memory_share(hardware.device)}), flush=True)


if __name__ == "__main__":
    main()
