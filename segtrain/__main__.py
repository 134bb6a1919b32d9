"""`python -m segtrain CONFIG.json`: one trial, without Ray. `predict` and `export` use what it left; `data init`
describes data of one's own."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from segtrain.data.by_name import register
from segtrain.data.own.describe_folder import write_description
from segtrain.errors import UserError, speak_any_name
from segtrain.fields import printable

INTERRUPTED = 130


def main() -> int:
    speak_any_name()
    arguments = sys.argv[1:]
    command = COMMANDS.get(arguments[0]) if arguments else None
    try:
        return train_one(arguments) if command is None else command(arguments[1:])
    except (UserError, OSError) as error:
        for problem in error.problems if isinstance(error, UserError) else (printable(str(error)),):
            print(f"error: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command again goes on from here", file=sys.stderr)
        return INTERRUPTED


def data(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m segtrain data", description="Describes own data.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="look at a folder of images and masks and write its dataset.toml")
    init.add_argument("folder", type=Path, help="what holds the images and the masks")
    print("\n".join(write_description(parser.parse_args(arguments).folder)))
    return 0


def train_one(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m segtrain", description="Trains one trial, without Ray.", epilog=EPILOG
    )
    parser.add_argument("config", type=Path, help="JSON object with the fields of a TrialConfig")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the datasets (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the trial folder goes (%(default)s)")
    parser.add_argument("--dataset", metavar="PATH", help="the dataset.toml that the config, or its name, stands for")
    options = parser.parse_args(arguments)
    from segtrain.training.trial import train  # torch, which takes seconds

    values = read_config(options.config)
    config = TrialConfig.from_dict(values | ({"dataset": options.dataset} if options.dataset else {}))
    config.check_asked()
    config = config.edit(dataset=register([config.dataset])[config.dataset])
    folder = records.trial_dir(options.out, config.trial_id)
    for record in train(config, folder, options.data_root):
        print(json.dumps(records.nan_to_none(record)), flush=True)
    status = records.read_status(folder)
    assert status is not None, "train leaves a status"
    print(f"{status.state}{': ' + status.reason if status.reason else ''}, {folder}")
    return 0 if status.state == "finished" else 1


def predict(arguments: list[str]) -> int:
    from segtrain.use import predict_command

    return predict_command.main(arguments)


def export(arguments: list[str]) -> int:
    from segtrain.use import export as export_command

    return export_command.main(arguments)


COMMANDS: dict[str, Callable[[list[str]], int]] = {"data": data, "predict": predict, "export": export}
EPILOG = f"Commands with a --help of their own: {', '.join(COMMANDS)}."


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
