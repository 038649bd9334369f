from django.urls import path

from apps.dashboard.views import (
    act_on_clients,
    act_on_tests,
    clients,
    edit_tests,
    enrolment,
    overview,
    preferences,
    runs,
    setup,
    tests,
)

app_name = "dashboard"
urlpatterns = [
    path("setup/", setup.set_up, name="setup"),
    path("", overview.show_overview, name="overview"),
    path("overview/trend.json", overview.show_trend, name="trend"),
    path("search/", overview.search, name="search"),
    path("preferences/theme/", preferences.choose_theme, name="theme"),
    path("clients/", clients.list_clients_page, name="clients"),
    path("clients/enrol/", enrolment.enrol, name="enrol"),
    path("clients/enrol/<int:token_id>/", enrolment.show_enrolled, name="enrolled"),
    path("clients/enrol/<int:token_id>/revoke/", enrolment.revoke_token, name="revoke-token"),
    path("clients/<uuid:client_id>/", clients.show_client, name="client"),
    path("clients/<uuid:client_id>/tests/", clients.show_client_tests, name="client-tests"),
    path("clients/<uuid:client_id>/host/", clients.show_client_host, name="client-host"),
    path(
        "clients/<uuid:client_id>/settings/", clients.show_client_settings, name="client-settings"
    ),
    path("clients/<uuid:client_id>/change/", act_on_clients.change_client, name="change-client"),
    path("clients/<uuid:client_id>/delete/", act_on_clients.delete_client, name="delete-client"),
    path("clients/<uuid:client_id>/rotate/", act_on_clients.rotate_key, name="rotate-key"),
    path("clients/<uuid:client_id>/revoke/", act_on_clients.revoke_keys, name="revoke-keys"),
    path("tests/", tests.list_tests_page, name="tests"),
    path("tests/new/", edit_tests.make_test, name="new-test"),
    path("tests/parameters/", edit_tests.show_parameters, name="parameters"),
    path("tests/<uuid:test_id>/", tests.show_test, name="test"),
    path("tests/<uuid:test_id>/edit/", edit_tests.edit_test, name="edit-test"),
    path("tests/<uuid:test_id>/run/", act_on_tests.run_now, name="run-test"),
    path("tests/<uuid:test_id>/pause/", act_on_tests.pause_test, name="pause-test"),
    path("tests/<uuid:test_id>/resume/", act_on_tests.resume_test, name="resume-test"),
    path("tests/<uuid:test_id>/stop/", act_on_tests.stop_runs, name="stop-test"),
    path("tests/<uuid:test_id>/delete/", act_on_tests.delete_test, name="delete-test"),
    path("runs/", runs.list_runs_page, name="runs"),
    path("runs/<uuid:run_id>/", runs.show_run, name="run"),
]
