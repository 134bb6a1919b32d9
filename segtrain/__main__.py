"""`python -m segtrain CONFIG.json`: one trial, without Ray. `predict` and `export` use what it left."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segtrain import records
from segtrain.config import ConfigError, TrialConfig
from segtrain.errors import UserError, speak_any_name
from segtrain.fields import printable
from segtrain.training.trial import train

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


def train_one(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m segtrain", description="Trains one trial, without Ray.", epilog=EPILOG
    )
    parser.add_argument("config", type=Path, help="JSON object with the fields of a TrialConfig")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="folder of the datasets (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the trial folder goes (%(default)s)")
    options = parser.parse_args(arguments)
    config = TrialConfig.from_dict(read_config(options.config))
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


COMMANDS: dict[str, Callable[[list[str]], int]] = {"predict": predict, "export": export}
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
