"""What the measures of an evaluation are held against, where a row of a paper's table is about the same data."""

from dataclasses import dataclass
from itertools import zip_longest

from boxless.engine.recipe import DataConfig
from boxless.engine.tables import TABLES

TABLE_OF = {
    "mist-classify": "mist-table2",
    "supervised": "mist-table2",
    "mist-reconstruct": "mist-table1",
    "tusk": "tusk-table1",
}


@dataclass(frozen=True)
class Mark:
    """What a measure is held against."""

    paper: float | None = None
    goal: float | None = None


def marks(data: DataConfig, method: str) -> dict[str, Mark]:
    """What the paper of the method reached on these scenes, and our goal, by measure; empty for other data."""
    if method not in TABLE_OF:
        return {}
    table = TABLES[TABLE_OF[method]]
    key = f"{data.layout}-supervised" if method == "supervised" else data.layout
    plain = DataConfig(layout=data.layout, train_size=data.train_size, validation_size=data.validation_size)
    for row in table.rows:
        if row.key == key and data == plain:
            pairs = zip_longest(row.paper or (), row.goal or ())
            return {name: Mark(*pair) for name, pair in zip(table.measures, pairs, strict=False)}
    return {}
