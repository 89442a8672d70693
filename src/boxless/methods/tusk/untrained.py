"""What a TUSK model is before it has learned: beside it shows what a training is worth."""

import torch

from boxless.data.images import ImageLike, to_tensor
from boxless.data.resize import fit
from boxless.methods.tusk.model import Tusk
from boxless.methods.tusk.prototypes import first_prototypes

LOOKED_AT = 128  # images


@torch.inference_mode()
def untrained(model: Tusk, images: list[ImageLike], seed: int = 0) -> Tusk:
    """A model of the same configuration, with random networks.

    The middle of its features and its prototypes are those that a training on these images would begin with.

    Args:
        model: whose configuration, and whose device.
        images: at least one; the first ``LOOKED_AT`` are looked at.
        seed: of the weights and the prototypes.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        new = Tusk(model.config).to(model.prototypes.device).channels_last().eval()
    config = new.config
    tensors = [
        fit(to_tensor(image, config.channels), config.max_side, config.shrink)[0] for image in images[:LOOKED_AT]
    ]
    maps = [new.encode(tensor[None].to(new.center.device)) for tensor in tensors]
    features = torch.cat([new.extract(one, config.instances).features[0] for one in maps])
    new.center.copy_(features.mean(dim=0))
    draws = torch.Generator().manual_seed(seed)
    new.prototypes.copy_(first_prototypes(new.described(features), config.prototypes, draws))
    return new
