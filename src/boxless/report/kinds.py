"""The sections of what a model discovers: its kinds of objects, and landmarks regressed from its keypoints."""

from boxless.report.contents import Kinds, MarkedImage, Report
from boxless.report.keypoints import draw_kinds, draw_landmarks
from boxless.report.kind_plots import plot_counts, plot_map
from boxless.report.markup import embedded_picture, embedded_plot, head, note, number, percent, section, table, text
from boxless.report.pictures import draw_image

THUMBNAIL = 96  # pixels: the longer side of a prototype's picture, at least
COLLAGE_SIDE = 1400


def kinds(report: Report) -> str:
    """Each prototype decoded to an image, how much it holds, and the map of the descriptors."""
    found = report.kinds
    if found is None:
        return ""
    bars = embedded_plot(lambda dark: plot_counts(found.counts, found.names, dark), "Share of each kind")
    parts = [
        note("Each prototype as the only keypoint of an empty image, decoded; and its share of the keypoints."),
        f'<div class="kinds">{"".join(_kind(found, kind) for kind in range(len(found.counts)))}</div>',
        "<h3>Keypoints of each kind</h3>",
        f'<div class="plot">{bars}</div>',
    ]
    if found.places is not None:
        drawn = embedded_plot(lambda dark: plot_map(found, dark), "Map of descriptors and prototypes")
        parts += [
            "<h3>Descriptors and prototypes</h3>",
            note(
                f"{len(found.places):,} descriptors, drawn so that near ones are alike (t-SNE). Colour: the true "
                "class where it is known, else the nearest prototype. Crosses: prototypes."
            ),
            f'<div class="plot">{drawn}</div>',
        ]
    return section("Kinds", *parts)


def _kind(found: Kinds, kind: int) -> str:
    picture = found.pictures[kind]
    share = found.counts[kind] / max(found.counts.sum(), 1)
    scale = max(1, -(-THUMBNAIL // max(picture.shape[:2])))
    name = f"kind {kind}" + (f": {found.names[kind]}" if found.names[kind] else "")
    drawn = embedded_picture(draw_image(picture, scale=scale), f"{name}, decoded")
    return f"<figure>{drawn}<figcaption><b>{text(name)}</b><br>{percent(share)}</figcaption></figure>"


def landmarks(report: Report) -> str:
    """The errors of the landmarks, some images with them, and several images in one."""
    found = report.landmarks
    if found is None:
        return ""
    rows = [[head(name), number(percent(error, digits=2), "ours")] for name, error in found.measures.items()]
    cards = "".join(_card(image) for image in found.images)
    parts = [
        note("Errors are means over landmarks and images, over the scale of each image: its eyes' distance, or side."),
        table(["landmarks", "error"], rows),
        note(
            "Left: keypoints, by the number and colour of their kind. Right: landmarks that are regressed from them "
            "(green), as they are (yellow), and the way between. From good to bad."
        ),
        f'<div class="grid wide">{cards}</div>',
    ]
    if found.collage is not None:
        scale = max(1, COLLAGE_SIDE // max(found.collage.image.shape[:2]))
        picture = draw_kinds(found.collage.image, found.collage.keypoints, scale)
        parts += [
            "<h3>Several images in one</h3>",
            note(f"The same model, asked for {len(found.collage.keypoints)} keypoints."),
            embedded_picture(picture, "several images in one, with keypoints by kind"),
        ]
    return section("Landmarks", *parts)


def _card(image: MarkedImage) -> str:
    left = embedded_picture(draw_kinds(image.image, image.keypoints), f"keypoints of {image.name}")
    if image.predicted is not None:
        left += embedded_picture(draw_landmarks(image.image, image.predicted, image.true), f"landmarks of {image.name}")
    error = "" if image.error is None else f"<br>error {percent(image.error)}"
    return f'<figure><div class="pair">{left}</div><figcaption><b>{text(image.name)}</b>{error}</figcaption></figure>'
