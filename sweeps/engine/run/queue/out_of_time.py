"""What a sweep says that has come to the end of its budget."""

from collections.abc import Callable, Sequence

from sweeps.engine.ask.options import Budget
from sweeps.engine.ask.study import Trial
from sweeps.engine.plan.cost import duration

MOST_NAMED = 20


class OutOfTime(Exception):
    """Trials were left for the next command since none of them would have ended in time; the message says which."""

    def __init__(
        self, budget: Budget, trials: Sequence[Trial], unasked: int, seconds_of: Callable[[Trial], float]
    ) -> None:
        waiting = {trial.trial_id for trial in trials}
        lines = [f"not started, since it would not end within --budget {budget.text} ({duration(budget.left_s)} left):"]
        for trial in trials[:MOST_NAMED]:
            waits = trial.config.parent in waiting
            why = "its parent is not trained" if waits else f"about {duration(seconds_of(trial))}"
            lines.append(f"  {trial.run_name}: {why}")
        if len(trials) > MOST_NAMED:
            lines.append(f"  and {len(trials) - MOST_NAMED} more")
        if unasked:
            lines.append(f"  and {unasked} that were not drawn yet")
        lines.append("out of time")
        super().__init__("\n".join(lines))
