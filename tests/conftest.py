"""Tests run beside each other and beside trainings on few cores: one thread each, and what takes long is no failure."""

import torch
from hypothesis import settings

settings.register_profile("boxless", deadline=None, max_examples=50)
settings.load_profile("boxless")
torch.set_num_threads(1)
