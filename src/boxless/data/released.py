"""Public sets of images as they are released, to folders that a training reads."""

import os
from collections.abc import Callable
from functools import partial

from boxless.data.celeba import write_celeba
from boxless.data.cifar import read_cifar10
from boxless.data.clevr import write_clevr
from boxless.data.faces import write_faces
from boxless.data.human36m import write_human36m
from boxless.data.multi_objects import write_clevr_with_masks, write_tetrominoes
from boxless.data.prepared import write_labelled_parts
from boxless.data.raccoon import write_raccoons, write_raccoons_among_photos
from boxless.data.svhn_crops import write_svhn_crops
from boxless.data.svhn_digits import read_svhn_digits
from boxless.data.voc_coco import write_released_voc_coco
from boxless.data.yolo import write_yolo

Paths = str | os.PathLike[str]
Writer = Callable[[Paths, Paths], tuple[dict[str, int], list[str]]]

RELEASED: dict[str, Writer] = {
    "celeba": write_celeba,
    "cifar10": partial(write_labelled_parts, read_cifar10),
    "clevr": write_clevr,
    "clevr_with_masks": write_clevr_with_masks,
    "faces": write_faces,
    "human36m": write_human36m,
    "raccoon": write_raccoons,
    "raccoon_among_photos": write_raccoons_among_photos,
    "svhn": write_svhn_crops,
    "svhn_digits": partial(write_labelled_parts, read_svhn_digits),
    "tetrominoes": write_tetrominoes,
    "voc-coco": write_released_voc_coco,
    "yolo": write_yolo,
}
"""Name of a set to what writes it: from the folder it was released in, to a folder with one for each part.

The writers return how many images are in each part that was written, and a sentence for each image that was left out.
"""
