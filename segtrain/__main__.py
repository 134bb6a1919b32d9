"""`python -m segtrain CONFIG.json`: one trial; `python -m segtrain data init FOLDER`: describes own data."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from segtrain.data.by_name import register
from segtrain.data.own.describe_folder import write_description
from segtrain.errors import UserError


def main() -> int:
    if sys.argv[1:2] == ["data"] and not Path("data").is_file():
        return data_main(sys.argv[2:])
    return train_main()


def data_main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m segtrain data", description="Describes own data.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="look at a folder of images and masks and write its dataset.toml")
    init.add_argument("folder", type=Path, help="what holds the images and the masks")
    arguments = parser.parse_args(argv)
    try:
        print("\n".join(write_description(arguments.folder)))
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def train_main() -> int:
    parser = argparse.ArgumentParser(prog="python -m segtrain", description="One trial, without Ray.")
    parser.add_argument("config", type=Path, help="JSON object with the fields of a TrialConfig")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the datasets (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the trial folder goes (%(default)s)")
    parser.add_argument("--dataset", metavar="PATH", help="the dataset.toml that the config, or its name, stands for")
    arguments = parser.parse_args()
    from segtrain.training.trial import train  # torch, which takes seconds

    try:
        values = read_config(arguments.config)
        config = TrialConfig.from_dict(values | ({"dataset": arguments.dataset} if arguments.dataset else {}))
        config = config.edit(dataset=register([config.dataset])[config.dataset])
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
