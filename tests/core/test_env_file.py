"""Settings in a file: read as written, below the environment, and a wrong line is named."""

import os

import pytest

from streamswarm import env, listing
from streamswarm.env_file import EnvFileError, read_env_file
from tests.conventions import ROOT

FILE = """\
# a comment
SWARM_PORT=9000
  export SMTP_SERVER = mail.example.org   # the relay

EMAIL_PASSWORD="a # \\"b\\" 'c'"
EMAIL_USER='robot # 1'  # its name
SOMETHING_ELSE=x
LOG_FILE=
"""


def write(tmp_path, text):
    path = tmp_path / "settings.env"
    path.write_text(text)
    return path


def test_lines_are_read_with_quotes_and_comments(tmp_path):
    assert read_env_file(write(tmp_path, FILE)) == {
        "SWARM_PORT": "9000",
        "SMTP_SERVER": "mail.example.org",
        "EMAIL_PASSWORD": "a # \"b\" 'c'",
        "EMAIL_USER": "robot # 1",
        "SOMETHING_ELSE": "x",
        "LOG_FILE": "",
    }


def test_a_missing_file_says_nothing(tmp_path):
    assert read_env_file(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hunter2", "must be NAME=value"),
        ("=hunter2", "must be NAME=value"),
        ("MY NAME=hunter2", "must be NAME=value"),
        ("1NAME=hunter2", "must be NAME=value"),
        ('EMAIL_PASSWORD="hunter2', "EMAIL_PASSWORD must end with the quote"),
        ("EMAIL_PASSWORD='hunter2' x", "EMAIL_PASSWORD must end with the quote"),
    ],
)
def test_a_line_that_is_no_setting_is_named_without_its_text(tmp_path, line, said):
    path = write(tmp_path, f"SWARM_PORT=1\n\n{line}\n")
    with pytest.raises(EnvFileError) as caught:
        read_env_file(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "settings.env"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(env.WrongSettingError, match="cannot be read"):
        env.read_sources({"SWARM_ENV_FILE": str(path)})


def test_the_environment_wins_over_the_file_whichever_name_it_uses(tmp_path):
    path = str(write(tmp_path, "SWARM_SMTP_SERVER=file.example\nSMTP_PORT=25\nSWARM_PORT=9000\n"))
    read = env.read_sources({"SWARM_ENV_FILE": path, "SMTP_SERVER": "real.example"})
    assert read.values["SWARM_SMTP_SERVER"] == "real.example"
    assert read.values["SWARM_SMTP_PORT"] == 25
    assert read.given_names["SWARM_SMTP_SERVER"] == "SMTP_SERVER"
    assert read.given_names["SWARM_SMTP_PORT"] == "SMTP_PORT"
    assert read.given_names["SWARM_HOST"] == ""


def test_a_wrong_value_in_the_file_is_refused_by_name(tmp_path):
    path = str(write(tmp_path, "SMTP_PORT=0\n"))
    with pytest.raises(env.WrongSettingError, match="SMTP_PORT='0': must be from 1 to 65535"):
        env.read_sources({"SWARM_ENV_FILE": path})


def test_a_secret_is_not_shown_when_it_is_refused():
    with pytest.raises(env.WrongSettingError) as caught:
        env.read_environment({"EMAIL_PASSWORD": "hunter2\n"})
    assert "EMAIL_PASSWORD" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_example_is_written_from_the_code_and_changes_nothing(tmp_path):
    example = (ROOT / ".env.example").read_text()
    assert example == listing.write_example()
    assert read_env_file(ROOT / ".env.example") == {}
    opened = "\n".join(
        line.removeprefix("#") if "=" in line and " " not in line.partition("=")[0] else line
        for line in example.splitlines()
    )
    path = str(write(tmp_path, opened))
    read = env.read_sources({"SWARM_ENV_FILE": path})
    plain = env.read_environment({})
    assert {**read.values, "SWARM_ENV_FILE": ""} == {**plain.values, "SWARM_ENV_FILE": ""}


def test_the_documented_table_is_written_from_the_code():
    assert listing.write_table() in (ROOT / "docs" / "settings.md").read_text()


def test_tests_read_no_file_of_the_developer():
    assert os.environ["SWARM_ENV_FILE"] == os.devnull
