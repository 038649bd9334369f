"""The page of the server's settings: what it shows, keeps, refuses and takes back."""

import pytest
from django.urls import reverse

from apps.accounts.services.settings import change_settings
from apps.configuration.models import Setting
from apps.configuration.selectors import read_number, read_secret, read_settings
from tests.factories.accounts import make_user

SECRET = "hunter2 is no password"
PAGE = "/settings/"
THRESHOLDS = {
    "group": "thresholds",
    "cpu_threshold_percent": "80",
    "memory_threshold_percent": "85",
    "disk_threshold_percent": "90",
    "bandwidth_threshold_mbps": "100",
}


def save(page, **changes):
    return page.post(reverse("dashboard:save-settings"), {**THRESHOLDS, **changes})


def test_only_what_was_changed_is_stored(page):
    assert save(page, cpu_threshold_percent="70").status_code == 302
    assert list(Setting.objects.values_list("name", flat=True)) == ["cpu_threshold_percent"]
    assert read_number("cpu_threshold_percent") == 70
    text = page.get(PAGE).content.decode()
    assert "changed by root," in text
    assert "environment's value, 80" in text.replace("&#x27;", "'")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("0", "Must be from 1 to 100 %"), ("101", "Must be from 1 to 100 %"),
     ("many", "Enter a number"), ("", "This field is required")],
)  # fmt: skip
def test_a_wrong_value_is_said_at_its_field_and_nothing_is_stored(page, typed, said):
    answer = save(page, cpu_threshold_percent=typed, disk_threshold_percent="50")
    assert answer.status_code == 422
    text = answer.content.decode()
    assert said in text
    assert 'value="50"' in text
    assert not Setting.objects.exists()


def test_a_group_that_does_not_exist_is_not_found(page):
    assert save(page, group="nothing").status_code == 404


def test_the_environment_holds_again_after_a_reset(page):
    save(page, cpu_threshold_percent="70")
    answer = page.post(reverse("dashboard:reset-setting"), {"name": "cpu_threshold_percent"})
    assert answer.headers["Location"] == f"{PAGE}#thresholds"
    assert read_number("cpu_threshold_percent") == 80
    assert page.post(reverse("dashboard:reset-setting"), {"name": "nothing"}).status_code == 400


def test_a_secret_is_never_shown_and_stays_when_its_field_is_left_empty(page):
    change_settings(values={"smtp_password": SECRET})
    assert SECRET not in page.get(PAGE).content.decode()
    names = ("smtp_server", "smtp_port", "smtp_security", "smtp_user", "mail_sender")
    form = {"group": "mail", "smtp_password": "", **read_settings(names)}
    answer = page.post(
        reverse("dashboard:save-settings"), {**form, "mail_sender": "swarm@mail.test"}
    )
    assert answer.status_code == 302
    assert read_secret("smtp_password") == SECRET


def test_a_test_message_says_the_fault_with_and_without_script(page, admin):
    path = reverse("dashboard:mail-test")
    told = page.post(path, headers={"hx-request": "true"}).content.decode()
    assert "Your profile has no e-mail address." in told
    admin.email = "root@example.org"
    admin.save()
    followed = page.post(path, follow=True).content.decode()
    assert "No mail server is set." in followed


def test_an_administrator_of_one_site_is_refused(client, db):
    client.force_login(make_user("sid", "admin", site="vienna"))
    for method, name in (("get", "settings"), ("post", "save-settings"), ("post", "mail-test")):
        path = reverse(f"dashboard:{name}")
        assert getattr(client, method)(path, {"group": "mail"}).status_code == 403
