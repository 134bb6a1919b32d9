"""`python -m segtrain CONFIG.json`: one trial, without Ray."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from segtrain.errors import UserError
from segtrain.training.trial import train


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m segtrain", description=__doc__)
    parser.add_argument("config", type=Path, help="JSON object with the fields of a TrialConfig")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the datasets (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the trial folder goes (%(default)s)")
    arguments = parser.parse_args()
    try:
        config = TrialConfig.from_dict(read_config(arguments.config))
        folder = records.trial_dir(arguments.out, config.trial_id)
        for record in train(config, folder, arguments.data_root):
            print(json.dumps(records.nan_to_none(record)), flush=True)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    status = records.read_status(folder)
    assert status is not None, "train leaves a status"
    print(f"{status.state}{': ' + status.reason if status.reason else ''}, {folder}")
    return 0 if status.state == "finished" else 1


def read_config(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON ({error}); write an object with the fields of a trial") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}; write an object with the fields of a trial")
    return values


if __name__ == "__main__":
    sys.exit(main())
