from apps.ml.services.health.changes import forget_changes
from apps.ml.services.health.goals import clear_goal, set_goal
from apps.ml.services.health.refreshing import refresh_health

__all__ = ["clear_goal", "forget_changes", "refresh_health", "set_goal"]
