"""From a study to finished trials: check, plan, schedule, report."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.table import Table

from segtrain import records
from segtrain.machine.disk import NO_SPACE_LEFT
from sweeps.engine.ask.options import INTERRUPTED, Options
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.plan import preflight
from sweeps.engine.plan.actions import check_decided, make_plan
from sweeps.engine.plan.code_changes import choose_again, move_away
from sweeps.engine.plan.cost import percent
from sweeps.engine.plan.restart import clear_restarted
from sweeps.engine.run.cluster import starting_ray


def run_study(study: Study, options: Options, console: Console) -> int:
    """Trains what is left of `study` and says how it went.

    Returns the exit code: 1 when no trial of the study finished, or with `strict` when any did not, and INTERRUPTED
    after Ctrl-C. What can be wrong with options, data, weights or trial folders is raised before any trial starts:
    ResourceError, DataError, WeightsError, PlanError, OSError.
    """
    trials = study.expand()
    _say(console, f"{study.title}: {len(trials)} trials, in {options.out}")
    preflight.check_machine(options)
    again = choose_again(trials, options.out, options.code)
    plan = make_plan(trials, options.out, preflight.current_data(options.data_root), options.changed_data, again)
    check_decided(plan, options.out)
    left = [planned for planned in plan if planned.action != "skip"]
    configs = [planned.trial.config for planned in left]
    preflight.check_models(configs, console)
    preflight.check_recipes(configs)
    starting = (planned.trial.config for planned in left if planned.action in ("run", "restart"))
    preflight.check_weights(starting, options.data_root)
    preflight.find_data(configs, options.data_root)

    folder = records.study_dir(options.out, study.name)
    if left:
        _say(console, f"{len(left)} to train; reading the data while Ray starts")
    with starting_ray(options) if left else nullcontext() as ready:
        epoch_flops = preflight.check_data(configs, options.data_root)
        move_away(again, options.out)
        clear_restarted(plan, options.out)
        folder.mkdir(parents=True, exist_ok=True)
        preflight.keep_code(configs, folder)
        records.write_json(folder / records.STUDY_FILE, study.describe(trials, options.command))
        from sweeps.engine.run.schedule import run_trials  # Tune: seconds, which go by while Ray starts

        try:
            complete = ready is None or run_trials(study.name, plan, epoch_flops, options, console, ready)
        except KeyboardInterrupt:
            complete = False
    code = _summarise(study, trials, options, console)
    if complete:
        return code
    console.print("interrupted; the same command again goes on from here")
    return INTERRUPTED


def _summarise(study: Study, trials: Sequence[Trial], options: Options, console: Console) -> int:
    statuses = {t.trial_id: records.read_status(records.trial_dir(options.out, t.trial_id)) for t in trials}
    states = {trial_id: status.state if status else "not started" for trial_id, status in statuses.items()}
    reached = {t.trial_id: _val_mean_iou(t, options.out) for t in trials}
    unfinished = [t for t in trials if states[t.trial_id] != "finished"]
    finished = [t for t in trials if states[t.trial_id] == "finished"]
    tested = {t.trial_id: records.read_test_scores(records.trial_dir(options.out, t.trial_id)) for t in finished}
    table = Table(title=study.title)
    for name in ("run", "state"):
        table.add_column(name, overflow="fold")
    for name in ("best epoch", "val mIoU %", "test mIoU %"):
        table.add_column(name, justify="right")
    for trial in trials:
        scores = tested.get(trial.trial_id)
        tests = (str(scores.epoch), percent(scores.mean_iou)) if scores else ("-", "-")
        table.add_row(trial.run_name, states[trial.trial_id], tests[0], percent(reached[trial.trial_id]), tests[1])
    console.print(table)
    lines = [f"{len(trials) - len(unfinished)} of {len(trials)} trials finished"]
    for trial in unfinished:
        status = statuses[trial.trial_id]
        parts = [status.state, status.reason] if status else ["not started"]
        lines.append(f"  {trial.run_name}: " + ", ".join(part for part in parts if part))
    compared = [t for t in finished if t.stage == "trial"]
    best = max(compared, key=lambda t: reached[t.trial_id] or 0.0, default=None)
    if best is not None:
        lines.append(f"best model by {records.VAL_MEAN_IOU}: {best.run_name}")
        lines.append(f"  in {records.trial_dir(options.out, best.trial_id)}")
    folder = records.study_dir(options.out, study.name)
    lines.append(f"study: {folder}; its report: python -m analysis report {folder}")
    full = {status.reason for t in unfinished if (status := statuses[t.trial_id]) is not None and status.reason}
    lines += sorted(reason for reason in full if reason.startswith(NO_SPACE_LEFT))
    _say(console, "\n".join(lines))
    return 1 if len(unfinished) == len(trials) or (options.strict and unfinished) else 0


def _val_mean_iou(trial: Trial, out: Path) -> float | None:
    """The best that the trial has reached so far."""
    lines = records.read_metrics(records.trial_dir(out, trial.trial_id))
    return max((iou for line in lines if (iou := line.get(records.VAL_MEAN_IOU)) is not None), default=None)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
