"""Where objects lie from their keypoints: a decoder that draws aside is seen through."""

import pytest
import torch
from torch import Tensor, nn

from boxless.methods.tusk.contents import content_sums, offsets_of
from boxless.methods.tusk.model import Keypoints, Tusk
from tests.methods.tusk.small import small_model

pytestmark = pytest.mark.usefixtures("exact")

PLACES = torch.tensor([[[10.0, 8.0], [30.0, 9.0], [21.0, 26.0]], [[8.0, 25.0], [33.0, 22.0], [22.0, 6.0]]])
SIZE = (34, 44)


class Aside(nn.Module):
    """Draws what each channel of the map says at its own distance, x and y, from there."""

    def __init__(self, shifts: list[tuple[int, int]]) -> None:
        super().__init__()
        self.shifts = shifts

    def forward(self, maps: Tensor) -> Tensor:
        drawn = [maps[:, c].roll((y, x), dims=(1, 2)) for c, (x, y) in enumerate(self.shifts)]
        return 4 * torch.stack(drawn, dim=1).clamp_min(0).sum(dim=1, keepdim=True) - 4


def drawing_aside(shifts: list[tuple[int, int]]) -> tuple[Tusk, Keypoints]:
    """The first prototypes are the first axes; the keypoints of both images are of the prototypes 0, 1 and 0."""
    model = small_model(object_size=8.0)
    model.decoder = Aside(shifts)  # type: ignore[assignment]
    axes = torch.eye(6)
    with torch.no_grad():
        model.prototypes.copy_(axes[:4])
    features = axes[torch.tensor([0, 1, 0])].expand(2, -1, -1)
    return model, Keypoints(PLACES, torch.full((2, 3), 0.9), features, torch.ones(2, 3, dtype=torch.bool))


def test_the_middle_of_what_is_drawn_is_where_it_was_drawn() -> None:
    model, found = drawing_aside([(5, -2), (-3, 1)])
    offsets = offsets_of(content_sums(model, found, SIZE))
    torch.testing.assert_close(offsets[:2], torch.tensor([[5.0, -2.0], [-3.0, 1.0]]), rtol=0, atol=1e-4)


def test_what_lies_farther_than_an_object_is_another_s() -> None:
    model, found = drawing_aside([(9, 0), (2, 2)])
    assert content_sums(model, found, SIZE)[0, 2] < 1e-9 < content_sums(model, found, SIZE)[1, 2]


def test_a_prototype_that_draws_nothing_takes_the_offset_of_all() -> None:
    sums = torch.tensor([[6.0, -3.0, 3.0], [0.0, 0.0, 0.0], [0.0, 5.0, 1.0]])
    torch.testing.assert_close(offsets_of(sums), torch.tensor([[2.0, -1.0], [1.5, 0.5], [0.0, 5.0]]))
    assert torch.equal(offsets_of(torch.zeros(2, 3)), torch.zeros(2, 2))


def test_keypoints_that_are_none_do_not_count() -> None:
    model, found = drawing_aside([(5, -2), (-3, 1)])
    valid = torch.tensor([[True, True, False], [False, True, False]])
    some = content_sums(model, found._replace(valid=valid), SIZE)
    whole = content_sums(model, found, SIZE)
    torch.testing.assert_close(some[:2, 2], whole[:2, 2] * torch.tensor([1 / 4, 1.0]))


def test_detected_boxes_lie_around_what_is_drawn_and_within_the_image() -> None:
    model, _ = drawing_aside([])
    before = model.detect(torch.rand(1, 30, 40, generator=torch.Generator().manual_seed(0)), k=4)
    model.offset_of += torch.tensor([100.0, -2.0])
    after = model.detect(torch.rand(1, 30, 40, generator=torch.Generator().manual_seed(0)), k=4)
    assert after.centers[:, 0].tolist() == [39.0] * len(after)
    assert after.centers[:, 1] == pytest.approx((before.centers[:, 1] - 2).clip(0))
