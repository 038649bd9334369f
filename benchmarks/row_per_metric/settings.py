import os

from streamswarm import env

SECRET_KEY = "benchmark" * 8
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "benchmarks.row_per_metric",
]
DATABASES = {"default": env.describe_database(env.read_environment(os.environ))}
ROOT_URLCONF = "benchmarks.row_per_metric.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES = {"row_per_metric": None}
