from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from apps.accounts.api.urls import own_patterns as account_patterns
from apps.accounts.api.urls import router as accounts_router
from apps.clients.api.urls import router as clients_router
from apps.dashboard.views.documentation import redoc, swagger
from apps.jobs.api.urls import router as jobs_router
from apps.metrics.api.urls import urlpatterns as metrics_patterns
from apps.ml.api.urls import urlpatterns as ml_patterns
from apps.operations.api import ServerMetricsView
from apps.operations.views import show_health, show_readiness
from apps.reports.api.scraping import ClientMetricsView
from apps.reports.api.urls import urlpatterns as reports_patterns
from apps.tests.api.urls import router as tests_router

handler500 = "apps.core.http.answer_crash"

urlpatterns = [
    path("healthz", show_health, name="healthz"),
    path("readyz", show_readiness, name="readyz"),
    path("metrics", ServerMetricsView.as_view(), name="metrics"),
    path("metrics/clients", ClientMetricsView.as_view(), name="client-metrics"),
    path("api/v1/agent/", include("apps.ingest.urls")),
    path(
        "api/v1/",
        include(
            [
                *account_patterns,
                *accounts_router.urls,
                *jobs_router.urls,
                *clients_router.urls,
                *tests_router.urls,
                *metrics_patterns,
                *ml_patterns,
                *reports_patterns,
            ]
        ),
    ),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", swagger, name="swagger"),
    path("api/redoc/", redoc, name="redoc"),
    path("admin/", admin.site.urls),
    path("accounts/", include("apps.dashboard.account_urls")),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.dashboard.urls")),
]
