"""The embedded scenes: pictures that the program renders itself, each a function of a seed and its index, written in
the layouts of the real datasets. `roads` are CARLA's, `streets` Cityscapes', `animals` Oxford-IIIT Pet's."""

from segtrain.data.scenes.animals import write_animals
from segtrain.data.scenes.roads import Style, write_scenes
from segtrain.data.scenes.streets import write_streets

__all__ = ["Style", "write_animals", "write_scenes", "write_streets"]
