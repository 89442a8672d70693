"""Which row of a paper an evaluation stands beside."""

from boxless.engine.marks import Mark, marks
from boxless.engine.recipe import DataConfig


def test_each_method_has_the_marks_of_its_own_paper() -> None:
    data = DataConfig(layout="mnist-hard", train_size=100)
    counts, rebuilt = marks(data, "mist-classify"), marks(data, "mist-reconstruct")
    assert counts["localization"] == Mark(0.978, 0.995)
    assert rebuilt["rmse"] == Mark(0.053, 0.045)
    assert rebuilt.get("localization", Mark()) == Mark()
    assert marks(data, "tusk")["localization"] == Mark(0.999, 0.999)
    assert marks(data, "mcmil") == {}
    assert marks(data, "supervised")["localization"] == Mark(0.996)


def test_other_data_have_none() -> None:
    assert marks(DataConfig(layout="mnist-hard", counts=(4,)), "mist-classify") == {}
    assert marks(DataConfig(folder="images"), "mist-classify") == {}
