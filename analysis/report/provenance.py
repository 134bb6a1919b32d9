"""Where every number came from: recipes, data, code, machines, and the command that makes a trial again."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.read.frames import Study
from analysis.report.tables.table import Table, numbers, words
from analysis.statistics.counted import counted_among
from analysis.statistics.selection import compared
from segtrain import records
from segtrain.records import TEST_MEAN_IOU, VAL_MEAN_IOU

FACTS = {
    "git_commit": "git commit",
    "data_fingerprint": "data",
    "device_name": "device",
    "host": "host",
    "precision": "precision",
    "threads": "threads",
    "python": "Python",
}
"""Key of env.json -> what the report calls it."""

SHORT_HASH = 12
"""Characters of a commit or of the data's hash that a sentence shows; the table of the trials has all of them."""


def recipe(study: Study) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The config fields that all compared trials share, and the others with their values in order of appearance."""
    shared: dict[str, Any] = {}
    varied: dict[str, list[Any]] = {}
    configs = [study.configs[trial_id] for trial_id in compared(study)["trial_id"] if trial_id in study.configs]
    for name in dict.fromkeys(name for config in configs for name in config):
        values: list[Any] = []
        for config in configs:
            if config.get(name) not in values:
                values.append(config.get(name))
        if len(values) == 1:
            shared[name] = values[0]
        else:
            varied[name] = values
    return shared, varied


def gathered(study: Study) -> list[tuple[int, str]]:
    """(number, command) of those that asked for the trials."""
    numbers = {
        int(number) for asked_by in study.trials["asked_by"].dropna() for number in asked_by.split(", ") if number
    }
    return [(number, study.commands[number - 1]) for number in sorted(numbers)]


def environments(study: Study) -> list[tuple[str, list[tuple[str, int]]]]:
    """(what, [(value, trials with it)]) of every fact of env.json; a trial that ran without one counts as `not
    recorded`."""
    ran = study.trials.loc[study.trials["runtime_s"].notna(), "trial_id"]
    envs: list[Mapping[str, Any]] = [study.envs.get(trial_id, {}) for trial_id in ran]
    facts = [(title, _count(_fact(env, key) for env in envs)) for key, title in FACTS.items()]
    packages = sorted({name for env in envs for name in env.get("packages", {})})
    facts += [
        (name, _count(str(env.get("packages", {}).get(name, "not recorded")) for env in envs)) for name in packages
    ]
    return [(title, values) for title, values in facts if values]


def _fact(env: Mapping[str, Any], key: str) -> str:
    value = env.get(key)
    if value is None:
        return "not recorded"
    return f"{value}, with uncommitted changes" if key == "git_commit" and env.get("git_dirty") else str(value)


def _count(values: Iterable[str]) -> list[tuple[str, int]]:
    return Counter(values).most_common()


def warnings(study: Study) -> list[str]:
    """What makes the trials less comparable than they look."""
    found = []
    trials = compared(study)
    for what, column in (("data", "data_fingerprint"), ("precision", "precision"), ("git commit", "git_commit")):
        # Trials on another dataset have other data, as they should.
        by_dataset = (
            trials.groupby("dataset")[column].nunique() if column == "data_fingerprint" else [trials[column].nunique()]
        )
        if max(by_dataset, default=0) > 1:
            counts = Counter(trials[column].dropna()).most_common()
            listed = ", ".join(f"{value:.{SHORT_HASH}} ({count})" for value, count in counts)
            found.append(f"The compared trials differ in {what}: {listed}.")
    found += _fewer_classes(study)
    if study.trials["git_dirty"].fillna(False).any():
        found.append("Trials ran from a tree with uncommitted changes, so the commit does not say exactly what ran.")
    if max(trials.groupby("parent")["seed"].nunique(), default=0) > 1:
        found.append(
            "Several seeds start from one pretrained encoder, so its randomness is not in the intervals over seeds."
        )
    return found


def _fewer_classes(study: Study) -> list[str]:
    """A sentence for each dataset some of whose classes are in no mean IoU, or not in that of every trial."""
    found = []
    for dataset, trials in compared(study).groupby("dataset"):
        for metric, split in ((TEST_MEAN_IOU, "test"), (VAL_MEAN_IOU, "validation")):
            few = counted_among(trials, metric)
            if " to " in few:
                found.append(
                    f"The {split} mean IoU on {dataset} counts {few} classes: one that a trial neither has nor "
                    "predicts is left out of its mean, so the means do not quite compare."
                )
            elif few:
                found.append(
                    f"The {split} mean IoU on {dataset} counts {few} classes: the others are neither in the {split} "
                    "set nor predicted."
                )
    return found


def table(study: Study) -> Table:
    """One row per trial: what it ran on, whether it was resumed, and the command that makes it again."""
    trials = study.trials
    resumed = trials["attempts"] - 1
    columns = [
        words("run", "run", trials["run"]),
        words("state", "state", trials["state"]),
        words("reason", "reason", trials["reason"]),
        numbers("resumed", "resumed", resumed, "d"),
        *(words(title, key, trials[key]) for key, title in FACTS.items()),
        words("uncommitted changes", "git_dirty", trials["git_dirty"]),
        words("asked for by", "asked_by", trials["asked_by"]),
        words("trial", "trial_id", trials["trial_id"]),
        words("command", "command", [command(study, trial_id) for trial_id in trials["trial_id"]]),
    ]
    note = (
        "The command of a row trains that trial alone once more, after its parent, into a folder of its own: check out "
        "the commit first, and put this study's output folder for OUT. Asked for by: the study's commands, by "
        "their numbers at the top of the page. What was not recorded is blank."
    )
    return Table("provenance", "Provenance", note, columns)


def command(study: Study, trial_id: str) -> str | None:
    """None when the trial's config is not known."""
    if trial_id not in study.configs:
        return None
    asked_by = study.trials.loc[study.trials["trial_id"] == trial_id, "asked_by"]
    asking = study.commands[int(asked_by.iloc[0].rpartition(" ")[2]) - 1] if asked_by.any() else study.command
    data_root = _option(asking, "--data-root")
    own = ["python", "-m", "segtrain", f"OUT/{records.TRIALS_DIR}/{trial_id}/{records.CONFIG_FILE}"]
    own += [*(["--data-root", data_root] if data_root else []), "--out", "again"]
    parent = study.configs[trial_id].get("parent")
    before = command(study, parent) if isinstance(parent, str) else None
    return f"{before} && {shlex.join(own)}" if before else shlex.join(own)


def _option(line: str, name: str) -> str | None:
    try:
        parts = shlex.split(line)
    except ValueError:  # an unbalanced quote
        return None
    return parts[parts.index(name) + 1] if name in parts[:-1] else None
