"""How one trial runs, and how its model is used afterwards: `segtrain.load(folder).predict(image)`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segtrain.use.trained_model import TrainedModel


def load(folder: Path | str) -> "TrainedModel":
    """The model that a trial left in its folder, with its best weights, on the GPU if there is one.

    Raises RecordError when the folder holds none, or files that do not belong together.
    """
    from segtrain.use.trained_model import load_model  # torch, which takes seconds

    return load_model(Path(folder))
