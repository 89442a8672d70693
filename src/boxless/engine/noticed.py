"""What a user would want to hear of a folder before a training goes on for an hour."""

from collections import Counter

from boxless.data.folder import Folder, read_folder
from boxless.data.images import list_images
from boxless.data.metadata import METADATA_FILE
from boxless.engine.recipe import Recipe
from boxless.errors import BoxlessError
from boxless.methods.registry import model_type

MOST_CLASSES = 20  # told by name
ENOUGH_TO_VALIDATE = 10  # images; by fewer the best model is told from others by chance


def noticed(recipe: Recipe) -> list[str]:
    """What is in the folder that a recipe learns from, and what in it looks like a slip; nothing of scenes.

    Raises:
        BoxlessError: the folder cannot be used.
    """
    if recipe.data.folder is None:
        return []
    labels_are = model_type(recipe.method).labels_are
    folder = read_folder(recipe.data.folder, labels_needed=labels_are == "needed")
    found = [_classes(folder)] if labels_are != "ignored" and folder.class_names else []
    return found + _slips(folder, recipe)


def _classes(folder: Folder) -> str:
    """ "classes: red 12, blue 9, in 8 images"."""
    totals = Counter(label for image in folder.images for label in image.labels)
    told = [f"{name} {totals[label]:,}" for label, name in enumerate(folder.class_names[:MOST_CLASSES])]
    if len(folder.class_names) > MOST_CLASSES:
        told.append(f"and {len(folder.class_names) - MOST_CLASSES:,} classes more")
    return f"classes: {', '.join(told)}, in {len(folder.images):,} images"


def _slips(folder: Folder, recipe: Recipe) -> list[str]:
    slips = []
    singles = all(len(image.labels) <= 1 for image in folder.images)
    if singles and folder.class_names and all(name.isdecimal() for name in folder.class_names):
        name = folder.class_names[-1]
        slips.append(
            f"each label is one number, which names a class: if {name} is how many there are, write object:{name}"
        )
    most, k = max(len(image.labels) for image in folder.images), recipe.model.get("instances")
    if k is not None and k < most:
        slips.append(f"K = {k} is fewer than the {most} objects of an image: not all can be found")
    held_out = max(1, round(len(folder.images) * recipe.data.validation_share))
    if held_out < ENOUGH_TO_VALIDATE:
        slips.append(
            f"{held_out} image{'s' * (held_out > 1)} to validate on: which model is best is mostly chance; add images, "
            "or raise --data.validation_share"
        )
    listed = {image.path.resolve() for image in folder.images}
    try:
        below = {path.resolve() for path in list_images([folder.root]) if "segments" not in path.parts}
    except BoxlessError:  # none has a suffix of images; those named are read all the same
        below = set()
    if left_out := below - listed:
        table = METADATA_FILE if (folder.root / METADATA_FILE).is_file() else "the COCO file"
        slips.append(f"{folder.root} has images that {table} does not name, which are left out: {len(left_out):,}")
    return slips
