"""The targets of a training: every item once an epoch; what is said of them is a task's."""

from torch.utils.data import Dataset


class Targets(Dataset[int]):
    """Every position of a gallery, as a training example.

    Args:
        count: candidates of the gallery.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, position: int) -> int:
        return position
