"""Which model is the best: one rule, for the last lines of a sweep and for `python -m analysis best`."""

import shlex
from collections.abc import Sequence

import pandas as pd

from analysis.read.frames import Study
from analysis.statistics import selection
from analysis.statistics.counted import COUNTED, in_brackets
from segtrain.records import VAL_MEAN_IOU


def ranked_models(studies: Sequence[Study]) -> pd.DataFrame:
    """`selection.best_models` of all studies with `study` and `dataset`, by dataset and the best first within one. A
    trial that several studies share stands in each of them. Empty when none has finished with scores."""
    frames = []
    for study in studies:
        models = selection.best_models(study)
        datasets = study.trials.drop_duplicates("setting").set_index("setting")["dataset"]
        if len(models):
            frames.append(models.assign(study=study.name, dataset=models["setting"].map(datasets)))
    if not frames:
        return pd.DataFrame()
    found = selection.ranked(pd.concat(frames, ignore_index=True))
    return found.sort_values("dataset", kind="stable", ignore_index=True)


def best_lines(studies: Sequence[Study]) -> list[str]:
    """For each dataset the best model, where it lies, and the command that uses it."""
    lines = []
    found = ranked_models(studies)
    for best in found.drop_duplicates("dataset").to_dict("records") if len(found) else []:
        folder = studies[0].out / best["folder"]
        over = f", mean over {best['n']} seeds {100 * best[VAL_MEAN_IOU]:.2f} %" if best["n"] > 1 else ""
        over += in_brackets(best[COUNTED[VAL_MEAN_IOU]])
        lines.append(f"best model on {best['dataset']} by {VAL_MEAN_IOU}: {best['trial_id']}{over}")
        lines.append(f"  in {folder}")
        lines.append(f"  python -m segtrain predict {shlex.quote(str(folder))} IMAGES --out predictions")
    return lines
