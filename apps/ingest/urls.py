from django.urls import path

from apps.ingest import views

app_name = "agent"
urlpatterns = [
    path("enrol", views.EnrolView.as_view(), name="enrol"),
    path("heartbeat", views.HeartbeatView.as_view(), name="heartbeat"),
    path("leases", views.LeaseView.as_view(), name="leases"),
    path("records", views.RecordsView.as_view(), name="records"),
    path("config", views.ConfigView.as_view(), name="config"),
]
