"""What can go wrong in judging and learning, beyond the errors that all rooms share."""

from apps.core.errors import Conflict


class StillLearning(Conflict):
    """Too little has been measured for what was asked; nothing is wrong with the question."""

    def __init__(self, *, count: int, needed: int) -> None:
        super().__init__("still_learning", f"learning {count}/{needed}", count=count, needed=needed)


class NoModel(Conflict):
    """Nothing learned can answer: there is no champion, or none that may be used."""

    def __init__(self, detail: str) -> None:
        super().__init__("no_model", detail)


class BadModelFile(Conflict):
    """A model's file is missing, damaged, tampered with or malicious; nothing of it is used."""

    def __init__(self, detail: str) -> None:
        super().__init__("bad_model_file", f"The file of the model is refused: {detail}.")
