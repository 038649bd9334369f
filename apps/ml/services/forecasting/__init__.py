from apps.ml.services.forecasting.asking import (
    MAKE_FORECASTS,
    ask_for_due_forecasts,
    ask_for_forecasts,
)
from apps.ml.services.forecasting.making import forget_forecasts, make_forecasts, run_forecasts

__all__ = [
    "MAKE_FORECASTS",
    "ask_for_due_forecasts",
    "ask_for_forecasts",
    "forget_forecasts",
    "make_forecasts",
    "run_forecasts",
]
