"""Settings of the model that the data tell: how many objects, whether their number varies, their looks."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from boxless.data.folder import Folder, read_folder
from boxless.data.generators import layout_named
from boxless.data.house_numbers import HouseNumberLayout
from boxless.data.images import UnreadableImage, read_image
from boxless.data.shape_scenes import ShapeLayout
from boxless.engine.recipe import Recipe
from boxless.errors import BoxlessError
from boxless.methods.registry import settings_types
from boxless.plain import from_plain

OF_THE_DATA = (
    *("instances", "background", "varying", "prototypes", "channels", "signed"),
    *("object_size", "max_side", "shrink", "kernel_size", "softmax_size", "suppression_size", "border"),
)
"""Settings of a model that a recipe makes for its own data."""

LOOKED_AT = 16  # images of a folder, for their colours and sizes
GREY_TOLERANCE = 2 / 255  # JPEG colours grey by so much
NETWORK_OBJECT = 20.0  # pixels: the object that the networks and their windows are made for (PROTOCOL 4)
DARK = 0.1  # of the usual pixel: on a darker background there is nothing darker to draw
LARGE_OBJECT = 32.0  # pixels: a larger one has more than a patch has samples
WINDOWS = {"softmax_size": 15, "suppression_size": 19, "kernel_size": 13}  # pixels, for an object of that size
BORDER = 5  # pixels, the same

Choices = list[tuple[dict[str, Any], str]]


def without_data(recipe: Recipe) -> Recipe:
    """The recipe without what it says of its own data, to be used on others."""
    return replace(recipe, model={name: value for name, value in recipe.model.items() if name not in OF_THE_DATA})


def completed(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Fill in what the recipe leaves open and its data tell.

    * ``instances``, K: the largest number of objects of an image.
    * ``background``, or ``varying``: whether an image has fewer than K.
    * ``prototypes``, of a folder with labels: as many as there are classes.
    * ``channels``: 3 of coloured scenes; of a folder 1 where the images looked at are grey, else 3.
    * ``signed``, of a folder whose images are not black between their objects, which may then be darker.
    * ``shrink``, of a folder whose objects are larger than ``LARGE_OBJECT``: images are shrunk, and ``object_size``
      with them, so that an object has the ``NETWORK_OBJECT`` pixels that the networks are made for.
    * ``softmax_size``, ``suppression_size``, ``kernel_size`` and ``border``, of a folder whose objects are smaller
      than ``NETWORK_OBJECT``: in proportion.

    Returns:
        The recipe, and what was chosen in words.

    Raises:
        BoxlessError: a setting is wrong, there is no such layout of scenes, the folder cannot be used or names no
            object, or ``object_size`` is missing: counts do not tell it, and boxes are not looked at.
    """
    given = recipe.model
    kind = settings_types(recipe.method)[0]
    known = {field.name for field in fields(kind)}
    from_plain(kind, given | {"class_names": ["any"]}, "model")
    needs_labels = any(field.name == "class_names" and field.default is MISSING for field in fields(kind))
    if recipe.data.folder is None:
        layout = layout_named(recipe.data.layout)
        choices = _by_counts(recipe.data.counts or layout.counts, given.get("instances"))
        if isinstance(layout, ShapeLayout | HouseNumberLayout):
            choices.append(({"channels": layout.channels}, "scenes in colour"))
    else:
        folder = read_folder(recipe.data.folder, labels_needed=needs_labels)
        choices = _by_counts([len(image.labels) for image in folder.images], given.get("instances"))
        if folder.class_names:
            kinds = len(folder.class_names)
            choices.append(({"prototypes": kinds}, f"{kinds} kinds of objects, as many as classes"))
        if not any(image.labels for image in folder.images):
            if needs_labels:
                raise BoxlessError(f"The labels of {folder.root} name no object; there is nothing to learn from.")
            if "instances" not in given:
                raise BoxlessError(
                    f"How many objects an image of {folder.root} holds is not known: give their number, the largest "
                    "of any image, as in --model.instances 9."
                )
        if needs_labels and len(folder.images) > 1 and len({image.labels for image in folder.images}) == 1:
            choices.append(
                ({}, "but all images have the same labels, which tell nothing: add some with others, or none")
            )
        if "object_size" in known:
            choices += _by_looks(folder, given)
    chosen: dict[str, Any] = {}
    told = []
    for settings, sentence in choices:
        if all(name in known and (name not in given or name == "object_size") for name in settings):
            chosen |= settings
            told.append(sentence)
    return replace(recipe, model=given | chosen), told


def _by_counts(totals: Sequence[int], instances: int | None) -> Choices:
    """By the number of objects of each image."""
    least, most = min(totals, default=0), max(totals, default=0)
    if most == 0:
        return []
    k = most if instances is None else instances
    background = "a class for background, as images hold fewer" if least < k else "no class for background"
    unsure = "what is unsure is left out, as images hold fewer" if least < k else "always K objects found"
    return [
        ({"instances": k}, f"K = {k}, the most objects of an image"),
        ({"background": least < k}, background),
        ({"varying": least < k}, unsure),
    ]


def _by_looks(folder: Folder, given: Mapping[str, Any]) -> Choices:
    """By the colours and sizes of some images, and the size of an object in them."""
    object_size = given.get("object_size")
    if object_size is None:
        raise BoxlessError(
            f"How large the objects of {folder.root} are is not known: give the side of one, roughly, in pixels, "
            "as in --model.object_size 20."
        )
    every = -(-len(folder.images) // LOOKED_AT)
    looks = [look for image in folder.images[::every] if (look := _look(image.path)) is not None]
    if not looks:
        return []
    grey = all(look.grey for look in looks)
    choices: Choices = [({"channels": 1 if grey else 3}, "grey images" if grey else "images in colour")]
    if median(look.level for look in looks) > DARK:
        choices.append(({"signed": True}, "patches may be darker than the background, which is not black"))
    if max(look.brightest for look in looks) < DARK:
        choices.append(({}, "but all images are nearly black: 16 bits are read by their whole range, so stretch them"))
    longest = median(look.side for look in looks)
    if object_size > longest:
        raise BoxlessError(
            f"An object of {object_size:g} pixels does not fit the images of {folder.root}, of about {longest:g}; "
            "give the side of one, roughly, as --model.object_size."
        )
    if object_size < NETWORK_OBJECT:
        return choices + _windows(object_size)
    if object_size <= LARGE_OBJECT or "max_side" in given or "shrink" in given:
        return choices
    shrink = round(NETWORK_OBJECT / object_size, 4)
    told = f"images shrunk to {100 * shrink:.3g} %, where an object of {object_size:g} pixels has {NETWORK_OBJECT:g}"
    return [*choices, ({"shrink": shrink, "object_size": NETWORK_OBJECT}, told)]


def _windows(object_size: float) -> Choices:
    """Windows that show as much of an object of this size as the usual ones show of one of ``NETWORK_OBJECT``."""
    share = object_size / NETWORK_OBJECT
    sizes = {name: max(3, 2 * round((share * usual - 1) / 2) + 1) for name, usual in WINDOWS.items()}
    return [({name: size}, f"{name} {size}") for name, size in (*sizes.items(), ("border", round(share * BORDER)))]


class _Look(NamedTuple):
    grey: bool
    side: int  # the longer one, pixels
    level: float  # of its usual pixel, in [0, 1]
    brightest: float


def _look(path: Path) -> _Look | None:
    """What one sees of an image at a glance; None where it cannot be read, which the training will tell."""
    try:
        pixels = read_image(path, channels=3)
    except UnreadableImage:
        return None
    grey = bool(np.ptp(pixels, axis=2).max() <= GREY_TOLERANCE)
    return _Look(grey, max(pixels.shape[:2]), float(np.median(pixels)), float(pixels.max()))
