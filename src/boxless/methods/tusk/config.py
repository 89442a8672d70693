"""What a TUSK model is (plain values, saved beside the weights), and how it is trained.

Imports nothing heavy: the command line makes its options of these.
"""

from dataclasses import dataclass
from typing import Literal

from boxless.methods.schedule import warm_cosine


@dataclass(frozen=True, kw_only=True)
class TuskConfig:
    """A TUSK model: keypoints, their descriptors, and the prototypes that these gather around.

    Attributes:
        class_names: name of each class, by id; where the training has no labels, those of the prototypes.
        instances: K, the keypoints taken from an image.
        varying: images may hold fewer than K objects: keypoints of low confidence are left out (section 4.2).
        prototypes: M, the kinds of objects that are told apart.
        channels: of the images, 1 or 3.
        object_size: side of the box of an object, in pixels of the image that the network sees; with masks, boxes are
            those of the masks.
        max_side: images are shrunk so that their longer side is at most this, in pixels; None leaves them.
        shrink: factor on the sides of all images, above 0 and at most 1.
        kernel_size: window of the non-maximum suppression and of the soft-argmax, in pixels; two thirds of an object.
        temperature: of the soft-argmax (eq. 5), at least 0.02.
        descriptor_size: C, numbers of a descriptor.
        net_channels: of each level of the U-Net that encodes, and of the one that decodes.
        variance: of the Gaussian that each keypoint is drawn as, in pixels².
        masks: decode one image with transparency for each keypoint, and blend them (section 3.2).
    """

    class_names: tuple[str, ...] = ()
    instances: int = 9
    varying: bool = True
    prototypes: int = 10
    channels: int = 1
    object_size: float = 20.0
    max_side: int | None = None
    shrink: float = 1.0
    kernel_size: int = 13
    temperature: float = 0.2
    descriptor_size: int = 32
    net_channels: tuple[int, ...] = (32, 64, 128, 256)
    variance: float = 0.05
    masks: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (RGB), not {self.channels}.")
        if min(self.instances, self.prototypes, self.descriptor_size) < 1:
            raise ValueError("instances, prototypes and descriptor_size are at least 1.")
        if min(self.net_channels, default=0) < 1:
            raise ValueError("net_channels has a level, and each of them is at least 1.")
        if not self.object_size > 0 or (self.max_side is not None and self.max_side < 1):
            raise ValueError("object_size is above 0 pixels, and max_side at least 1.")
        if not 0 < self.shrink <= 1:
            raise ValueError(f"shrink is a factor above 0 and at most 1, not {self.shrink}.")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is a window with an odd side of at least 1 pixel, not {self.kernel_size}.")
        if not self.temperature >= 0.02 or not self.variance > 0:
            raise ValueError("temperature is at least 0.02, and variance above 0 pixels².")
        if not self.class_names:
            object.__setattr__(self, "class_names", prototype_names(self.prototypes))
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"class_names must differ, not be {', '.join(self.class_names)}.")

    @property
    def named(self) -> bool:
        """Whether the classes have names of their own, and are not the prototypes."""
        return self.class_names != prototype_names(self.prototypes)


def prototype_names(number: int) -> tuple[str, ...]:
    """What to call kinds of objects of which nothing is known."""
    return tuple(f"kind {index}" for index in range(number))


@dataclass(frozen=True, kw_only=True)
class TuskTrainingConfig:
    """Iterative training (section 3.3); lengths of warps are in halves of the image's shorter side.

    Attributes:
        rate: Adam's learning rate for the encoder and the decoder.
        prototype_rate: Adam's for the prototypes; 0.1 in the paper, for "wasserstein".
        prototype_loss: what the prototypes minimise: "wasserstein" is the sliced distance between the descriptors and
            the mixture around the prototypes (the paper's, eq. 2); "squares" that of each descriptor to its nearest
            prototype (k-means); "mutual-information" what that nearest to a keypoint in I does not tell of that in
            T(I), which the encoder minimises too. The latter two also find them anew where ``cluster_start`` lies.
        prototype_steps: of the prototypes a batch, on the descriptors that its one pass through the encoder gave; 0
            lets encoder, decoder and prototypes learn in one step of all losses (table 4, without iterative training).
        warmup: steps over which the rate rises from zero.
        decay: share of the training, at its end, over which both rates fall to zero along a cosine.
        reconstruction_loss: "squares", or "perceptual", for real images with a background (eq. 1).
        perceptual_network: whose features the perceptual loss compares: "squeezenet"; the paper's "vgg16", for which
            torchvision must be there; or a model of Hugging Face's hub, as "microsoft/resnet-34", for which
            transformers must be.
        cluster_weight: of the k-means loss (eq. 3); 0.01 in the paper, with a tenth of ``cluster_strength``.
        cluster_start: share of the training before which the k-means loss counts for nothing: descriptors that the
            decoder does not draw by yet are told apart by one or two directions alone, and stay so; 0 in the paper.
        information_weight: of the information that the kind of a keypoint in I gives of its kind in T(I), and the
            other way round, which is to grow (Invariant Information Clustering); 0 in the paper. What a warp does not
            change, as which digit it is, then tells descriptors apart, and what it changes, as the slant, does not.
        information_kinds: how many kinds these are: more than objects have, so that a kind may be a part of one, and
            fewer than there are keypoints in a batch; where that cannot be, as with a hundred kinds of tetrominoes, do
            without.
        information_start: share of the training before which the information counts for nothing.
        adversary: what is added to T(I), where the information counts, so that the kinds of its keypoints are mistaken
            (virtual adversarial training): root mean square over the window of an object, of values in [0, 1]. A step
            takes half as long again; 0, as in the paper, does without.
        heatmap_weight: of the equivariance of the heatmap (eq. 4).
        feature_weight: of the equivariance of the feature map (eq. 4), of length 1 at each pixel; the paper's 100 is of
            features that may become short, and here leaves descriptors of one direction.
        cluster_measure: distances of eq. 3: "distance" (the paper's), or "mean-square" over the dimensions (release).
        cluster_strength: factor on them; 1 in the paper, 20 for "mean-square" in the release. The lower, the farther
            the prototypes that a descriptor is pushed away from: at 1 all of them, and descriptors go to few poles.
        centering: take the middle of the features at keypoints off all features, so that descriptors cannot all come
            to point one way; the paper does not.
        projections: directions of the sliced Wasserstein distance.
        mixture_variance: Σ of eq. 6, of each dimension.
        mixture_floor: what is added to each mixture weight (release; 0 in the paper's eq. 7).
        weak_warp: warp each image a little before anything else (release).
        weak_shift: of that warp, uniform in ± this, in x and y. Objects that lie at the same place in all images, as
            centred faces do, need more than the 0.02 of the release: else a decoder, which knows where the border is,
            draws their mean without a look at the keypoints.
        warp_scale: of the warp T of eq. 4, what share of the image's frame is seen; below 1 it looks closer.
        warp_scale_spread: the scale is uniform in scale ± this.
        warp_rotation: in radians; uniform in ± this.
        warp_shift: uniform in ± this, in x and y.
        warp_jitter: of the control points of the thin plate spline, uniform in ± this.
        naming_images: training images, the first of each epoch, by which the confidence is calibrated, and with
            labels also the prototypes named; at most.
        one_to_one: name prototypes so that each class gets one, if there are as many; otherwise each is named by the
            class it meets most often, as the paper names those of objects with attributes.
        centered_boxes: without masks, the box of an object lies around the middle of what its keypoint draws, which is
            seen on training images without labels; the paper's lies around the keypoint.
        averaging: the model that is kept is the exponential average of the weights with this decay; 0 for the last.
    """

    rate: float = 1e-3
    prototype_rate: float = 0.01
    prototype_loss: Literal["wasserstein", "squares", "mutual-information"] = "squares"
    prototype_steps: int = 8
    warmup: int = 50
    decay: float = 0.5
    reconstruction_loss: Literal["squares", "perceptual"] = "squares"
    perceptual_network: str = "squeezenet"
    cluster_weight: float = 0.001
    cluster_start: float = 0.6
    information_weight: float = 0.03
    information_kinds: int = 50
    information_start: float = 0.1
    adversary: float = 0.0
    heatmap_weight: float = 0.01
    feature_weight: float = 0.1
    cluster_measure: Literal["distance", "mean-square"] = "distance"
    cluster_strength: float = 10.0
    centering: bool = True
    projections: int = 100
    mixture_variance: float = 4e-4
    mixture_floor: float = 0.01
    weak_warp: bool = True
    weak_shift: float = 0.02
    warp_scale: float = 0.95
    warp_scale_spread: float = 0.05
    warp_rotation: float = 0.25
    warp_shift: float = 0.01
    warp_jitter: float = 0.1
    naming_images: int = 512
    one_to_one: bool = True
    centered_boxes: bool = True
    averaging: float = 0.998

    def __post_init__(self) -> None:
        for name in ("rate", "prototype_rate", "warp_scale", "cluster_strength"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is above 0, not {getattr(self, name)}.")
        for name in ("projections", "naming_images", "information_kinds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}.")
        for name in NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not negative, as {getattr(self, name)} is.")
        if self.prototype_loss == "mutual-information" and not (self.information_weight and self.prototype_steps):
            raise ValueError(
                'prototype_loss "mutual-information" needs information_weight and prototype_steps above 0.'
            )
        if self.adversary and not self.information_weight:
            raise ValueError("adversary misleads the kinds of the information: it needs information_weight above 0.")
        if not self.warp_scale_spread < self.warp_scale:
            raise ValueError("warp_scale_spread is below warp_scale, so that no warp shows nothing.")
        if not 0 <= self.decay <= 1 or not 0 <= self.averaging < 1:
            raise ValueError("decay is a share in [0, 1], and averaging in [0, 1).")
        for name in ("cluster_start", "information_start"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share in [0, 1], not {getattr(self, name)}.")

    def rate_factor(self, step: int, steps: int) -> float:
        """Factor on the learning rates at a step (from 0) of a training of so many."""
        return warm_cosine(step, steps, self.warmup, self.decay)


NOT_NEGATIVE = (
    "prototype_steps",
    "warmup",
    "cluster_weight",
    "information_weight",
    "adversary",
    "heatmap_weight",
    "feature_weight",
    "mixture_variance",
    "mixture_floor",
    "weak_shift",
    "warp_scale_spread",
    "warp_rotation",
    "warp_shift",
    "warp_jitter",
)
