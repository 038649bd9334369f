import pytest


@pytest.fixture(autouse=True)
def model_folder(settings, tmp_path):
    """Model files of a test are gone with it."""
    settings.ML_MODELS_DIR = tmp_path / "ml_models"
    return settings.ML_MODELS_DIR
