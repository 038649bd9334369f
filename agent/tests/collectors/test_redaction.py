import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.collectors.redaction import LONGEST_COMMAND, redact

SECRET = "hunter2xyz"


@pytest.mark.parametrize(
    "arguments",
    [
        ["mysql", f"--password={SECRET}"],
        ["mysql", "--password", SECRET],
        ["mysql", f"-p{SECRET}"],
        ["app", f"--api-key={SECRET}"],
        ["app", f"--client-secret={SECRET}"],
        ["app", "--token", SECRET],
        ["app", f"--db-passwd={SECRET}"],
        ["env", f"PGPASSWORD={SECRET}", "psql"],
        ["env", f"AWS_SECRET_ACCESS_KEY={SECRET}", "aws"],
        ["curl", "-u", f"ann:{SECRET}", "https://example.com"],
        ["curl", f"https://ann:{SECRET}@example.com/"],
        ["curl", f"https://{SECRET}@example.com/"],
        ["git", "clone", f"https://oauth2:{SECRET}@git.example.com/x.git"],
        ["app", f"--database-url=postgres://app:{SECRET}@db/app"],
        ["app", f"postgres://app:{SECRET}@db/app"],
        ["curl", f"https://example.com/?a=1&access_token={SECRET}&b=2"],
        ["curl", f"https://example.com/?X-Amz-Signature={SECRET}"],
        ["curl", "-H", f"Authorization: Bearer {SECRET}"],
        ["curl", f"-HX-Api-Key: {SECRET}"],
        ["curl", f"--header=Cookie: id={SECRET}"],
        [f"server --password={SECRET} --port 80"],
        [f"server Authorization: Bearer {SECRET}"],
        [f"postgres://app:{SECRET}@db/app", "x"],
    ],
)
def test_a_secret_is_hidden_wherever_people_put_it(arguments):
    shown = redact(arguments)
    assert SECRET not in shown
    assert "[hidden]" in shown


@pytest.mark.parametrize(
    "word",
    [
        "ghp_" + "Ab1" * 12,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123",
        "AKIAIOSFODNN7EXAMPLE",
        "0123456789abcdef0123456789abcdef",
    ],
)
def test_a_word_that_looks_like_a_key_is_hidden(word):
    assert redact(["app", word]) == "app [hidden]"
    assert redact(["app", f"--name={word}"]) == "app --name=[hidden]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["python", "-m", "http.server", "--bind", "127.0.0.1", "8000"],
        ["postgres", "-D", "/var/lib/postgresql/15/main", "-c", "port=5432"],
        ["curl", "https://example.com/path?page=2"],
        ["nginx: worker process"],
        ["java", "-Xmx512m", "-jar", "/opt/app/app.jar"],
        ["ssh", "-p2222", "host"],
    ],
)
def test_what_is_no_secret_is_shown(arguments):
    assert redact(arguments) == " ".join(arguments)


def test_no_arguments_are_no_words():
    assert redact([]) == ""


@given(st.lists(st.text(), min_size=1))
def test_any_command_line_gives_a_bounded_text(arguments):
    assert len(redact(arguments)) <= LONGEST_COMMAND


@given(st.text("abcdefghijkXYZ0123456789!$%", min_size=6, max_size=40).map("s".__add__))
def test_no_value_of_a_password_option_is_ever_shown(secret):
    for arguments in (["a", f"--password={secret}"], ["a", "--password", secret]):
        assert secret not in redact(arguments)
