"""Property tests run beside trainings on few cores: what takes long is no failure."""

from hypothesis import settings

settings.register_profile("metrics", deadline=None, max_examples=50)
settings.load_profile("metrics")
