"""Human 3.6M, in small files of its format; its poses are CDF files, which cdflib writes."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from boxless.data import human36m
from boxless.data.human36m import LEFT, RIGHT, facing, square_around, write_human36m
from boxless.data.landmarks import read_landmarks
from boxless.errors import BoxlessError

VIDEO = "Directions 1.54138969"


def standing(right: float, left: float) -> np.ndarray:
    """Joints of either side in a column of their own, at x = right and x = left, each in a row of its own."""
    points = np.zeros((32, 2))
    points[:, 1] = np.arange(32)
    points[list(RIGHT), 0], points[list(LEFT), 0] = right, left
    return points


def test_who_faces_the_camera_keeps_the_names_of_the_joints() -> None:
    points = standing(right=10, left=20)
    np.testing.assert_array_equal(facing(points), points)


def test_of_who_is_turned_around_left_and_right_change_names_joint_by_joint() -> None:
    points = standing(right=20, left=10)
    found = facing(points)
    np.testing.assert_array_equal(found[list(RIGHT)], points[list(LEFT)])
    np.testing.assert_array_equal(found[list(LEFT)], points[list(RIGHT)])
    middle = [joint for joint in range(32) if joint not in (*LEFT, *RIGHT)]
    np.testing.assert_array_equal(found[middle], points[middle])
    assert sorted((*LEFT, *RIGHT, *middle)) == list(range(32))


def test_the_square_has_the_middle_of_the_mask_and_a_margin() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 40:50] = True  # 20 high, 10 wide; its middle is at (45, 20), the corner of a pixel
    square = square_around(mask)
    assert (square.width, square.height) == (24, 24)
    assert (square.left + 12, square.top + 12) == (45, 20)


def release(root: Path, subjects: tuple[str, ...], frames: int = 3) -> Path:
    """White frames of 60×40 pixels; the person is a bar 4 px wide and 20 high at the right border."""
    cdfwrite = pytest.importorskip("cdflib.cdfwrite")
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 56:] = 1
    for subject in subjects:
        folders = {name: root / subject / name for name in ("Frames", "MyPoseFeatures", "MySegmentsMat")}
        (folders["Frames"] / VIDEO).mkdir(parents=True)
        for number in range(frames):
            Image.new("RGB", (60, 40), "white").save(folders["Frames"] / VIDEO / f"{number + 1:06d}.jpg")
        masks = folders["MySegmentsMat"] / "ground_truth_bs"
        masks.mkdir(parents=True)
        with h5py.File(masks / f"{VIDEO}.mat", "w") as file:
            kept = [file.create_dataset(f"#refs#/{number}", data=mask.T) for number in range(frames)]
            file["Masks"] = np.array([[one.ref] for one in kept], h5py.ref_dtype)
        poses = folders["MyPoseFeatures"] / "D2_Positions"
        poses.mkdir(parents=True)
        values = np.stack([standing(56 + number, 59) for number in range(frames)]).reshape(1, frames, 64)
        with cdfwrite.CDF(poses / f"{VIDEO}.cdf") as cdf:
            spec = {"Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": [frames, 64]}
            cdf.write_var(spec, var_data=values.astype(np.float32))
    return root


def test_frames_are_cut_out_on_black_with_their_joints(tmp_path: Path) -> None:
    source = release(tmp_path / "set", ("S1", "S11"))
    counts, problems = write_human36m(source, tmp_path / "out", every=2)
    assert (counts, problems) == ({"train": 2, "test": 2}, [])
    found, _ = read_landmarks(tmp_path / "out" / "test")
    assert [path.name for path in found.paths] == [f"S11-{VIDEO}-000001.png", f"S11-{VIDEO}-000003.png"]
    assert found.scales.tolist() == [128, 128]
    scale = 128 / 24  # the square is 24 px wide, from (46, 8) on
    np.testing.assert_allclose(found.points[0], (standing(56, 59) - [46, 8] + 0.5) * scale - 0.5, rtol=1e-4)
    pixels = np.asarray(Image.open(found.paths[0]).convert("L"))
    white = np.argwhere(pixels > 127)
    assert white.min(0).tolist() == [11, 53]  # rows 10 to 29 and columns 56 to 59 of the frame
    assert white.max(0).tolist() == [116, 74]


def test_a_frame_that_does_not_fit_its_mask_and_a_missing_one_are_told(tmp_path: Path) -> None:
    source = release(tmp_path / "set", ("S1", "S11"))
    frames = source / "S1" / "Frames" / VIDEO
    Image.new("RGB", (40, 60)).save(frames / "000001.jpg")
    (frames / "000002.jpg").unlink()
    counts, problems = write_human36m(source, tmp_path / "out", every=1)
    assert counts == {"train": 1, "test": 3}
    assert "does not fit its mask" in problems[0]
    assert "000002.jpg" in problems[1]


def test_without_frames_the_source_and_its_licence_are_told(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="academic use"):
        write_human36m(tmp_path, tmp_path / "out")
    (tmp_path / "S1" / "Frames" / VIDEO).mkdir(parents=True)
    with pytest.raises(BoxlessError, match=r"There is no .*\.cdf"):
        write_human36m(tmp_path, tmp_path / "out")


def test_files_that_hold_no_masks_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_bytes(b"no mat")
    with pytest.raises(BoxlessError, match="holds no masks"):
        human36m._Masks(tmp_path / "x.mat")
