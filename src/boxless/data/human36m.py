"""Human 3.6M with its background taken off and 32 joints a person, for TUSK (section 4.3).

The release holds videos, which are to be turned into frames first, beside masks and poses:

    S1/Frames/Directions.54138969/000001.jpg                  of Videos/Directions.54138969.mp4, numbered from 1
    S1/MySegmentsMat/ground_truth_bs/Directions.54138969.mat  masks (HDF5)
    S1/MyPoseFeatures/D2_Positions/Directions.54138969.cdf    joints in pixels of the frame

Subjects 1, 5, 6, 7, 8 and 9 are learned from, the last is tested on. Of a frame that square is kept, on black, which
holds the person with a margin, as 128×128 pixels; the side is the scale of the errors. As front and back look alike,
the joints of the left and the right change names where the person is turned around: where right hip and shoulder lie
to the right of the left ones. (The paper speaks of 36 joints; the release has 32.)
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from boxless.data.crops import Rectangle, cut
from boxless.data.images import UnreadableImage, to_tensor
from boxless.data.landmarks import LANDMARKS_FILE, Marked, write_landmarks
from boxless.data.prepared import png_bytes
from boxless.data.resize import centers_to_fitted
from boxless.errors import BoxlessError

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8", "S9"), "test": ("S11",)}
SIDE = 128
MARGIN = 1.2  # of the square around the mask
EVERY = 25  # frames: two a second
JOINTS = 32
RIGHT, LEFT = (*range(1, 6), *range(24, 32)), (*range(6, 11), *range(16, 24))  # joint by joint
TURNING = ((1, 25), (6, 17))  # hip and shoulder, right and left
SOURCE = (
    "Human 3.6M is had at http://vision.imar.ro/human3.6m (academic use alone, by request); its videos are to be "
    "turned into S1/Frames/VIDEO/000001.jpg and so on"
)


def facing(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joints (32, 2) named as of a person that faces the camera, whose right side is on the left of the image."""
    right, left = (points[list(joints), 0].mean() for joints in TURNING)
    if right <= left:
        return points
    swapped = points.copy()
    swapped[[*RIGHT, *LEFT]] = points[[*LEFT, *RIGHT]]
    return swapped


def write_human36m(
    source: str | os.PathLike[str], root: str | os.PathLike[str], every: int = EVERY
) -> tuple[dict[str, int], list[str]]:
    """Write the set as folders ``train`` and ``test`` with ``landmarks.csv``; a part that is there stays.

    Args:
        source: the folder with ``S1``, ``S5`` and so on; those that lack are passed over, but each part needs one.
        root: where.
        every: of so many frames the first.

    Returns:
        How many images are in each part that was written, and a sentence for each that is missing or broken.

    Raises:
        BoxlessError: a part has no subject, a file of masks or poses is missing or broken, or a package to read them.
    """
    problems: list[str] = []
    counts = {}
    for part, subjects in SUBJECTS.items():
        if (Path(root) / part / LANDMARKS_FILE).exists():
            continue
        videos = [video for name in subjects for video in sorted((Path(source) / name / "Frames").glob("*"))]
        if not videos:
            raise BoxlessError(f"There are no frames of {', '.join(subjects)} in {source}; {SOURCE}.")
        images = (image for video in videos for image in _frames(video, every, problems))
        counts[part] = write_landmarks(Path(root) / part, images)
    return counts, problems


def _frames(video: Path, every: int, problems: list[str]) -> Iterator[Marked]:
    subject = video.parent.parent
    poses = _poses(subject / "MyPoseFeatures" / "D2_Positions" / f"{video.name}.cdf")
    masks = _Masks(subject / "MySegmentsMat" / "ground_truth_bs" / f"{video.name}.mat")
    with masks:
        for number in range(0, min(len(poses), len(masks)), every):
            path = next(video.glob(f"{number + 1:06d}.*"), video / f"{number + 1:06d}.jpg")
            mask = masks[number]
            try:
                pixels = to_tensor(path, channels=3)
                if tuple(pixels.shape[1:]) != mask.shape or not mask.any():
                    raise UnreadableImage(f"{path} does not fit its mask, which is {mask.shape[1]}×{mask.shape[0]}.")
            except UnreadableImage as error:
                problems.append(str(error))
                continue
            shown, points = _cut_out(pixels * torch.from_numpy(mask), mask, poses[number])
            name = f"{subject.name}-{video.name}-{number + 1:06d}.png"
            yield Marked(name, png_bytes(shown), facing(points), SIDE)


def _cut_out(
    pixels: torch.Tensor, mask: NDArray[np.bool_], points: NDArray[np.float64]
) -> tuple[torch.Tensor, NDArray[np.float64]]:
    """The square around the mask, on black where it reaches over the border, and the joints in it."""
    square = square_around(mask)
    side = square.width
    around = torch.nn.functional.pad(pixels, (side, side, side, side))
    canvas = cut(around, Rectangle(square.left + side, square.top + side, side, side))
    shown = torch.nn.functional.interpolate(canvas[None], (SIDE, SIDE), mode="bilinear", antialias=True)[0]
    scale = SIDE / side
    moved = centers_to_fitted(torch.from_numpy(points - [square.left, square.top]), (scale, scale))
    return shown, moved.numpy()


def square_around(mask: NDArray[np.bool_]) -> Rectangle:
    """The square with the middle of the mask (H, W), ``MARGIN`` times its longer side wide."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    side = round(MARGIN * (1 + max(rows[-1] - rows[0], columns[-1] - columns[0])))
    left, top = (round((ends[0] + ends[-1] + 1 - side) / 2) for ends in (columns, rows))
    return Rectangle(left, top, side, side)


def _poses(path: Path) -> NDArray[np.float64]:
    """(N, 32, 2) x and y of each frame."""
    if not path.is_file():
        raise BoxlessError(f"There is no {path}; {SOURCE}.")
    try:
        import cdflib
    except ImportError as error:
        raise BoxlessError("Poses of Human 3.6M are CDF files: pip install 'boxless[human36m]'.") from error
    try:
        return np.asarray(cdflib.CDF(path).varget("Pose"), np.float64).reshape(-1, JOINTS, 2)
    except Exception as error:  # a decoder of foreign bytes may fail with anything
        raise BoxlessError(f"{path} holds no poses of {JOINTS} joints; copy it again.") from error


class _Masks:
    """The masks of a video, read one by one; Matlab writes them transposed, each behind a reference."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise BoxlessError(f"There is no {path}; {SOURCE}.")
        try:
            import h5py
        except ImportError as error:
            raise BoxlessError("Masks of Human 3.6M are HDF5 files: pip install 'boxless[human36m]'.") from error
        self.path = path
        try:
            self.file: Any = h5py.File(path, "r")
            self.references: Any = np.asarray(self.file["Masks"]).ravel()
        except (OSError, KeyError) as error:
            raise BoxlessError(f"{path} holds no masks; copy it again.") from error

    def __enter__(self) -> "_Masks":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def __len__(self) -> int:
        return len(self.references)

    def __getitem__(self, number: int) -> NDArray[np.bool_]:
        """(H, W)."""
        return np.asarray(self.file[self.references[number]]).T > 0
