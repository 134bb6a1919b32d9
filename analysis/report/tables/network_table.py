"""The stages of the networks, in words and numbers beside their pictures."""

from collections.abc import Mapping, Sequence

from analysis.draw.diagrams.network_diagram import stages_of
from analysis.read.trial_files.network_layers import Layer
from analysis.report.tables.table import Table, numbers, words


def network_table(networks: Mapping[str, Sequence[Layer]]) -> Table | None:
    rows = [(model, stage) for model, layers in networks.items() for stage in stages_of(layers)]
    if not rows:
        return None
    stages = [stage for _, stage in rows]
    columns = [
        words("model", "model", [model for model, _ in rows]),
        words("part", "part", [stage.part for stage in stages]),
        words("layers", "layers", [stage.layers_text() for stage in stages]),
        words("size", "size", [stage.size_text() for stage in stages]),
        words("channels", "channels", [stage.channels_text() for stage in stages]),
        numbers("parameters", "parameters", [stage.parameters for stage in stages], ",d"),
        words("trained", "trained", [_trained(stage.trained) for stage in stages]),
    ]
    note = (
        "Height × width of the maps, read off the modules themselves while an image goes through. Trained: of a trial "
        "that fine-tuned all of it, where there is one."
    )
    return Table("networks", "Layers and shapes", note, columns)


def _trained(found: set[bool | None]) -> str:
    if len(found) > 1:
        return "in part"
    return "" if not found else "yes" if True in found else "no"
