"""Tetrominoes and CLEVR with masks, in files of the released form, where images are lists of strings of one byte."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.data.tfrecord_files import Value, write_tfrecord

from boxless.data.folder import check_images, read_folder
from boxless.data.multi_objects import (
    CLEVR_WITH_MASKS,
    TETROMINOES,
    ObjectScene,
    read_multi_objects,
    write_multi_objects,
)
from boxless.errors import BoxlessError

Scene = dict[str, Any]
Rectangle = tuple[int, int, int, int]  # left, top, width, height


def tetrominoes(*objects: tuple[Rectangle, int, tuple[float, float, float]]) -> Scene:
    """A scene of rectangles, each with a shape and a colour."""
    masks = np.zeros((4, 35, 35, 1), np.uint8)
    colors, shapes, visible = np.zeros((4, 3), np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32)
    image = np.zeros((35, 35, 3), np.uint8)
    visible[0] = 1
    for number, ((left, top, width, height), shape, color) in enumerate(objects, start=1):
        masks[number, top : top + height, left : left + width] = 255
        image[top : top + height, left : left + width] = np.array(color) * 255
        shapes[number], colors[number], visible[number] = shape, color, 1
    masks[0] = 255 - masks[1:].max(axis=0)
    return {"image": image, "mask": masks, "visibility": visible, "shape": shapes, "color": colors}


def clevr(*objects: tuple[Rectangle, int, int, int]) -> Scene:
    """A scene of rectangles, each with a shape, a colour and a size."""
    masks = np.zeros((11, 240, 320, 1), np.uint8)
    kinds = np.zeros((3, 11), np.uint8)
    visible = np.zeros(11, np.float32)
    visible[0] = 1
    for number, ((left, top, width, height), *kind) in enumerate(objects, start=1):
        masks[number, top : top + height, left : left + width] = 255
        kinds[:, number], visible[number] = kind, 1
    masks[0] = 255 - masks[1:].max(axis=0)
    image = np.repeat(masks[1:].max(axis=0), 3, axis=2)
    return {"image": image, "mask": masks, "visibility": visible} | dict(
        zip(("shape", "color", "size"), kinds, strict=True)
    )


def on_the_wire(scene: Mapping[str, Any]) -> dict[str, Value]:
    return {name: values if values.dtype == np.uint8 else values.reshape(-1).tolist() for name, values in scene.items()}


def written(path: Path, *scenes: Scene) -> Path:
    """As TFRecord, or as the HDF5 of TUSK's release."""
    if path.suffix == ".tfrecords":
        return write_tfrecord(path, [on_the_wire(scene) for scene in scenes])
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name in scenes[0]:
            group = file.create_group(name)
            for number, scene in enumerate(scenes):
                group[str(number).zfill(6)] = scene[name]
    return path


def only(path: Path, kind: Any) -> ObjectScene:
    (scene,) = read_multi_objects(path, kind)
    assert scene is not None
    return scene


RED, CYAN = (1.0, 0.0, 0.0), (0.0, 1.0, 1.0)


@pytest.mark.parametrize("file", ["tetrominoes_train.tfrecords", "tetrominoes_train.h5"])
def test_tetrominoes_are_enlarged_with_their_boxes_and_segments(tmp_path: Path, file: str) -> None:
    scene = only(
        written(tmp_path / file, tetrominoes(((5, 10, 20, 5), 19, CYAN), ((0, 20, 5, 15), 1, RED))), TETROMINOES
    )
    assert scene.image.shape == (3, 112, 112)
    assert scene.objects.names == ["shape19 cyan", "shape1 red"]
    assert (scene.objects.boxes + 0.5).tolist() == [[16, 32, 80, 48], [0, 64, 16, 112]]  # 3.2 times the corners
    segments = scene.segments.numpy()
    assert set(np.unique(segments)) == {0, 1, 2}
    assert (segments[32:48, 16:80] == 1).all()
    assert (segments == 1).sum() == 64 * 16
    inside = scene.image[:, 34:46, 18:78]
    assert torch.allclose(inside, torch.tensor(CYAN)[:, None, None].expand_as(inside), atol=1e-6)


def test_of_clevr_the_middle_is_taken(tmp_path: Path) -> None:
    """192 of 240×320: columns 64 to 255, rows 24 to 215, then 112 / 192 of that."""
    scene = clevr(
        ((64, 24, 24, 48), 3, 8, 2),  # in the corner of the middle
        ((240, 100, 24, 24), 1, 1, 1),  # its centre at 251.5, within
        ((250, 150, 24, 24), 2, 2, 2),  # its centre at 261.5, outside
        ((0, 0, 10, 10), 1, 1, 1),
    )
    found = only(written(tmp_path / "c.tfrecords", scene), CLEVR_WITH_MASKS)
    assert found.objects.names == ["shape3 color8 size2", "shape1 color1 size1"]
    corners = (found.objects.boxes + 0.5) * 192 / 112
    np.testing.assert_allclose(corners, [[0, 0, 24, 48], [176, 76, 200, 100]], atol=1e-4)
    assert (found.segments[:28, :14] == 1).all()
    assert set(found.segments.unique().tolist()) == {0, 1, 2, 3}  # what is seen of the third is no background
    assert found.image[:, 5, 5].tolist() == [1.0, 1.0, 1.0]


def test_scenes_of_more_objects_than_a_method_looks_for_are_left_out(tmp_path: Path) -> None:
    six = [((20 * n + 70, 100, 8, 8), 1, 1, 1) for n in range(6)]
    path = written(tmp_path / "c.tfrecords", clevr(*six), clevr(*six, ((80, 150, 9, 9), 1, 1, 1)))
    first, second = read_multi_objects(path, CLEVR_WITH_MASKS)
    assert first is not None
    assert len(first.objects) == 6
    assert second is None


def test_an_object_that_others_hide_wholly_is_none(tmp_path: Path) -> None:
    scene = clevr(((100, 100, 20, 20), 1, 1, 1), ((0, 0, 0, 0), 2, 2, 2))
    assert len(only(written(tmp_path / "c.tfrecords", scene), CLEVR_WITH_MASKS).objects) == 1


def test_parts_lie_one_behind_the_other_and_read_back_the_same(tmp_path: Path) -> None:
    scenes = [tetrominoes(((n, 2 * n, 5, 10), n + 1, RED)) for n in range(5)]
    file = written(tmp_path / "tetrominoes_train.tfrecords", *scenes)
    assert write_multi_objects(tmp_path, tmp_path / "out", TETROMINOES, {"train": 3, "test": 9})[0] == {
        "train": 3,
        "test": 2,
    }
    test, problems = check_images(read_folder(tmp_path / "out" / "test"))
    assert problems == []
    assert [image.path.name for image in test.images] == ["000003.png", "000004.png"]
    assert test.attributes == TETROMINOES.attributes
    expected = list(read_multi_objects(file, TETROMINOES))[4]
    image = test.images[1]
    assert expected is not None
    assert image.truth is not None
    np.testing.assert_allclose(image.truth.boxes, expected.objects.boxes, atol=1e-4)
    assert image.truth.names == ["shape5 red"]
    assert image.segments == tmp_path / "out" / "test" / "segments" / "000004.png"


def test_a_part_that_is_there_stays_and_the_next_is_no_other(tmp_path: Path) -> None:
    scenes = [tetrominoes(((n, 2 * n, 5, 10), n + 1, RED)) for n in range(4)]
    written(tmp_path / "tetrominoes_train.tfrecords", *scenes)
    for _ in range(2):
        write_multi_objects(tmp_path, tmp_path / "out", TETROMINOES, {"train": 3, "test": 1})
        names = [image.path.name for image in read_folder(tmp_path / "out" / "test").images]
        assert names == ["000003.png"]
        (tmp_path / "out" / "test" / "coco.json").unlink()


def test_a_feature_that_is_missing_or_of_another_form_is_named(tmp_path: Path) -> None:
    scene = tetrominoes(((1, 1, 5, 5), 1, RED))
    wrong: dict[str, Scene] = {
        "of scene 1 there is no mask": {name: values for name, values in scene.items() if name != "mask"},
        "the image is 12 numbers of uint8, not": scene | {"image": np.zeros(12, np.uint8)},
        "the shape is 4 numbers of uint8, not": scene | {"shape": np.ones(4, np.uint8)},
        "an object has a shape of none of the 19 values": scene | {"shape": np.full(4, 20, np.float32)},
        "an object has a color of none of the 6 values": scene | {"color": np.full((4, 3), 0.5, np.float32)},
    }
    for reason, broken in wrong.items():
        for file in ("t.tfrecords", "t.h5"):
            path = written(tmp_path / file, broken)
            with pytest.raises(
                BoxlessError, match=f"is not tetrominoes: of scene 1 .*{reason.removeprefix('of scene 1 ')}"
            ):
                list(read_multi_objects(path, TETROMINOES))


def test_an_hdf5_file_that_is_cut_off_or_another(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = written(tmp_path / "t.h5", tetrominoes(((1, 1, 5, 5), 1, RED)))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BoxlessError, match=r"t\.h5 is no HDF5 file of scenes, or broken"):
        list(read_multi_objects(path, TETROMINOES))
    with h5py.File(path, "w") as file:
        file["X"] = np.zeros(3)
    with pytest.raises(BoxlessError, match=r"t\.h5 is no HDF5 file of scenes, or broken"):
        list(read_multi_objects(path, TETROMINOES))


def test_a_missing_set_says_where_it_is_had_and_its_licence(tmp_path: Path) -> None:
    for missing in (tmp_path, tmp_path / "c.tfrecords"):
        with pytest.raises(BoxlessError, match=r"google-deepmind/multi_object_datasets \(Apache 2\.0\)"):
            write_multi_objects(missing, tmp_path / "out", CLEVR_WITH_MASKS)
