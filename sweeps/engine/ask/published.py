"""What the source of a study reports, to stand beside what is found here."""

from dataclasses import dataclass
from typing import Any

from segtrain.config import ConfigError


@dataclass(frozen=True)
class PublishedTable:
    """A row per setting. Of `columns`, `variant` and those that are fields of TrialConfig say which setting a row is
    about, and the others are measures by their names in the records; `note` says what does not quite compare, or why
    there are no rows. Raises ConfigError on a row of another length."""

    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ConfigError(
                    f"the published row {row} has {len(row)} values; allowed: {len(self.columns)}, a column"
                )
