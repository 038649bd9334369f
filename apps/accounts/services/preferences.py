from apps.accounts.models import User
from apps.core.errors import FieldError, Invalid


def set_theme(*, user: User, theme: str) -> None:
    """Keep the user's choice of light, dark or system.

    Raises: Invalid for any other word.
    """
    if theme not in User.Theme.values:
        allowed = ", ".join(User.Theme.values)
        raise Invalid([FieldError("theme", "unknown", f"must be one of {allowed}")])
    user.theme = theme
    user.save(update_fields=["theme"])
