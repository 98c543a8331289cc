"""The part of the shipped silicon set on which dense kernels are compared: many fits of all of it would take hours."""

from collections import Counter

from ldosml import LDOSDataset, load_dataset

FRACTION = 0.4


def load_part(**options) -> LDOSDataset:
    """Take 40 % of the trajectories of each kind and size, the first ones: 252 structures; see ``load_dataset``."""
    data = load_dataset("silicon", **options)
    families = Counter(group.rpartition("-")[0] for group in set(data.groups))
    parts = [group.rpartition("-") for group in data.groups]
    return data.select([int(number) < round(FRACTION * families[family]) for family, _, number in parts])
