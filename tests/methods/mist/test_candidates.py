import torch

from boxless.methods.mist.candidates import most_overlooked
from boxless.methods.mist.model import Keypoints


def keypoints(*places: tuple[float, float], side: float = 6.0) -> Keypoints:
    return Keypoints(torch.tensor([places]), torch.full((1, len(places)), side))


def scene(*places: tuple[int, int]) -> torch.Tensor:
    """A black image, wider than high, with a 4×4 square at each place (x, y)."""
    image = torch.zeros(1, 1, 30, 50)
    for x, y in places:
        image[0, 0, y - 2 : y + 2, x - 2 : x + 2] = 1.0
    return image


def test_peaks_on_content_come_before_higher_ones_on_nothing() -> None:
    image = scene((40, 8), (10, 20), (25, 12))
    found = most_overlooked(image, keypoints((40, 8), (5, 5), (45, 25), (10, 20), (5, 12), (25, 12)), 1, 2)
    assert found.centers[0, 0].tolist() == [40, 8]
    assert {tuple(place) for place in found.centers[0, 1:].tolist()} == {(10, 20), (25, 12)}
    assert found.sides.tolist() == [[6.0] * 3]


def test_content_that_a_kept_box_covers_is_not_overlooked() -> None:
    image = scene((40, 8), (10, 20))
    image[0, 0, 24:26, 20:22] = 0.5
    found = most_overlooked(image, keypoints((40, 8), (10, 20), (11, 20), (21, 25), (39, 8)), 2, 1)
    assert found.centers[0].tolist() == [[40, 8], [10, 20], [21, 25]]


def test_each_image_has_its_own_and_all_others_come_where_they_are_few() -> None:
    image = torch.cat((scene((40, 8)), scene((10, 20))))
    both = Keypoints(torch.tensor([[(1.0, 1.0), (40.0, 8.0), (10.0, 20.0)]]).repeat(2, 1, 1), torch.full((2, 3), 6.0))
    found = most_overlooked(image, both, 1, 1)
    assert found.centers[:, 1].tolist() == [[40, 8], [10, 20]]
    assert most_overlooked(image, both, 1, 9).centers.shape == (2, 3, 2)
