"""What came out of a study: reads run folders only, and imports nothing of the trainer but the names on disk.

    import analysis

    study = analysis.load("runs/studies/fcn_grid")
    compared = study.trials[study.trials["stage"] == "trial"]  # and not the pretraining that gave them weights
    compared.groupby(["arch", "freeze"])["test/mean_iou"].agg(["mean", "count"])

`Study` documents the columns of the frames.
"""

from analysis.read.frames import Study, load

__all__ = ["Study", "load"]
