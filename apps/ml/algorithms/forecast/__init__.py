from apps.ml.algorithms.forecast.grid import Numbers, Refusal, Refused, build_grid
from apps.ml.algorithms.forecast.series import (
    HOURS_OF_A_DAY,
    LEVELS,
    Backtest,
    Bounds,
    Foretold,
    compute_forecast,
    count_needed,
    forecast_series,
)

__all__ = [
    "HOURS_OF_A_DAY",
    "LEVELS",
    "Backtest",
    "Bounds",
    "Foretold",
    "Numbers",
    "Refusal",
    "Refused",
    "build_grid",
    "compute_forecast",
    "count_needed",
    "forecast_series",
]
