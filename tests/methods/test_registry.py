import pytest

from boxless.errors import BoxlessError
from boxless.methods import registry
from boxless.methods.detector import Detector
from boxless.methods.registry import model_type, settings_types, training_type


@pytest.mark.parametrize("method", list(registry.MODELS))
def test_a_method_is_known_by_the_same_name_everywhere(method: str) -> None:
    model, training = model_type(method), training_type(method)
    assert issubclass(model, Detector)
    assert model.method == method
    assert settings_types(method) == (model.config_type, training.settings_type)


def test_all_tables_hold_the_same_methods() -> None:
    tables = (registry.MODELS, registry.TRAININGS, registry.MODEL_SETTINGS, registry.TRAINING_SETTINGS)
    assert len({tuple(table) for table in tables}) == 1


@pytest.mark.parametrize("look_up", [model_type, training_type, settings_types])
@pytest.mark.parametrize("name", ["", "os.system", "boxless.methods.registry.MODELS", "MIST-classify"])
def test_another_name_is_refused_with_those_there_are(look_up: object, name: str) -> None:
    assert callable(look_up)
    with pytest.raises(BoxlessError, match=r"There is no method .*; there are mist-classify"):
        look_up(name)
