import itertools

import matplotlib
import numpy as np
import pytest

from boxless.report.colors import (
    BLACK,
    CLASS_COLORS,
    WHITE,
    Color,
    Mark,
    class_color,
    css,
    inferno,
    luminance,
    text_color,
)


def contrast(first: Color, second: Color) -> float:
    """WCAG 2: 1 to 21."""
    darker, lighter = sorted([luminance(first), luminance(second)])
    return (lighter + 0.05) / (darker + 0.05)


def test_inferno_is_matplotlibs_but_for_a_few_levels() -> None:
    places = np.linspace(0, 1, 256)
    theirs = np.array(matplotlib.colormaps["inferno"](places))[:, :3]
    assert np.abs(inferno(places) - theirs).max() < 8 / 255


def test_inferno_becomes_lighter_all_the_way() -> None:
    levels = [luminance(tuple((255 * color).tolist())) for color in inferno(np.linspace(0, 1, 50))]
    assert levels == sorted(levels)
    assert levels[-1] - levels[0] > 0.9


@pytest.mark.parametrize("color", CLASS_COLORS)
def test_letters_on_every_class_color_can_be_read(color: Color) -> None:
    written = text_color(color)
    assert contrast(written, color) >= 4
    assert contrast(written, color) == max(contrast(BLACK, color), contrast(WHITE, color))


def test_marks_differ_for_eyes_that_see_no_red_or_no_green() -> None:
    # Viénot, Brettel and Mollon (1999): linear RGB as a protanope and as a deuteranope sees it.
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    for seen_as in (protan, deutan):
        seen = [(seen_as @ (np.array(mark.value) / 255) ** 2.2).clip(0) ** (1 / 2.2) for mark in Mark]
        for first, second in itertools.combinations(seen, 2):
            assert np.abs(first - second).max() > 0.15


def test_classes_beyond_the_palette_begin_anew() -> None:
    assert class_color(len(CLASS_COLORS) + 2) == class_color(2) != class_color(3)


def test_css_is_hexadecimal() -> None:
    assert css((0, 158, 115)) == "#009e73"
