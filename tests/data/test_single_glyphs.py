import torch

from boxless.data.generators import SCENES, generator_of
from boxless.data.glyphs import load_glyphs
from boxless.data.single_glyphs import SingleGenerator


def test_every_glyph_comes_once_in_order_and_then_again() -> None:
    glyphs = load_glyphs("digits", "test")
    generator = SingleGenerator(glyphs)
    number = len(glyphs.labels)
    batch = generator.compose(torch.arange(number + 2))
    assert torch.equal((batch.images[:number, 0] * 255).round().to(torch.uint8), glyphs.images)
    assert torch.equal(batch.labels[:number, 0], glyphs.labels)
    assert torch.equal(batch.images[number:], batch.images[:2])
    assert batch.centers is not None
    assert batch.centers.unique().tolist() == [13.5]


def test_it_is_a_layout_of_recipes() -> None:
    assert isinstance(generator_of(SCENES["mnist-single"], load_glyphs("digits", "train")), SingleGenerator)
