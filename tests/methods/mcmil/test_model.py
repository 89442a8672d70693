import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import boxless
from boxless.data.cifar import CLASS_NAMES
from boxless.engine.recipe import read_recipe
from boxless.errors import BoxlessError
from boxless.methods.mcmil.config import McmilConfig
from boxless.methods.mcmil.model import McmilDetector, McmilOutput, layers_of
from boxless.nets.convolutional import geometry, least_side
from boxless.ops.likelihood import label_set_log_likelihood

NAMES = ("dim", "fair", "bright")
LEVELS = (0.3, 0.6, 0.9)  # of the pixels of each class
STEP, FIRST = 2, 10  # of the paper's network


class Levels(nn.Module):
    """A network that names the brightness of the pixel in the middle of what a place sees."""

    def __init__(self, config: McmilConfig) -> None:
        super().__init__()
        self.layers = layers_of(config)
        self.weight = nn.Parameter(torch.zeros(()))  # a model is asked for the device of one

    def forward(self, images: Tensor) -> Tensor:
        rows, columns = ((side - least_side(self.layers)) // STEP + 1 for side in images.shape[2:])
        seen = images[:, :1, FIRST : FIRST + STEP * rows : STEP, FIRST : FIRST + STEP * columns : STEP]
        levels = torch.tensor([*LEVELS, 0.0]).view(1, -1, 1, 1)
        return -400 * (seen - levels).square()


@pytest.fixture
def model() -> McmilDetector:
    detector = McmilDetector(McmilConfig(class_names=NAMES)).eval()
    assert (geometry(detector.layers).first, geometry(detector.layers).step) == (FIRST, STEP)
    detector.network = Levels(detector.config)  # type: ignore[assignment]
    return detector


def picture(*spots: tuple[int, int, int], height: int = 60, width: int = 100) -> Tensor:
    """Black, with 3×3 pixels of the level of a class around each (x, y, class)."""
    image = torch.zeros(1, height, width)
    for x, y, label in spots:
        image[0, y - 1 : y + 2, x - 1 : x + 2] = LEVELS[label]
    return image


def test_instances_lie_where_the_image_shows_them(model: McmilDetector) -> None:
    spots = [(20, 14, 2), (70, 40, 0), (42, 40, 1), (82, 14, 2)]
    found = model.detect(picture(*spots))
    assert {(*c, int(n)) for c, n in zip(found.centers.tolist(), found.labels, strict=True)} == {
        (float(x), float(y), n) for x, y, n in spots
    }
    assert (found.sizes == 20).all()
    assert (found.scores > 0.9).all()
    assert found.image_size == (60, 100)


def test_the_number_and_the_score_can_be_asked_for(model: McmilDetector) -> None:
    image = picture((20, 14, 2), (70, 40, 0), (42, 40, 1))
    image[0, 39:42, 19:22] = 0.148  # a little more background than "dim"
    sure, some, all_of_them = model.detect(image), model.detect(image, k=2), model.detect(image, threshold=0.2)
    assert (len(sure), len(some), len(all_of_them)) == (3, 2, 4)
    assert len(model.detect(image, threshold=0.999)) == 3


def test_images_read_as_a_whole(model: McmilDetector) -> None:
    images = [picture((20, 14, 2), (70, 40, 2)), picture((20, 14, 0), (42, 40, 1)), picture()]
    assert model.classes_in(images) == [(2,), (0, 1), ()]
    assert model.classify(images[:1]).tolist() == [2]


def test_characters_are_read_along_their_line_and_repeats_stay(model: McmilDetector) -> None:
    across = picture((20, 20, 1), (40, 24, 1), (60, 30, 0), (80, 34, 2))
    down = picture((30, 20, 2), (32, 40, 0), (28, 60, 0), height=90)
    assert model.transcribe([across, down]) == [(1, 1, 0, 2), (2, 0, 0)]
    assert model.transcribe([across], by_columns=True) == [(1, 1, 0, 2)]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 40), (40, 5), (20, 21)])
def test_images_smaller_than_what_a_place_sees(height: int, width: int) -> None:
    torch.manual_seed(0)
    detector = McmilDetector(McmilConfig(class_names=NAMES)).eval()
    found = detector.detect(np.full((height, width), 0.5, np.float32), k=3)
    assert np.isfinite(found.centers).all()
    assert detector.points(torch.zeros(1, 2), torch.zeros(1, 1, 28, 28)).tolist() == [[10, 10]]


def test_a_place_of_a_padded_image_lies_in_the_image_itself(model: McmilDetector) -> None:
    small = torch.zeros(1, 1, 60, 5)
    margin = (math.ceil((21 - 5) / 2), 0)
    assert model._margins(small) == margin
    assert model.points(torch.tensor([[0.0, 3.0]]), small).tolist() == [[10.0 - margin[0], 16.0]]


def test_what_the_output_says_is_by_brute_force() -> None:
    logits = torch.randn(2, 4, 2, 3, generator=torch.Generator().manual_seed(0))
    output = McmilOutput(logits.log_softmax(1), logits)
    p = output.probabilities.double()
    for image in range(2):
        for c in range(3):
            own = p[image, c].flatten()
            assert output.presence()[image, c].item() == pytest.approx(1 - (1 - own).prod().item(), rel=1e-5)
            assert output.class_means()[image, c].item() == pytest.approx(own.mean().item(), rel=1e-5)
    # eq. 13 differs from the likelihood of {c} by α_φ alone, which is the same for all classes
    sets = torch.eye(3, dtype=torch.bool)
    exact = torch.stack([label_set_log_likelihood(output.log_probs, sets[c].expand(2, 3)) for c in range(3)], dim=1)
    nothing = output.log_probs[:, -1:].double().sum((2, 3))
    torch.testing.assert_close(torch.logaddexp(exact, nothing), output.class_log_likelihoods())


def test_a_map_of_the_papers_sizes() -> None:
    config = McmilConfig(class_names=tuple("0123456789"))
    detector = McmilDetector(config)
    assert detector(torch.zeros(1, 1, 28, 28)).log_probs.shape == (1, 11, 4, 4)
    assert sum(p.numel() for p in detector.parameters()) == pytest.approx(0.43e6, rel=0.01)
    single = McmilDetector(McmilConfig(class_names=config.class_names, paddings=(2, 1, 2, 0, 0, 0)))
    assert single(torch.zeros(1, 1, 28, 28)).log_probs.shape == (1, 11, 1, 1)


def test_saved_and_loaded_it_finds_the_same(tmp_path: Path, exact: None) -> None:
    torch.manual_seed(0)
    detector = McmilDetector(
        McmilConfig(class_names=NAMES, widths=(4, 4), strides=(1, 2, 1), paddings=(2, 2, 0))
    ).eval()
    detector.save(tmp_path)
    image = torch.rand(1, 40, 50)
    again = boxless.load(tmp_path)
    assert isinstance(again, McmilDetector)
    assert np.array_equal(again.detect(image, k=5).centers, detector.detect(image, k=5).centers)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"widths": (4, 4)}, "one value more than the 2 widths"),
        ({"kernel": 4}, "odd side"),
        ({"paddings": (2, 2, 2, 1, 0, 5)}, "paddings from 0 to below the kernel"),
        ({"class_names": ("a", "a")}, "class_names"),
        ({"object_size": 0.0}, "object_size"),
        ({"channels": 2}, "channels"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        McmilConfig(**({"class_names": NAMES} | given))  # type: ignore[arg-type]


def test_the_class_map_shows_each_place_at_its_pixel(model: McmilDetector) -> None:
    image = picture((20, 14, 2), (70, 40, 0), height=62)
    seen = model.class_map(image[None])[0]
    assert seen.shape == (3, 62, 100)
    places = model(image[None]).probabilities[0, :-1]
    for row, column in ((0, 0), (2, 5), (15, 30), (3, 9)):
        torch.testing.assert_close(seen[:, FIRST + STEP * row, FIRST + STEP * column], places[:, row, column])
    assert seen[2, 14, 20] > 0.9
    assert (seen[:, :8] == 0).all()  # no place looks there
    assert (seen[:, :, :8] == 0).all()


@pytest.mark.parametrize("size", [(14, 14), (14, 28), (28, 14)])
def test_the_class_map_of_a_single_row_or_column_fades_beyond_it(size: tuple[int, int]) -> None:
    model = McmilDetector(McmilConfig(class_names=CLASS_NAMES))
    image = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    probabilities = model(image).probabilities[0, :-1]
    assert min(probabilities.shape[1:]) == 1
    seen = model.class_map(image)[0]
    x, y = model.points(torch.zeros(1, 2), image)[0].round().int().tolist()
    torch.testing.assert_close(seen[:, y, x], probabilities[:, 0, 0])
    assert (seen[:, 0] == 0).all()  # no place looks there
    assert (seen[:, :, 0] == 0).all()


@pytest.mark.parametrize(("recipe", "side"), [("mcmil-cifar10", 4), ("mcmil-cifar10-cross-entropy", 1)])
def test_the_papers_networks_for_cifar10(recipe: str, side: int) -> None:
    """P has the shape (11, 4, 4), that of the twin (11, 1, 1), and both have about 2.7 million coefficients."""
    model = McmilDetector(McmilConfig(class_names=CLASS_NAMES, **read_recipe(recipe).model))
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert model(torch.zeros(1, 3, 32, 32)).log_probs.shape == (1, 11, side, side)
    assert abs(weights / 2.7e6 - 1) < 0.02


def test_a_centered_network_sees_mid_grey_as_zero() -> None:
    """So an image of mid grey has no border, however the map is padded."""
    torch.manual_seed(0)
    detector = McmilDetector(McmilConfig(class_names=NAMES, centered=True)).eval()
    logits = detector(torch.full((1, 1, 40, 52), 0.5)).logits
    torch.testing.assert_close(logits, logits[:, :, :1, :1].expand_as(logits), rtol=0, atol=1e-5)
    small = detector(torch.full((1, 1, 9, 9), 0.5)).logits  # padded to what a place sees
    torch.testing.assert_close(small[:, :, :1, :1], logits[:, :, :1, :1], rtol=0, atol=1e-5)
    assert (detector(torch.zeros(1, 1, 40, 52)).logits[0, :, 0, 0] != logits[0, :, 0, 0]).all()


def test_a_softmax_of_the_map_sums_to_one_over_classes_and_places() -> None:
    torch.manual_seed(0)
    detector = McmilDetector(McmilConfig(class_names=NAMES, softmax="map")).eval()
    output = detector(torch.rand(2, 1, 40, 52))
    torch.testing.assert_close(output.probabilities.sum((1, 2, 3)), torch.ones(2))
    own = output.logits.exp() / output.logits.exp().sum((1, 2, 3), keepdim=True)
    torch.testing.assert_close(output.probabilities, own)


def test_the_likeliest_classes_are_as_many_as_are_asked_for(model: McmilDetector) -> None:
    images = [picture((20, 14, 2), (70, 40, 0)), picture((42, 40, 1)), picture()]
    assert model.likeliest_in(images, [2, 1, 0]) == [(0, 2), (1,), ()]


def test_an_image_teaches_no_more_classes_than_the_exact_likelihood_takes() -> None:
    many = McmilDetector(McmilConfig(class_names=tuple(f"c{number}" for number in range(30))))
    assert many.most_classes((200, 200)) == 20


@pytest.mark.parametrize("ask", ["classify", "classes_in", "transcribe"])
def test_one_image_is_not_taken_for_a_list_of_its_rows(ask: str) -> None:
    model = McmilDetector(McmilConfig(class_names=("a", "b")))
    with pytest.raises(BoxlessError, match=r"give \[image\]"):
        getattr(model, ask)(np.zeros((80, 80, 3), np.uint8))
    assert len(getattr(model, ask)([np.zeros((80, 80), np.uint8)])) == 1
