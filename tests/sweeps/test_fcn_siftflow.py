"""`sweeps/fcn_siftflow.py`: two heads beside one each, by stages that have the same tasks."""

from analysis.statistics import claim_metrics
from segtrain.data.by_name import find_dataset
from sweeps.fcn_siftflow import DEMO, STUDY


def test_each_stage_has_the_tasks_of_the_one_before() -> None:
    for study in (STUDY, DEMO):
        trials = {trial.variant: trial for trial in study.expand() if trial.stage == "trial"}
        for suffix in ("", "-semantic", "-geometric"):
            later, before = trials[f"16s{suffix}"], trials[f"32s{suffix}"]
            assert later.ancestors[-1] == before
            assert later.config.dataset == before.config.dataset
            assert later.config.lr < before.config.lr
        outputs = [find_dataset(trials[name].config.dataset).outputs for name in trials]
        assert outputs == [(33, 3), (33, 3), (33,), (33,), (3,), (3,)]


def test_claims_and_published_numbers_are_about_scores_that_there_are() -> None:
    for claim in STUDY.claims:
        claim_metrics.parse(claim.metric)
    assert STUDY.published is not None
    for name in STUDY.published.columns[1:]:
        claim_metrics.parse(name)
