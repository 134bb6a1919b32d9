import re
from types import ModuleType

import pytest

from segtrain.config import ConfigError, TrialConfig
from sweeps import fcn_grid, fcn_nyud, fcn_paper
from sweeps.engine.ask.published import PublishedTable


def test_a_row_has_a_value_for_every_column() -> None:
    with pytest.raises(ConfigError, match=re.escape("the published row ('fcn8s',) has 1 values; allowed: 2, a column")):
        PublishedTable("a report", ("arch", "test/mean_iou"), (("fcn8s",),))


def test_the_grids_table_is_that_of_its_claims_and_goes_into_study_json() -> None:
    """One number of the source cannot stand here in two versions."""
    study = fcn_grid.STUDY
    assert study.published is not None
    described = study.describe([], "")["published"]
    fields = [name for name in described["columns"] if name in TrialConfig.__dataclass_fields__]
    scores = {tuple(row[: len(fields)]): row[described["columns"].index("test/mean_iou")] for row in described["rows"]}
    for claim in study.claims:
        if claim.published and claim.gain is None:
            sides = [scores[tuple(side[name] for name in fields)] for side in (claim.left, claim.right)]
            assert tuple(sides) == claim.published, claim.text


@pytest.mark.parametrize("module", [fcn_paper, fcn_nyud])
def test_the_tables_of_variants_are_of_variants_that_there_are(module: ModuleType) -> None:
    study = module.STUDY
    named = {row[0]: row[1] for row in study.published.rows}
    assert study.published.columns[:2] == ("variant", "test/mean_iou")
    assert set(named) <= set(study.variants) == set(module.DEMO.variants)
    for claim in study.claims:
        if claim.published:
            assert set(claim.published) <= set(named.values()), claim.text
