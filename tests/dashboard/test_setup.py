import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, Role, User
from apps.accounts.services import issue_setup_code
from tests.factories.accounts import make_user
from tests.factories.threads import run_together

PATH = "/setup/"
PASSWORD = "a sentence nobody else would type"
TOGETHER = 50


def fill(setup_code, **changes):
    return {
        "code": setup_code,
        "username": "ada",
        "password": PASSWORD,
        "password_again": PASSWORD,
        **changes,
    }


@pytest.mark.django_db(transaction=True)
def test_of_fifty_simultaneous_setups_exactly_one_makes_an_administrator():
    code = issue_setup_code()

    def set_up(number):
        answer = Client().post(PATH, fill(code, username=f"ada{number}"))
        return answer.status_code, answer.headers.get("Location")

    answers = run_together(TOGETHER, set_up)
    assert User.objects.filter(is_superuser=True).count() == User.objects.count() == 1
    assert answers.count((302, reverse("dashboard:overview"))) == 1
    assert {status for status, _place in answers} == {302, 404}


@pytest.mark.django_db
def test_setup_makes_an_administrator_signs_in_and_is_written_down(client):
    answer = client.post(PATH, fill(issue_setup_code()), follow=True)
    user = User.objects.get()
    assert answer.redirect_chain == [("/", 302)]
    assert answer.context["user"] == user
    assert Role.objects.get(user=user).name == "admin"
    assert AuditEntry.objects.filter(action="create", object_type="user").exists()


@pytest.mark.django_db
def test_setup_is_gone_for_ever_once_there_is_a_user(client):
    code = issue_setup_code()
    client.post(PATH, fill(code))
    assert Client().get(PATH).status_code == 404
    assert Client().post(PATH, fill(code, username="eve")).status_code == 404
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_a_wrong_code_is_refused_and_what_was_typed_stays(client):
    issue_setup_code()
    answer = client.post(PATH, fill("AAAA-BBBB-CCCC-DDDD"))
    text = answer.content.decode()
    assert answer.status_code == 403
    assert "That is not the code the server printed." in text
    assert 'value="ada"' in text
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"password": "short", "password_again": "short"}, "password", "12 characters"),
        ({"password": "password1234", "password_again": "password1234"}, "password", "common"),
        ({"password_again": "another"}, "password_again", "differ"),
        ({"username": "no spaces or <tags>"}, "username", "valid"),
        ({"code": ""}, "code", "required"),
    ],
)
def test_a_wrong_field_is_named_with_its_rule(client, changes, field, message):
    answer = client.post(PATH, fill(issue_setup_code(), **changes))
    assert message in " ".join(answer.context["form"].errors[field])
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/clients/", "/tests/new/", "/accounts/login/", "/admin/"])
def test_every_page_leads_to_setup_while_there_is_no_user(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, PATH)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/api/v1/clients/"])
def test_programs_are_not_led_to_setup(client, path):
    assert client.get(path).headers.get("Location") != PATH


@pytest.mark.django_db
def test_pages_lead_to_sign_in_once_there_is_a_user(client):
    make_user("root", "admin")
    answer = client.get("/clients/?tag=edge")
    assert answer.headers["Location"] == "/accounts/login/?next=/clients/%3Ftag%3Dedge"


@pytest.mark.django_db
def test_sign_in_opens_the_page_that_was_asked_for_and_sign_out_closes_it(client):
    make_user("root", "admin")
    credentials = {"login": "root", "password": "correct horse battery staple", "next": "/tests/"}
    answer = client.post("/accounts/login/", credentials)
    assert answer.headers["Location"] == "/tests/"
    assert client.get("/tests/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/tests/").status_code == 302


@pytest.mark.django_db
def test_the_sign_in_page_warns_of_a_line_that_others_can_read(client, settings):
    settings.ALLOWED_HOSTS = ["monitor.example", "localhost"]
    make_user("root", "admin")
    path, far, near = "/accounts/login/", "monitor.example", "localhost"
    warned = [
        "not encrypted" in client.get(path, HTTP_HOST=host, secure=is_secure).content.decode()
        for host, is_secure in ((far, False), (far, True), (near, False))
    ]
    assert warned == [True, False, False]
