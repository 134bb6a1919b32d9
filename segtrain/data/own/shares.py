"""Groups of images, drawn into splits of given shares: seeded, and never one group into two splits."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from segtrain.data.spec import hash_of_name

S = TypeVar("S", bound=str)


def draw(sizes: Mapping[str, int], shares: Mapping[S, float], seed: int) -> dict[str, S]:
    """Group -> split. `sizes` are the images of each group.

    In the order of their hashes, the same on every machine, each group goes where the most images are missing; the last
    ones go to splits that have none. There are splits without any when there are fewer groups than splits.
    """
    order = sorted(sizes, key=lambda group: hash_of_name(seed, group))
    missing = {split: share * sum(sizes.values()) for split, share in shares.items()}
    drawn: dict[str, S] = {}
    empty = list(shares)
    for place, group in enumerate(order):
        open_to: Sequence[S] = empty if len(order) - place <= len(empty) else list(shares)
        split = max(open_to, key=lambda split: missing[split])
        drawn[group] = split
        missing[split] -= sizes[group]
        if split in empty:
            empty.remove(split)
    return drawn
