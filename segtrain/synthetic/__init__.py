"""The embedded scenes: pictures that the program renders itself, each a function of a seed and its index, written in
the layouts of the real datasets. `roads` are CARLA's, `streets` Cityscapes', `animals` Oxford-IIIT Pet's, `objects`
PASCAL VOC's and SBD's, `rooms` NYUDv2's, `outdoors` SIFT Flow's."""

from segtrain.synthetic.animal_portraits import write_animals
from segtrain.synthetic.object_photos import voc_colour, write_objects
from segtrain.synthetic.outdoor_views import write_outdoors
from segtrain.synthetic.road_scenes import Style, write_scenes
from segtrain.synthetic.room_views import write_rooms
from segtrain.synthetic.street_scenes import write_streets

__all__ = [
    "Style",
    "voc_colour",
    "write_animals",
    "write_objects",
    "write_outdoors",
    "write_rooms",
    "write_scenes",
    "write_streets",
]
