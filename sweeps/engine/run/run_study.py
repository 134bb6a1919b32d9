"""From a study to finished trials and verdicts: check, plan, schedule, report."""

from collections.abc import Sequence
from contextlib import nullcontext

from rich.console import Console
from rich.table import Table

from segtrain import records
from segtrain.config import TrialConfig
from segtrain.machine.disk import NO_SPACE_LEFT
from sweeps.engine.ask.options import INTERRUPTED, Options
from sweeps.engine.ask.study import Study, Trial
from sweeps.engine.plan import preflight
from sweeps.engine.plan.actions import (
    PlannedTrial,
    best_validated,
    check_decided,
    check_study_folder,
    make_plan,
    read_status,
)
from sweeps.engine.plan.cost import percent
from sweeps.engine.plan.earlier.code_changes import choose_again, move_away
from sweeps.engine.plan.earlier.restart import clear_restarted
from sweeps.engine.plan.earlier.shorter_trials import ShorterTrials, without_state
from sweeps.engine.plan.packing.packed import packed
from sweeps.engine.run.cluster import find_nodes, starting_ray
from sweeps.engine.run.mirroring import Mirror
from sweeps.engine.run.notifying import Notifier
from sweeps.engine.run.queue.out_of_time import OutOfTime
from sweeps.engine.say import say


def run_study(
    study: Study,
    options: Options,
    console: Console,
    mirror: Mirror | None = None,
    notifier: Notifier | None = None,
) -> int:
    """Trains what is left of `study` and says how it went.

    Returns the exit code: 1 when no trial of the study finished, or with `strict` when any did not, and INTERRUPTED
    after Ctrl-C or when the budget is spent. What can be wrong with options, data, weights or trial folders is
    raised before any trial starts: ResourceError, ConfigError, DataError, WeightsError, PlanError, OSError.
    """
    preflight.check_machine(options)
    check_study_folder(records.study_dir(options.out, study.name))  # raises, where nothing can be added to it
    current_data = preflight.current_data(options.data_root)
    replication = None
    if options.replicates:
        from sweeps.engine.plan.replication import go_on  # statistics: seconds, which others do without

        replication = go_on(study, options, current_data)
    trials = replication.trials if replication else study.expand()
    say(console, f"{study.title}: {len(trials)} trials{' so far' if replication else ''}, in {options.out}")
    longest = ShorterTrials(options.out, current_data, lambda text: say(console, text)).longest
    again = choose_again(trials, options.out, options.code, longest)
    plan = make_plan(trials, options.out, current_data, options.changed_data, again, longest)
    check_decided(plan, options.out)
    if options.extendable and (count := without_state(plan, options.out)):
        say(console, f"{count} trials finished without --extendable before: no longer one can go on from them")
    left = [planned for planned in plan if planned.action != "skip"]
    configs = _check(left, options, console)
    if left and options.measured:
        flops = preflight.listed_flops((trial.config for trial in study.expand()), options.data_root)
        options = packed(study.expand(), options, find_nodes(options), lambda c: flops[c.trial_id], console)
    if left:
        say(console, f"{len(left)} to train; reading the data while Ray starts")
    why = "interrupted"
    with preflight.counting(configs) as counted, starting_ray(options, len(left)) if left else nullcontext() as ready:
        epoch_flops = preflight.check_data(configs, options.data_root)
        move_away(again, options.out)
        clear_restarted(plan, options.out)
        preflight.keep_code(configs, records.study_dir(options.out, study.name))

        from sweeps.engine.plan.study_file import write_study
        from sweeps.engine.run.schedule import run_trials  # Tune: seconds, which go by while Ray starts

        def write() -> None:
            write_study(study, trials, replication.looks if replication else [], options)

        write()
        source = None
        if replication:
            from sweeps.engine.run.queue.replicate_source import ReplicateSource  # statistics, likewise

            source = ReplicateSource(replication, options, write, epoch_flops)
        counted()
        try:
            complete = ready is None or run_trials(
                study.name,
                plan,
                epoch_flops,
                options,
                console,
                ready,
                source,
                mirror=mirror,
                notifier=notifier,
                longest=longest,
            )
        except KeyboardInterrupt:
            complete = False
        except OutOfTime as left_out:
            complete, why = False, str(left_out)
    code = _summarise(study, trials, options, console)
    if not complete:
        say(console, f"{why}; the same command again goes on from here")
        return INTERRUPTED
    if study.claims:
        claims = _show_verdicts(study, trials, options, console)
        if notifier is not None:
            notifier.claims = claims
    return code


def _check(left: Sequence[PlannedTrial], options: Options, console: Console) -> list[TrialConfig]:
    """The configs of what is left to train. Raises what is wrong with their models, starts, recipes, weights and data,
    as far as that is seen without reading an image."""
    configs = [planned.trial.config for planned in left]
    preflight.check_models(configs, console)
    preflight.check_starts((planned.trial for planned in left), console)
    preflight.check_recipes(configs)
    starting = (planned.trial.config for planned in left if planned.action in ("run", "restart"))
    preflight.check_weights(starting, options.data_root)
    preflight.find_data(configs, options.data_root)
    return configs


def _show_verdicts(study: Study, trials: Sequence[Trial], options: Options, console: Console) -> tuple[int, int]:
    """How many claims are decided, of how many. Whoever reads the verdicts has looked at the claims, so the look is
    counted before; one of replicates has been."""
    from sweeps.engine.plan.look_costs import beside_grid
    from sweeps.engine.plan.replication import counted
    from sweeps.engine.plan.study_file import read_looks, write_study
    from sweeps.engine.plan.verdicts import judge

    taken = read_looks(study, trials, options)
    if options.replicates is None:
        taken = counted(taken, len({trial.config.seed for trial in trials if trial.stage == "trial"}))
        write_study(study, trials, taken, options)
    verdicts = judge(study, trials, taken, options)
    decided = sum(judgement.verdict != "undecided" for judgement in verdicts.judgements)
    lines = [f"{decided} of {len(verdicts.judgements)} claims are decided:", *verdicts.lines()]
    if options.replicates is not None and (beside := beside_grid(study, trials, options.out)):
        lines.append(beside)
    say(console, "\n".join(lines))
    return decided, len(verdicts.judgements)


def _summarise(study: Study, trials: Sequence[Trial], options: Options, console: Console) -> int:
    from analysis.read.frames import load  # with scipy, when the trials have ended
    from analysis.statistics.ranking import best_lines

    statuses = {t.trial_id: read_status(t, options.out) for t in trials}
    states = {trial_id: status.state if status else "not started" for trial_id, status in statuses.items()}
    reached = {t.trial_id: best_validated(t, options.out) or {} for t in trials}
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
        tests = (str(scores.epoch), percent(scores.mean_iou, scores.iou)) if scores else ("-", "-")
        best = reached[trial.trial_id]
        validated = percent(best.get(records.VAL_MEAN_IOU), best.get(records.VAL_IOU))
        table.add_row(trial.run_name, states[trial.trial_id], tests[0], validated, tests[1])
    partial = next((str(cell) for column in table.columns[3:] for cell in column.cells if " of " in str(cell)), None)
    if partial is not None:
        counted = partial[partial.index("(") :]
        table.caption = (
            f"{counted}: the mean is over those classes that occur, and does not compare with one over others"
        )
    console.print(table)
    lines = [f"{len(trials) - len(unfinished)} of {len(trials)} trials finished"]
    for trial in unfinished:
        status = statuses[trial.trial_id]
        parts = [status.state, status.reason] if status else ["not started"]
        lines.append(f"  {trial.run_name}: " + ", ".join(part for part in parts if part))
    folder = records.study_dir(options.out, study.name)
    lines += best_lines([load(folder)])
    lines.append(f"study: {folder}; its report: python -m analysis report {folder}")
    full = {status.reason for t in unfinished if (status := statuses[t.trial_id]) is not None and status.reason}
    lines += sorted(reason for reason in full if reason.startswith(NO_SPACE_LEFT))
    say(console, "\n".join(lines))
    return 1 if len(unfinished) == len(trials) or (options.strict and unfinished) else 0
