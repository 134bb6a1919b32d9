"""A study -> all of its charts. A chart that has nothing to show is None."""

from analysis.draw.chart import Chart
from analysis.draw.charts.class_charts import class_iou, confusion, precision_recall, roc
from analysis.draw.charts.class_difference_chart import class_differences
from analysis.draw.charts.cost_chart import cost
from analysis.draw.charts.learning_curves import CURVES, curves, pretraining
from analysis.draw.charts.rate_chart import learning_rates
from analysis.draw.charts.score_charts import edges_and_sizes, scores
from analysis.read.frames import Study


def all_charts(study: Study) -> tuple[list[Chart], list[str]]:
    """The charts that have something to show, and a sentence for every file that could not be read."""
    problems: list[str] = []
    charts = [
        scores(study),
        *(curves(study, column, title) for column, title in CURVES.items()),
        pretraining(study),
        class_iou(study),
        class_differences(study),
        confusion(study, problems),
        roc(study, problems),
        precision_recall(study),
        edges_and_sizes(study),
        learning_rates(study),
        cost(study),
    ]
    return [chart for chart in charts if chart], problems
