"""What can go wrong in judging and learning, beyond the errors that all rooms share."""

from apps.core.errors import Conflict


class StillLearning(Conflict):
    """Too little has been measured for what was asked; nothing is wrong with the question."""

    def __init__(self, *, count: int, needed: int) -> None:
        super().__init__("still_learning", f"learning {count}/{needed}", count=count, needed=needed)
