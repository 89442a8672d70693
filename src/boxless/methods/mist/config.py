"""What a MIST model is (plain values, saved beside the weights), and how it is trained.

Imports nothing heavy: the command line makes its options of these.
"""

from dataclasses import dataclass
from typing import Literal

from boxless.methods.schedule import OptimizerName, warm_cosine

MOST_BLOCKS = 64  # of a heatmap network: a model's file may say anything


@dataclass(frozen=True, kw_only=True)
class MistConfig:
    """The heatmap network and the extractor, which all tasks share.

    Attributes:
        class_names: name of each class, by id; background is not among them.
        instances: K, the patches taken from an image.
        channels: of the images, 1 or 3.
        object_size: side of the box of an object, in pixels of the image that the network sees; with several scales
            of an object of scale 1.
        scales: sides of the boxes looked for, as factors on ``object_size``, rising; sizes between them are told from
            how strongly each scale responds. The image is resized by the inverse of each, for one network.
        scale_pooling: how the responses of several scales become one heatmap: "softmax" (2021), or "sum", each response
            divided by the sum over scale, and the highest taken (2018).
        max_side: images are shrunk so that their longer side is at most this, in pixels; None leaves them.
        shrink: factor on the sides of all images, above 0 and at most 1.
        patch_size: samples along each side of a patch; twice for each level of the network that sees it.
        heatmap_channels: of the heatmap network.
        heatmap_blocks: residual blocks of the heatmap network.
        softmax_size: window of the local softmax, in pixels of the image as a scale sees it.
        softmax_strength: factor on the scores in the local softmax that is learned.
        peak_strength: the same where peaks are looked for. In the paper it is the same; lower, an object beside a
            stronger one still stands out.
        suppression_size: window of the non-maximum suppression, in pixels; nearly twice the least distance at which
            two objects lie. A window of the object's size keeps two peaks off one object.
        border: peaks lie at least so far from the border, in pixels of the image as a scale sees it; what is cut off by
            half is no object.
        refine_size: window of the sub-pixel soft-argmax, in pixels; 1 leaves peaks on whole pixels.
    """

    class_names: tuple[str, ...]
    instances: int = 9
    channels: int = 1
    object_size: float = 20.0
    scales: tuple[float, ...] = (1.0,)
    scale_pooling: Literal["softmax", "sum"] = "softmax"
    max_side: int | None = None
    shrink: float = 1.0
    patch_size: int = 32
    heatmap_channels: int = 32
    heatmap_blocks: int = 4
    softmax_size: int = 15
    softmax_strength: float = 10.0
    peak_strength: float = 1.0
    suppression_size: int = 19
    border: int = 5
    refine_size: int = 1

    @property
    def largest_object(self) -> float:
        """Side of the largest box, in pixels."""
        return self.object_size * self.scales[-1]

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (RGB), not {self.channels}.")
        if self.instances < 1 or not self.class_names:
            raise ValueError("a model needs at least one instance an image and one class name.")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"class_names must differ, not be {', '.join(self.class_names)}.")
        if self.heatmap_channels < 1 or not 1 <= self.heatmap_blocks <= MOST_BLOCKS:
            raise ValueError(f"heatmap_channels are at least 1, and heatmap_blocks from 1 to {MOST_BLOCKS}.")
        if not self.object_size > 0 or (self.max_side is not None and self.max_side < 1) or self.border < 0:
            raise ValueError("object_size is above 0 pixels, max_side at least 1, and border not negative.")
        if not 0 < self.shrink <= 1:
            raise ValueError(f"shrink is a factor above 0 and at most 1, not {self.shrink}.")
        if not min(self.softmax_strength, self.peak_strength) > 0:
            raise ValueError("softmax_strength and peak_strength are factors above 0.")
        rising = all(low < high for low, high in zip(self.scales, self.scales[1:], strict=False))
        if not self.scales or not self.scales[0] > 0 or not rising:
            raise ValueError(f"scales are factors above 0 that rise, as {list(self.scales)} do not.")
        if self.scale_pooling == "sum" and len(self.scales) == 1:
            raise ValueError('scale_pooling "sum" divides by the sum over scales, and needs more than one of them.')
        for name in ("softmax_size", "suppression_size", "refine_size"):
            if getattr(self, name) < 1 or getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} is a window with an odd side of at least 1 pixel, not {getattr(self, name)}.")

    def _check_levels(self, name: str, channels: tuple[int, ...]) -> None:
        """That a patch ends as one pixel, after 2×2 pooling at each level."""
        if min(channels, default=0) < 1:
            raise ValueError(f"each of {name} is at least 1.")
        if self.patch_size != 2 ** len(channels):
            raise ValueError(
                f"patch_size must be {2 ** len(channels)} for {len(channels)} levels of {name}, not {self.patch_size}."
            )


@dataclass(frozen=True, kw_only=True)
class MistClassifierConfig(MistConfig):
    """A MIST classifier.

    Attributes:
        background: one more output of the classifier, for patches without an object; needed where images hold
            fewer than K objects.
        classifier_channels: of each level of the classifier.
    """

    background: bool = False
    classifier_channels: tuple[int, ...] = (8, 16, 32, 64, 128)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_levels("classifier_channels", self.classifier_channels)


@dataclass(frozen=True, kw_only=True)
class MistReconstructorConfig(MistConfig):
    """A MIST auto-encoder of patches.

    Attributes:
        class_names: what to call what is found; it has one class.
        encoder_channels: of each level of the auto-encoder, down and up again.
        signed: patches may be darker than the image's background too, as in a texture; else only brighter.
    """

    class_names: tuple[str, ...] = ("object",)
    encoder_channels: tuple[int, ...] = (8, 16, 32, 64, 128)
    signed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_levels("encoder_channels", self.encoder_channels)
        if len(self.class_names) != 1:
            raise ValueError(f"a reconstruction knows no classes; give one name, not {', '.join(self.class_names)}.")


@dataclass(frozen=True, kw_only=True)
class HeatmapTrainingConfig:
    """How a heatmap network and a task network are trained.

    Attributes:
        optimizer: of both networks: "adam", as in the release; or "muon", for the kernels of convolutions by Muon and
            the rest by Adam, see ``boxless.engine.optimizers``. From counts alone it learns to tell classes far later.
        heatmap_rate: Adam's learning rate for the heatmap network.
        task_rate: Adam's learning rate for the task network.
        warmup: steps over which both rates rise from zero.
        decay: share of the training, at its end, over which both rates fall to zero along a cosine.
        jitter: standard deviation of a shift of each patch off its place, in sides of its box: the task network sees
            objects off the middle, as it will where a peak is not quite right. Not with ``keypoint_step`` "gradient".
        size_jitter: the same with several scales, standard deviation of the logarithm of a factor on the side of each
            patch.
        target_sigma: standard deviation of the heatmap's targets, in pixels of the image as a scale sees it; 0 for
            single pixels, as in the paper.
        averaging: the model that is kept is the exponential average of the weights with this decay; 0 for the last.
    """

    optimizer: OptimizerName = "adam"
    heatmap_rate: float = 1e-3
    task_rate: float = 1e-3
    warmup: int = 50
    decay: float = 0.5
    jitter: float = 0.03
    size_jitter: float = 0.1
    target_sigma: float = 1.0
    averaging: float = 0.998

    def __post_init__(self) -> None:
        for name in ("heatmap_rate", "task_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is a learning rate above 0, not {getattr(self, name)}.")
        for name in ("warmup", "jitter", "size_jitter", "target_sigma"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not negative, as {getattr(self, name)} is.")
        if not 0 <= self.decay <= 1 or not 0 <= self.averaging < 1:
            raise ValueError("decay is a share in [0, 1], and averaging in [0, 1).")

    def rate_factor(self, step: int, steps: int) -> float:
        """Factor on the learning rates at a step (from 0) of a training of so many."""
        return warm_cosine(step, steps, self.warmup, self.decay)


@dataclass(frozen=True, kw_only=True)
class MistTrainingConfig(HeatmapTrainingConfig):
    """Algorithm 1, which all tasks share.

    Attributes:
        keypoint_step: "registration" slides the decoded patches to where they rebuild the image, and needs no further
            pass through a network; "gradient" is the paper's: plain gradient descent on the task loss.
        keypoint_rate: for "registration" the length of the moves of a batch, in pixels; for "gradient" the rate for the
            loss of one sample (the release's 1e4 for a mean over 32 samples is 312.5).
        keypoint_steps: moves of the keypoints a batch; those of a registration are together as long as its rate.
        task_first: with "gradient", train the task network on the detected keypoints, and move them afterwards, as
            algorithm 1 is printed; else on the moved ones (the release). A registration always comes after, as it moves
            what the task decoded.
        candidates: with "registration", peaks beside the K that are judged too; all become targets of the heatmap by
            what they are worth (see ``boxless.methods.mist.worth``).
        trust: a sample's heatmap loss is weighted by exp(−trust · its task loss).
    """

    keypoint_step: Literal["registration", "gradient"] = "registration"
    keypoint_rate: float = 0.7
    keypoint_steps: int = 1
    task_first: bool = False
    candidates: int = 3
    trust: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keypoint_steps < 1:
            raise ValueError(f"keypoint_steps is at least 1, not {self.keypoint_steps}.")
        if self.task_first and self.keypoint_step == "registration":
            raise ValueError('task_first is a choice for keypoint_step "gradient" alone.')
        for name in ("keypoint_rate", "candidates", "trust"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not negative, as {getattr(self, name)} is.")


@dataclass(frozen=True, kw_only=True)
class MistReconstructorTrainingConfig(MistTrainingConfig):
    """How a MIST auto-encoder is trained: by Muon, with which it needs less than half of the steps."""

    optimizer: OptimizerName = "muon"


@dataclass(frozen=True, kw_only=True)
class MistClassifierTrainingConfig(MistTrainingConfig):
    """How a MIST classifier is trained.

    Attributes:
        task_loss: of the shares of the classes: "squares" (2021, eq. 9) or "cross-entropy" (2018, eq. 7).
        reconstruction: weight of the reconstruction of the image from the patches.
    """

    task_loss: Literal["squares", "cross-entropy"] = "squares"
    reconstruction: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keypoint_step == "registration" and not self.reconstruction > 0:
            raise ValueError('keypoint_step "registration" needs a weight of reconstruction above 0.')
        if self.reconstruction < 0:
            raise ValueError(f"reconstruction is not negative, as {self.reconstruction} is.")
