"""Datasets by the name that a TrialConfig gives them."""

from segtrain import config
from segtrain.data.camvid import CAMVID
from segtrain.data.cityscapes import CITYSCAPES, STREETS
from segtrain.data.matlab.nyud import NYUD, ROOMS
from segtrain.data.matlab.siftflow import OUTDOORS, SIFTFLOW
from segtrain.data.matlab.voc import OBJECTS, OBJECTS_SOURCE, VOC, VOC2012
from segtrain.data.pets import ANIMALS, PETS
from segtrain.data.roads import ROADS, SCENES, SCENES_SOURCE
from segtrain.data.spec import Dataset

DATASETS: dict[config.Dataset, Dataset] = {
    "roads": ROADS,
    "camvid": CAMVID,
    "pets": PETS,
    "cityscapes": CITYSCAPES,
    "scenes": SCENES,
    "scenes_source": SCENES_SOURCE,
    "animals": ANIMALS,
    "streets": STREETS,
    "voc": VOC,
    "voc2012": VOC2012,
    "objects": OBJECTS,
    "objects_source": OBJECTS_SOURCE,
    **NYUD,
    **ROOMS,
    **SIFTFLOW,
    **OUTDOORS,
}
