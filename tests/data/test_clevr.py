"""CLEVR v1.0 in small files of its form."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from boxless.data.clevr import ATTRIBUTES, CLASS_NAMES, read_clevr, write_clevr
from boxless.data.folder import read_folder
from boxless.errors import BoxlessError


def solid(
    x: int, y: int, shape: str = "cube", color: str = "red", size: str = "large", depth: float = 10.5
) -> dict[str, Any]:
    return {"shape": shape, "color": color, "size": size, "material": "metal", "pixel_coords": [x, y, depth]}


def clevr(root: Path, *scenes: list[dict[str, Any]], image_size: tuple[int, int] = (240, 160)) -> Path:
    """One by itself: ``scenes.json`` and ``images``."""
    (root / "images").mkdir(parents=True)
    entries = []
    for number, objects in enumerate(scenes):
        name = f"CLEVR_train_{number:06}.png"
        pixels = np.zeros((image_size[1], image_size[0], 3), np.uint8)
        for entry in objects:  # a pixel at its centre
            x, y, _ = entry["pixel_coords"]
            pixels[y * image_size[1] // 320, x * image_size[0] // 480] = 255
        Image.fromarray(pixels).save(root / "images" / name)
        entries.append({"image_index": number, "image_filename": name, "objects": objects})
    (root / "scenes.json").write_text(json.dumps({"info": {}, "scenes": entries}))
    return root


def test_places_are_those_of_the_image_at_hand(tmp_path: Path) -> None:
    """pixel_coords count from the corner of 480×320, so the corner (101, 60) lies at (50.5, 30) of the half."""
    (image,) = read_clevr(clevr(tmp_path, [solid(101, 60, "sphere", "blue", "small", depth=7.0)])).images
    assert image.truth is not None
    np.testing.assert_allclose(image.truth.centers, [[50, 29.5]])
    np.testing.assert_allclose(image.truth.sizes, [[26.25, 26.25]])  # a ball of 0.35, 7 away: 0.7 · 525 / 7 / 2
    assert image.truth.names == ["sphere blue small"]
    assert image.truth.image_size == (160, 240)


def test_the_folders_of_the_whole_set(tmp_path: Path) -> None:
    root = clevr(tmp_path / "part", [solid(240, 160)], image_size=(480, 320))
    (tmp_path / "images").mkdir()
    (root / "images").rename(tmp_path / "images" / "val")
    (tmp_path / "scenes").mkdir()
    (root / "scenes.json").rename(tmp_path / "scenes" / "CLEVR_val_scenes.json")
    (image,) = read_clevr(tmp_path, "val").images
    assert image.truth is not None
    np.testing.assert_allclose(image.truth.boxes, [[204.5, 124.5, 274.5, 194.5]])  # 1.4 · 525 / 10.5 = 70 wide


def test_scenes_of_more_objects_are_left_out(tmp_path: Path) -> None:
    root = clevr(tmp_path, [solid(10 * n, 50) for n in range(7)], [solid(10 * n, 50) for n in range(6)])
    assert [len(image.labels) for image in read_clevr(root).images] == [6]
    assert [len(image.labels) for image in read_clevr(root, most=10).images] == [7, 6]


@pytest.mark.parametrize("image_size", [(240, 160), (480, 320)])
def test_the_middle_is_cut_out_with_the_objects_whose_centre_lies_in_it(
    tmp_path: Path, image_size: tuple[int, int]
) -> None:
    """288 of 480×320, columns 96 to 383 and rows 16 to 303: what TUSK sees of 320×240. Marked pixels stay in place."""
    inside, outside = [(97, 17), (382, 302), (150, 240)], [(94, 100), (386, 100), (200, 14), (200, 306)]
    scene = [solid(x, y) for x, y in inside + outside]
    root = clevr(tmp_path / "set", *[scene] * 4, image_size=image_size)
    counts, problems = write_clevr(root, tmp_path / "out", most=10)
    assert (counts, problems) == ({"train": 3, "test": 1}, [])
    folder = read_folder(tmp_path / "out" / "test")
    (image,) = folder.images
    assert image.path.name == "CLEVR_train_000003.png"
    assert image.truth is not None
    expected = (np.array(inside) - [96, 16]) * 112 / 288 - 0.5
    np.testing.assert_allclose(image.truth.centers, expected, atol=1e-4)
    pixels = np.asarray(Image.open(image.path)).max(axis=2)
    assert pixels.shape == (112, 112)
    for x, y in expected.round().astype(int).clip(0, 111):
        assert pixels[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any()
    x, y = expected[2].round().astype(int)  # away from the border the middle of the brightness is the centre itself
    window = pixels[y - 4 : y + 5, x - 4 : x + 5].astype(float)
    rows, columns = np.mgrid[y - 4 : y + 5, x - 4 : x + 5]
    middle = [(values * window).sum() / window.sum() for values in (columns, rows)]
    np.testing.assert_allclose(middle, expected[2], atol=0.45)
    assert folder.class_names == CLASS_NAMES
    assert folder.attributes == ATTRIBUTES


def test_a_class_is_a_shape_a_colour_and_a_size(tmp_path: Path) -> None:
    (image,) = read_clevr(clevr(tmp_path, [solid(9, 9, "cylinder", "yellow", "small"), solid(9, 9)])).images
    assert image.truth is not None
    assert image.truth.labels.tolist() == [1 * 16 + 7 * 2 + 0, 0 * 16 + 1 * 2 + 1]
    assert image.labels == (3, 30)


def test_all_bad_scenes_are_named_at_once(tmp_path: Path) -> None:
    bad = [solid(9, 9) | {"color": "pink"}, solid(9, 9) | {"pixel_coords": [1, 2]}, solid(9, 9, depth=float("nan"))]
    bad += [
        solid(500 - 21, 9) | {"pixel_coords": [10**400, 9, 10]},
        {"shape": "cube"},
        solid(9, 9) | {"shape": ["cube"]},
    ]
    root = clevr(tmp_path, [solid(9, 9)])
    entry = {"image_filename": "CLEVR_train_000000.png"}
    scenes = [entry | {"objects": [solid(9, 9), one]} for one in bad]
    scenes += [{"image_filename": "../secret.png", "objects": []}, {"objects": []}, [], entry | {"objects": 3}]
    (root / "scenes.json").write_text(json.dumps({"scenes": scenes}))
    with pytest.raises(BoxlessError) as error:
        read_clevr(root)
    lines = [line.strip() for line in str(error.value).splitlines()[1:]]
    assert [line.split(":")[0] for line in lines] == [f"scene {number}" for number in range(1, 11)]
    assert lines[0] == f"scene 1: object 2 has the color 'pink', where {', '.join(ATTRIBUTES['color'])} are"
    assert "which no camera of the set sees" in lines[2]
    assert lines[4] == "scene 5: there is no 'color'"
    assert "leads out of the folder" in lines[6]


def test_a_broken_image_is_told_and_left_out(tmp_path: Path) -> None:
    root = clevr(tmp_path / "set", *[[solid(200, 100)]] * 5)
    (root / "images" / "CLEVR_train_000001.png").write_bytes(b"no image")
    counts, problems = write_clevr(root, tmp_path / "out")
    assert counts == {"train": 3, "test": 1}
    assert len(problems) == 1
    assert "CLEVR_train_000001.png" in problems[0]


def test_a_missing_set_says_where_it_is_had_and_its_licence(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match=r"cs\.stanford\.edu/people/jcjohns/clevr/ \(CC BY 4\.0\)"):
        read_clevr(tmp_path)
    (tmp_path / "scenes.json").write_text("[]")
    with pytest.raises(BoxlessError, match=r"has no list of scenes; CLEVR v1\.0 is had at"):
        read_clevr(tmp_path)
    (tmp_path / "scenes.json").write_text("{")
    with pytest.raises(BoxlessError, match="is no JSON"):
        read_clevr(tmp_path)
