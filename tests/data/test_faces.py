"""Faces with 68 landmarks, in small files of their format."""

from pathlib import Path

import numpy as np
import pytest
from tests.data.faces_files import PERSONS, face, release

from boxless.data.faces import between_eyes, is_tested, write_faces
from boxless.data.landmarks import read_landmarks
from boxless.errors import BoxlessError


def persons(folder: Path) -> set[str]:
    return {path.name.split("_", 1)[1].rsplit("_", 1)[0] for path in read_landmarks(folder)[0].paths}


def test_all_frames_of_a_person_are_in_one_part(tmp_path: Path) -> None:
    training, test = ([f"{name}_{frame}.jpg" for name in PERSONS] for frame in ("00", "51"))
    counts, problems = write_faces(release(tmp_path / "set", training, test), tmp_path / "out")
    assert problems == []
    assert sum(counts.values()) == 2 * len(PERSONS)
    train, held_out = persons(tmp_path / "out" / "train"), persons(tmp_path / "out" / "test")
    assert train | held_out == set(PERSONS)
    assert not train & held_out
    assert held_out == {name for name in PERSONS if is_tested(f"{name}_99.jpg")}


def test_about_every_fifth_person_is_tested_on() -> None:
    assert sum(is_tested(f"person_{number}_00.jpg") for number in range(1000)) == pytest.approx(200, abs=40)


def test_a_name_that_both_halves_use_is_two_faces_with_their_own_landmarks(tmp_path: Path) -> None:
    name = next(f"{person}_00.jpg" for person in PERSONS if is_tested(f"{person}_00.jpg"))
    source = release(tmp_path / "set", ["Jane_Doe-a_0.jpg", name], [name])
    write_faces(source, tmp_path / "out")
    found, _ = read_landmarks(tmp_path / "out" / "test")
    named = dict(zip([path.name for path in found.paths], found.points, strict=True))
    np.testing.assert_allclose(named[f"training_{name}"], face(1))
    np.testing.assert_allclose(named[f"test_{name}"], face(0))
    assert (tmp_path / "out" / "test" / f"training_{name}").read_bytes() == (source / "training" / name).read_bytes()
    assert found.scales.tolist() == pytest.approx([6 * 5**0.5] * 2, rel=1e-5)


def test_the_eyes_are_the_means_of_their_six_points() -> None:
    points = np.zeros((68, 2))
    points[36:42] = [[10, 20], [12, 18], [14, 18], [16, 20], [14, 22], [12, 22]]
    points[42:48] = points[36:42] + np.array([30, 40])
    assert between_eyes(points) == pytest.approx(50)


def test_a_missing_and_a_broken_frame_are_named(tmp_path: Path) -> None:
    source = release(tmp_path / "set", [f"{name}_0.jpg" for name in PERSONS], [])
    (source / "training" / f"{PERSONS[0]}_0.jpg").unlink()
    (source / "training" / f"{PERSONS[1]}_0.jpg").write_bytes(b"no image")
    counts, problems = write_faces(source, tmp_path / "out")
    assert sum(counts.values()) == len(PERSONS) - 2
    assert [person in problem for person, problem in zip(PERSONS, problems, strict=False)] == [True, True]


def test_a_part_that_is_there_stays(tmp_path: Path) -> None:
    source = release(tmp_path / "set", [f"{name}_0.jpg" for name in PERSONS], [])
    write_faces(source, tmp_path / "out")
    assert write_faces(source, tmp_path / "out")[0] == {}


def test_without_the_set_its_source_is_told_and_bad_rows_are_named(tmp_path: Path) -> None:
    with pytest.raises(BoxlessError, match="research use"):
        write_faces(tmp_path, tmp_path / "out")
    source = release(tmp_path / "set", ["A_0.jpg"], [])
    (source / "test_keypoints.csv").write_text("file,x0,y0\nB_0.jpg,1,2\n")
    with pytest.raises(BoxlessError, match="68 pairs"):
        write_faces(source, tmp_path / "out")
