"""Keypoints decoded each on its own."""

import numpy as np
import pytest
import torch

from boxless.methods.tusk.alone import layers_alone, prototypes_alone
from boxless.methods.tusk.model import Keypoints
from tests.methods.tusk.small import small_model


def image() -> torch.Tensor:
    return torch.rand(1, 20, 24, generator=torch.Generator().manual_seed(1))


def test_a_prototype_is_the_only_keypoint_with_its_object_in_the_middle() -> None:
    model = small_model(prototypes=20)
    model.offset_of[17] = torch.tensor([2.0, -3.0])
    alone = prototypes_alone(model, (20, 24), score=0.5).images
    assert alone.shape == (20, 20, 24, 1)
    for number, place in ((0, (11.5, 9.5)), (17, (9.5, 12.5))):
        middle = Keypoints(torch.tensor([[place]]), torch.tensor([[0.5]]), torch.zeros(1), torch.ones(1))
        with torch.inference_mode():
            expected = model.decode(middle, model.prototypes[number].view(1, 1, -1), (20, 24)).image[0, 0]
        np.testing.assert_allclose(alone[number, :, :, 0], expected, atol=1e-5)


def test_layers_blend_to_the_image_that_is_rebuilt() -> None:
    model = small_model(masks=True)
    alone = layers_alone(model, image())
    assert alone.alphas is not None
    shared = np.maximum(alone.alphas.sum(axis=0), 1)
    with torch.inference_mode():
        rebuilt = model(image()[None]).image[0]
    np.testing.assert_allclose((alone.images.sum(axis=0) / shared[..., None])[..., 0], rebuilt[0], atol=1e-5)


@pytest.mark.parametrize("masks", [False, True])
def test_only_a_model_with_masks_tells_how_opaque_it_is(masks: bool) -> None:
    assert (prototypes_alone(small_model(masks=masks), (16, 16), 1.0).alphas is not None) == masks
