"""What a model discovers, in pictures: kinds, layers and landmarks."""

from dataclasses import replace

import numpy as np
import pytest
from tests.methods.tusk.small import small_model

from boxless.engine.evaluation import evaluate
from boxless.engine.recipe import DataConfig
from boxless.instances import Instances
from boxless.report.colors import Mark, kind_color
from boxless.report.contents import Kinds, LandmarkPictures, Layers, MarkedImage, Report
from boxless.report.discovered import kinds_of
from boxless.report.evaluation import report_of
from boxless.report.html import render_report
from boxless.report.keypoints import draw_kinds, draw_landmarks, draw_owners
from boxless.report.kind_plots import plot_counts, plot_map, tsne

DIGITS = tuple("0123456789")


def kinds(**given: object) -> Kinds:
    rng = np.random.default_rng(0)
    settings = {
        "names": ["", "seven"],
        "counts": np.array([3, 1]),
        "pictures": rng.random((2, 8, 8, 1)),
        "places": rng.normal(size=(12, 2)),
        "groups": np.array([0, 1, -1] * 4),
        "group_names": ["one", "two"],
        "centers": rng.normal(size=(2, 2)),
    }
    return Kinds(**(settings | given))  # type: ignore[arg-type]


def places_of(picture: np.ndarray, color: tuple[int, int, int]) -> list[float]:
    """The middle of all pixels of a colour, as x and y in shares of the picture."""
    rows, columns = np.nonzero((picture == color).all(axis=-1))
    return [(columns.mean() + 0.5) / picture.shape[1], (rows.mean() + 0.5) / picture.shape[0]]


def test_a_keypoint_is_a_disc_in_its_place_and_colour() -> None:
    found = Instances([[9.5, 4.5], [34.5, 14.5]], [[4, 4]] * 2, labels=[1, 12])
    picture = np.asarray(draw_kinds(np.zeros((20, 40)), found))
    assert places_of(picture, kind_color(1)) == pytest.approx([10 / 40, 5 / 20], abs=0.01)
    assert places_of(picture, kind_color(12)) == pytest.approx([35 / 40, 15 / 20], abs=0.01)


def test_forty_kinds_have_forty_colours() -> None:
    assert len({kind_color(kind) for kind in range(40)}) == 40


def test_landmarks_are_dots_green_as_predicted_and_yellow_as_they_are() -> None:
    ours, theirs = np.array([[9.5, 4.5]]), np.array([[29.5, 14.5]])
    picture = np.asarray(draw_landmarks(np.zeros((20, 40, 3)), ours, theirs))
    assert places_of(picture, Mark.RIGHT.value) == pytest.approx([10 / 40, 5 / 20], abs=0.01)
    assert places_of(picture, Mark.MISSED.value) == pytest.approx([30 / 40, 15 / 20], abs=0.02)
    alone = np.asarray(draw_landmarks(np.zeros((20, 40, 3)), ours))
    assert not (alone == Mark.MISSED.value).all(axis=-1).any()


def test_a_pixel_is_the_keypoint_s_that_is_most_opaque_there_if_it_is_enough() -> None:
    alphas = np.zeros((2, 4, 6))
    alphas[0, :, :3], alphas[1, :, 2:4], alphas[1, 0, 5] = 0.7, 0.9, 0.4
    picture = np.asarray(draw_owners(Layers(np.zeros((2, 4, 6, 1)), alphas)))
    scale = picture.shape[1] // 6
    colors = [tuple(picture[scale // 2, scale * column + scale // 2]) for column in range(6)]
    first, second = kind_color(0), kind_color(1)
    assert colors == [first, first, second, second, (0, 0, 0), (0, 0, 0)]


def test_descriptors_of_one_cluster_lie_together_on_the_map_with_their_prototype() -> None:
    rng = np.random.default_rng(0)
    centers = np.eye(3)
    groups = np.arange(60) % 3
    places = tsne(centers[groups] + 0.01 * rng.normal(size=(60, 3)), centers)
    middles = np.stack([places[:60][groups == group].mean(axis=0) for group in range(3)])
    away = np.linalg.norm(places[:, None] - middles, axis=-1)
    assert (away.argmin(axis=1) == [*groups, 0, 1, 2]).all()


def test_the_plots_name_groups_and_kinds() -> None:
    drawn = plot_map(kinds()).decode()
    assert all(name in drawn for name in ("one", "two", "not matched", "prototype"))
    assert "seven" in plot_counts(kinds().counts, kinds().names).decode()


def test_the_report_shows_each_kind_with_its_share_and_a_text_alternative() -> None:
    page = render_report(Report("x", kinds=kinds(names=["", "<seven>"])))
    assert 'alt="kind 1: &lt;seven&gt;, decoded"' in page
    assert "75.0 %" in page
    assert "25.0 %" in page
    assert 'alt="Map of descriptors and prototypes"' in page
    assert "Map of" not in render_report(Report("x", kinds=kinds(places=None, centers=None)))


def test_the_report_shows_landmarks_their_errors_and_several_images_in_one() -> None:
    found = Instances([[3, 3]], [[2, 2]], labels=[1])
    image = MarkedImage("face.jpg", np.zeros((8, 8, 3)), found, np.ones((2, 2)), np.zeros((2, 2)), 0.05)
    collage = MarkedImage("several", np.zeros((16, 16, 3)), found)
    pictures = LandmarkPictures({"regressed": 0.0512}, [image], collage, 2)
    page = render_report(Report("x", landmarks=pictures))
    for told in ("5.12 %", "error 5.0 %", 'alt="landmarks of face.jpg"', "asked for 1 keypoints"):
        assert told in page, told
    assert "Several images" not in render_report(Report("x", landmarks=replace(pictures, collage=None)))


def test_a_model_s_kinds_hold_what_was_found_and_classes_group_the_map() -> None:
    model = small_model(class_names=DIGITS, prototypes=10, kernel_size=9, object_size=20.0)
    evaluation = evaluate(model, DataConfig(layout="mnist-3", glyphs="digits"), images=6)
    found = kinds_of(evaluation, model)
    assert found is not None
    descriptors = np.concatenate([one.descriptors for one in evaluation.predicted if one.descriptors is not None])
    prototypes = model.prototypes.detach().numpy()
    nearest = np.linalg.norm(descriptors[:, None] - prototypes, axis=-1).argmin(axis=1)
    assert found.counts.tolist() == np.bincount(nearest, minlength=10).tolist()
    assert (tuple(found.group_names), found.names) == (DIGITS, list(DIGITS))
    assert found.pictures.shape == (10, 40, 40, 1)
    assert found.places is not None
    assert len(found.places) == len(found.groups) == len(descriptors)


def test_an_example_of_a_model_with_masks_has_kinds_a_synthesis_and_layers() -> None:
    model = small_model(channels=3, masks=True, prototypes=5)
    evaluation = evaluate(model, DataConfig(layout="sprites", glyphs="digits"), images=2)
    report = report_of(evaluation, model, "sprites", pictures=1)
    (example,) = report.examples
    assert example.layers is not None
    assert len(example.layers.alphas) == 3
    page = render_report(report)
    for told in ("kinds of scene 0", "synthesis of scene 0", "masks of scene 0", "layers of scene 0"):
        assert f'alt="{told}' in page, told
