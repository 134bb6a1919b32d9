"""The lines that a sweep ends with."""

from dataclasses import replace
from typing import cast

import numpy as np

from analysis.inference.estimates import Estimate
from analysis.read import frames
from analysis.statistics.claims import Judgement
from sweeps.engine.plan.verdicts import Verdicts

JUDGED = Judgement(
    text="FCN-8s is better", source="", claim=None, verdict="undecided", effect=Estimate(1.0, -1.0, 3.0, 3), cells=None,
    images=None, p_value=0.2, test="", reason="",
)  # fmt: skip


def test_an_undecided_claim_says_what_it_lacks_and_why_it_is_undecided() -> None:
    judgements = [
        JUDGED,
        replace(JUDGED, lacks="2 more seeds"),
        replace(JUDGED, reason="a side selects none", effect=replace(JUDGED.effect, n=1)),
        replace(JUDGED, lacks="further seeds", reason="one seed decides nothing"),
        replace(JUDGED, lacks="2 more seeds", verdict="holds"),
    ]
    study = cast("frames.Study", np.nan)  # no claim is of trials, so none are looked at
    assert Verdicts(study, judgements).lines() == [
        "  undecided: FCN-8s is better (3 seeds)",
        "  undecided: FCN-8s is better (3 seeds; lacks: 2 more seeds)",
        "  undecided: FCN-8s is better (1 seed; a side selects none)",
        "  undecided: FCN-8s is better (3 seeds; lacks: further seeds; one seed decides nothing)",
        "  holds: FCN-8s is better (3 seeds)",
    ]
