"""Django's settings, all derived from the checked environment (env.py)."""

import hashlib
import os
import tomllib
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from apps.configuration.definitions import DEFINITIONS
from apps.jobs.queues import Queue, route_task
from streamswarm import env, logs, schedules

ENVIRONMENT = env.read_sources(os.environ)

BASE_DIR = env.BASE_DIR
VAR_DIR = ENVIRONMENT.var_dir
ML_MODELS_DIR = ENVIRONMENT.models_dir
SECRET_KEY = env.load_secret_key(ENVIRONMENT)
DEBUG = ENVIRONMENT.flag("SWARM_DEBUG")
BASE_URL = ENVIRONMENT.text("SWARM_BASE_URL")
REDIS_URL = env.locate_redis(ENVIRONMENT)
SWARM_WEB_THREADS = int(ENVIRONMENT.number("SWARM_WEB_THREADS"))
SWARM_HEARTBEAT_SECONDS = ENVIRONMENT.number("SWARM_HEARTBEAT_SECONDS")
SWARM_HORIZON_SECONDS = ENVIRONMENT.number("SWARM_HORIZON_SECONDS")
SWARM_LEAST_FREE_MEGABYTES = int(ENVIRONMENT.number("SWARM_LEAST_FREE_MEGABYTES"))
SWARM_ASN_TABLE = ENVIRONMENT.text("SWARM_ASN_TABLE")
# What the environment gives the settings of apps.configuration until somebody changes them there.
SWARM_SEEDS = {one.name: ENVIRONMENT.values[one.variable] for one in DEFINITIONS}
SWARM_SEED_ORIGINS = {one.name: ENVIRONMENT.given_names[one.variable] for one in DEFINITIONS}
SWARM_TRUSTED_PROXIES = ENVIRONMENT.words("SWARM_TRUSTED_PROXIES")
PERIODIC_WORK = schedules.PERIODIC_WORK
SERVER_VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
WIRE_DIR = BASE_DIR / "agent" / "wire" / "v1"

ALLOWED_HOSTS = sorted(
    {
        "127.0.0.1",
        "localhost",
        "[::1]",
        ENVIRONMENT.text("SWARM_HOST"),
        urlsplit(BASE_URL).hostname or "localhost",
        *ENVIRONMENT.words("SWARM_ALLOWED_HOSTS"),
    }
    - {"0.0.0.0", "::"}  # noqa: S104 - bind-all is an address to listen on, never a name to answer to
)

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "knox",
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "axes",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_structlog",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "apps.core",
    "apps.configuration",
    "apps.accounts",
    "apps.jobs",
    "apps.clients",
    "apps.metrics",
    "apps.tests",
    "apps.ingest",
    "apps.ml",
    "apps.reports",
    "apps.operations",
    "apps.dashboard",
]

MIDDLEWARE = [
    "apps.core.request_ids.RequestIdMiddleware",
    "apps.core.measuring.MeasuringMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # Pads what it compresses by a random length, and CSRF tokens are masked: against BREACH.
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "apps.accounts.middleware.AdminPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.middleware.SessionLimitMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "apps.accounts.middleware.ActorMiddleware",
    "apps.dashboard.middleware.PreferencesMiddleware",
    "apps.accounts.middleware.SecondFactorMiddleware",
    "apps.core.http.ErrorMiddleware",
    "apps.core.http.FieldSelection",
    "axes.middleware.AxesMiddleware",
]

AGENT_DOOR_MIDDLEWARE = [
    "apps.core.measuring.MeasuringMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "apps.core.database.TrustMiddleware",
    "apps.core.http.ErrorMiddleware",
]

ROOT_URLCONF = "streamswarm.urls"
WSGI_APPLICATION = "streamswarm.wsgi.application"
ASGI_APPLICATION = "streamswarm.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.dashboard.navigation.describe_navigation",
            ],
        },
    },
]

DATABASES = {"default": env.describe_database(ENVIRONMENT)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
IS_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"

# What every process may remember for itself: which sources, layouts and keys it has seen.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_connect_timeout": 3}]},
    }
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "apps.accounts.password_rules.MaximumLengthValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "apps.accounts.adapter.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
# The lock-out (apps.accounts.services.lockout) counts failures, for every door alike.
ACCOUNT_RATE_LIMITS = {"login_failed": None}
MFA_ADAPTER = "apps.accounts.adapter.SealingFactorAdapter"
MFA_FORMS = {"authenticate": "apps.accounts.forms.SecondFactorForm"}
MFA_TOTP_ISSUER = "StreamSwarm"
MFA_TOTP_TOLERANCE = 1
# Our own middleware notes activity, at most once a minute.
USERSESSIONS_TRACK_ACTIVITY = False

AXES_HANDLER = "apps.accounts.lockout_handler.GrowingDelayHandler"
AXES_LOCKOUT_CALLABLE = "apps.accounts.lockout_handler.answer_lockout"
AXES_CLIENT_IP_CALLABLE = "apps.core.addresses.read_client_address"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_ENABLE_ADMIN = False
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_VERBOSE = False

SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False
CSRF_TRUSTED_ORIGINS = [BASE_URL] if BASE_URL else []
CSRF_FAILURE_VIEW = "apps.dashboard.views.errors.refuse_csrf"
IS_HTTPS = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
# The redirect to https is left to the proxy that ends TLS; hosts below this name and the browsers'
# preload list are not ours to speak for.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

CONTENT_SECURITY_POLICY = {
    # The admin and the API's documentation set policies of their own, still without another host.
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = ENVIRONMENT.text("SWARM_TIME_ZONE")
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static_collected"
STATICFILES_DIRS = [BASE_DIR / "static", ("vendor", BASE_DIR / "static_vendor")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "streamswarm.static.ModuleManifestStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.api.authentication.BearerAuthentication",
        "apps.accounts.api.authentication.JwtAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["apps.accounts.api.permissions.PolicyPermission"],
    "DEFAULT_PAGINATION_CLASS": "apps.core.http.Pagination",
    "DEFAULT_FILTER_BACKENDS": [
        "apps.core.strictness.KnownParameters",
        "apps.core.http.CheckedFilters",
        "apps.core.http.StableOrdering",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.parsers.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.core.http.handle_exception",
    # A list of exports is filtered by `format`.
    "URL_FORMAT_OVERRIDE": None,
}
REST_KNOX = {
    "TOKEN_MODEL": "accounts.Token",
    "AUTH_HEADER_PREFIX": "Bearer",
    "TOKEN_TTL": timedelta(days=365),
    "AUTO_REFRESH": False,
}
KNOX_TOKEN_MODEL = "accounts.Token"  # noqa: S105 - the name of a model
# Its own would leave an empty table behind, although the model is replaced by ours.
MIGRATION_MODULES = {"knox": None}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(hours=12),
    "SIGNING_KEY": hashlib.sha256(b"jwt:" + SECRET_KEY.encode()).hexdigest(),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "StreamSwarm",
    "DESCRIPTION": "Clients, tests, runs and measured series of this server.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "ENUM_NAME_OVERRIDES": {
        "MaintenanceEffectEnum": "apps.clients.models.MaintenanceWindow.Effect",
        "RoleEffectEnum": "apps.accounts.models.Role.Effect",
        "ForecastRefusalEnum": "apps.ml.models.Forecast.Refusal",
        "KindEnum": "apps.tests.kinds.KINDS",
        "FindingKindEnum": "apps.ml.models.Finding.Kind",
        "FeedbackVerdictEnum": "apps.ml.models.Feedback.Verdict",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.core.openapi.document_fields",
        "apps.core.openapi.document_errors",
    ],
    "TAGS": [
        {"name": "clients", "description": "The hosts that measure, where they are, who gets in."},
        {"name": "maintenance", "description": "Times in which clients are worked on."},
        {"name": "tests", "description": "What to measure, on what, when, by which clients."},
        {"name": "quotas", "description": "How much users may ask for, and clients be asked for."},
        {"name": "runs", "description": "What was executed, and what it found."},
        {"name": "ml", "description": "What the server makes of the numbers, and its models."},
        {"name": "reports", "description": "What leaves the system: reports, exports, analysis."},
        {"name": "metrics", "description": "The catalogue of numbers, and the numbers over time."},
        {"name": "accounts", "description": "Users, API tokens and the audit."},
        {"name": "jobs", "description": "Work in the background, and what was given up of it."},
        {"name": "operation", "description": "The server's own figures."},
        {"name": "agent", "description": "The calls of agents (docs/wire.md)."},
    ],
}
UNFOLD = {"SITE_TITLE": "StreamSwarm", "SITE_HEADER": "StreamSwarm", "SITE_URL": "/"}

CELERY_BROKER_URL = env.broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# For ever: a worker outlives any absence of Redis.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 60,
    "unacked_restore_throttle": 1,
    "unacked_restore_interval": 2,
    "socket_timeout": 10,
    "socket_connect_timeout": 3,
    "health_check_interval": 10,
    "socket_keepalive": not REDIS_URL.startswith("unix:"),
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_DEFAULT_QUEUE = Queue.DEFAULT.value
# A worker without --queues consumes all of them; a misspelt one is refused instead of made.
CELERY_TASK_QUEUES = {
    queue.value: {"exchange": queue.value, "routing_key": queue.value} for queue in Queue
}
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ROUTES = [route_task]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A lost connection to Redis is no reason to stop work whose truth is in the database.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# A queue of its own for each worker, through which it proves to itself that it consumes.
CELERY_WORKER_DIRECT = True
CELERY_BEAT_SCHEDULER = "apps.operations.beat:MarkingScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_TIMEZONE = "UTC"

DJANGO_STRUCTLOG_CELERY_ENABLED = True
# apps.core.request_ids has checked it, or made it.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
structlog.configure(**logs.STRUCTLOG)
LOGGING = logs.describe_logging(
    level=ENVIRONMENT.text("SWARM_LOG_LEVEL"),
    is_json=ENVIRONMENT.flag("SWARM_LOG_JSON"),
    file=ENVIRONMENT.log_file,
)
