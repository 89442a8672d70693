import torch

from boxless.methods.mist.candidates import faint_peaks, most_overlooked
from boxless.methods.mist.config import MistReconstructorConfig
from boxless.methods.mist.model import Keypoints, Responses
from boxless.methods.mist.reconstruction.model import MistReconstructor
from boxless.ops.heatmap import local_softmax


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
    others = keypoints((5, 5), (45, 25), (10, 20), (5, 12), (25, 12))
    assert set(most_overlooked(image, keypoints((40, 8)), others, 2)[0].tolist()) == {2, 4}


def test_content_that_a_kept_box_covers_is_not_overlooked() -> None:
    image = scene((40, 8), (10, 20))
    image[0, 0, 24:26, 20:22] = 0.5
    others = keypoints((11, 20), (21, 25), (39, 8))
    assert most_overlooked(image, keypoints((40, 8), (10, 20)), others, 1).tolist() == [[1]]


def test_each_image_has_its_own_and_all_others_come_where_they_are_few() -> None:
    image = torch.cat((scene((40, 8)), scene((10, 20))))
    chosen, others = (
        Keypoints(own.centers.repeat(2, 1, 1), own.sides.repeat(2, 1))
        for own in (keypoints((1, 1)), keypoints((40, 8), (10, 20)))
    )
    assert most_overlooked(image, chosen, others, 1).tolist() == [[0], [1]]
    assert most_overlooked(image, chosen, others, 9).shape == (2, 2)


def test_an_object_beside_a_stronger_one_is_no_peak_and_yet_a_candidate() -> None:
    """12 px apart, within one window of the suppression; the weaker on the slope of the stronger."""
    model = MistReconstructor(MistReconstructorConfig(encoder_channels=(8,), patch_size=2)).eval()
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    scores = 9 * torch.exp(-((x - 30) ** 2 + (y - 30) ** 2) / 18) + 6 * torch.exp(-((x - 38) ** 2 + (y - 38) ** 2) / 18)
    soft, sharp = (local_softmax(scores[None, None], 15, strength) for strength in (1.0, 10.0))
    responses = Responses(sharp, soft)
    assert (model.learned_peaks(responses, 9).keypoints.centers - torch.tensor([38.0, 38.0])).norm(dim=-1).min() > 6
    others = faint_peaks(model, responses, 1, 3).keypoints.centers
    assert (others - torch.tensor([38.0, 38.0])).norm(dim=-1).min() < 3
