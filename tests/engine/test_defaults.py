"""What the data tell of the settings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boxless.engine.defaults import completed, without_data
from boxless.engine.recipe import DataConfig, Recipe, recipe_from
from boxless.errors import BoxlessError


def folder_of(root: Path, labels: list[str], size: tuple[int, int] = (40, 30), color: bool = False) -> Path:
    """Images of (width, height) with these labels, grey stored as RGB unless they have colour."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[5:9, 5:9] = (200, 60, 60) if color else (200, 200, 200)
    for index in range(len(labels)):
        Image.fromarray(pixels).save(root / f"{index}.png")
    rows = "".join(f"{index}.png,{text}\n" for index, text in enumerate(labels))
    (root / "metadata.csv").write_text("file_name,labels\n" + rows)
    return root


def model_of(folder: Path, **given: Any) -> dict[str, Any]:
    model = {"object_size": 20.0} | given
    return completed(Recipe("mist-classify", DataConfig(folder=str(folder)), model))[0].model


def test_k_is_the_most_objects_of_an_image_and_fewer_need_a_background(tmp_path: Path) -> None:
    model = model_of(folder_of(tmp_path, ["a b", "a a b c", ""]))
    assert (model["instances"], model["background"]) == (4, True)


def test_as_many_objects_in_each_image_need_no_background(tmp_path: Path) -> None:
    model = model_of(folder_of(tmp_path, ["a b", "b b"]))
    assert (model["instances"], model["background"]) == (2, False)


def test_a_larger_k_needs_a_background(tmp_path: Path) -> None:
    model = model_of(folder_of(tmp_path, ["a b", "b b"]), instances=3)
    assert (model["instances"], model["background"]) == (3, True)


def test_what_is_given_stays(tmp_path: Path) -> None:
    given = {"background": False, "channels": 3, "max_side": 200, "object_size": 50.0}
    assert model_of(folder_of(tmp_path, ["a b", "a"], size=(60, 30)), **given) == given | {"instances": 2}


@pytest.mark.parametrize(("color", "channels"), [(False, 1), (True, 3)])
def test_channels_are_those_of_the_images(tmp_path: Path, color: bool, channels: int) -> None:
    assert model_of(folder_of(tmp_path, ["a"], color=color))["channels"] == channels


def test_images_of_large_objects_are_shrunk_until_the_networks_suit_them(tmp_path: Path) -> None:
    """An object of 80 pixels becomes one of 20, in images of any size."""
    model = model_of(folder_of(tmp_path, ["a", "b"], size=(400, 250)), object_size=80)
    assert (model["shrink"], model["object_size"]) == (0.25, 20.0)
    assert completed(Recipe("mist-classify", DataConfig(folder=str(tmp_path)), model))[0].model == model


def test_images_of_usual_objects_stay_and_so_do_the_windows(tmp_path: Path) -> None:
    model = model_of(folder_of(tmp_path, ["a", "b"], size=(400, 250)), object_size=25)
    assert model.keys() == {"instances", "background", "channels", "object_size"}


@pytest.mark.parametrize(
    ("object_size", "softmax", "suppression", "border"), [(10, 7, 9, 2), (4, 3, 3, 1), (19, 15, 19, 5)]
)
def test_windows_are_smaller_for_small_objects(
    object_size: float, softmax: int, suppression: int, border: int, tmp_path: Path
) -> None:
    """Else two that touch would be within one window, of which one peak is kept."""
    model = model_of(folder_of(tmp_path, ["a", "b"]), object_size=object_size)
    assert (model["softmax_size"], model["suppression_size"], model["border"]) == (softmax, suppression, border)
    assert model_of(tmp_path, object_size=object_size, border=3)["border"] == 3


def test_an_image_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ["a", "a"])
    (folder / "0.png").write_text("no image")
    assert model_of(folder)["channels"] == 1


def test_each_choice_is_told(tmp_path: Path) -> None:
    recipe = Recipe("mist-classify", DataConfig(folder=str(folder_of(tmp_path, ["a b", "a"]))), {"object_size": 20})
    assert completed(recipe)[1] == [
        "K = 2, the most objects of an image",
        "a class for background, as images hold fewer",
        "grey images",
    ]


@pytest.mark.parametrize(("labels", "warned"), [(["a", "a"], True), (["a", ""], False), (["a"], False)])
def test_labels_that_are_the_same_everywhere_are_told(labels: list[str], warned: bool, tmp_path: Path) -> None:
    recipe = Recipe("mcmil", DataConfig(folder=str(folder_of(tmp_path, labels))), {"object_size": 20.0})
    told = completed(recipe)[1]
    assert any("the same labels, which tell nothing" in sentence for sentence in told) == warned


def test_the_size_of_an_object_must_be_given(tmp_path: Path) -> None:
    recipe = Recipe("mist-classify", DataConfig(folder=str(folder_of(tmp_path, ["a"]))))
    with pytest.raises(BoxlessError, match="give the side of one, roughly, in pixels"):
        completed(recipe)


def test_labels_without_an_object_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="name no object"):
        model_of(folder_of(tmp_path, ["", "a:0"]))


def test_a_wrong_setting_is_named_before_the_data_are_read() -> None:
    recipe = Recipe("mist-classify", DataConfig(folder="nowhere"), {"object_size": "large"})
    with pytest.raises(BoxlessError, match="object_size is 'large', which is no float"):
        completed(recipe)


def test_scenes_tell_k_too() -> None:
    recipe = recipe_from({"method": "mist-classify", "data": {"layout": "mnist-k"}}, "test")
    assert completed(recipe)[0].model == {"instances": 9, "background": True}


def test_a_recipe_for_other_data_keeps_its_networks() -> None:
    recipe = Recipe("mist-classify", model={"instances": 9, "object_size": 20, "heatmap_channels": 8})
    assert without_data(recipe).model == {"heatmap_channels": 8}


def test_scenes_of_colours_need_three_channels() -> None:
    recipe = recipe_from({"method": "tusk", "data": {"layout": "sprites"}}, "test")
    assert completed(recipe)[0].model == {"instances": 6, "varying": True, "channels": 3}


def test_of_labelled_images_there_are_as_many_kinds_as_classes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ["a b", "a a c"])
    recipe = Recipe("tusk", DataConfig(folder=str(folder)), {"object_size": 20.0})
    model = completed(recipe)[0].model
    assert (model["instances"], model["varying"], model["prototypes"], model["channels"]) == (3, True, 3, 1)


def test_images_alone_leave_the_number_of_objects_to_be_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ["", ""])
    (folder / "metadata.csv").unlink()
    recipe = Recipe("tusk", DataConfig(folder=str(folder)), {"object_size": 20.0})
    with pytest.raises(BoxlessError, match=r"--model\.instances 9"):
        completed(recipe)
    given = completed(Recipe("tusk", recipe.data, {"object_size": 20.0, "instances": 4}))[0].model
    assert given == {"object_size": 20.0, "instances": 4, "channels": 1}


def test_an_object_larger_than_the_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"An object of 41 pixels does not fit the images of .*, of about 40"):
        model_of(folder_of(tmp_path, ["a b", "a"]), object_size=41)


@pytest.mark.parametrize(("level", "signed"), [(0, None), (20, None), (40, True), (255, True)])
def test_where_the_background_is_not_black_objects_may_be_darker(
    level: int, signed: bool | None, tmp_path: Path
) -> None:
    folder_of(tmp_path, ["a b", "a"])
    for path in tmp_path.glob("*.png"):
        pixels = np.asarray(Image.open(path)).copy()
        pixels[pixels == 0] = level
        Image.fromarray(pixels).save(path)
    recipe = Recipe("mist-reconstruct", DataConfig(folder=str(tmp_path)), {"object_size": 20.0})
    assert completed(recipe)[0].model.get("signed") == signed
    assert completed(Recipe(recipe.method, recipe.data, recipe.model | {"signed": False}))[0].model["signed"] is False


@pytest.mark.parametrize(("brightest", "warned"), [(20, True), (40, False)])
def test_images_that_use_little_of_their_range_are_told(brightest: int, warned: bool, tmp_path: Path) -> None:
    """As 12 bits in files of 16."""
    folder_of(tmp_path, ["a b", "a"])
    for path in tmp_path.glob("*.png"):
        Image.fromarray(np.asarray(Image.open(path)).clip(0, brightest)).save(path)
    told = completed(Recipe("mist-classify", DataConfig(folder=str(tmp_path)), {"object_size": 20.0}))[1]
    assert any("nearly black" in sentence for sentence in told) == warned
