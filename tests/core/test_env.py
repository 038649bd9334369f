"""The environment is checked at the start, and what is wrong is named."""

import stat

import pytest

from streamswarm import env

GOOD = {
    "SWARM_PORT": "9000",
    "SWARM_ALLOWED_HOSTS": "a.example, b.example",
    "SWARM_DEBUG": "yes",
    "SWARM_HEARTBEAT_SECONDS": "2.5",
    "SWARM_LOG_LEVEL": "debug",
}


def test_values_are_read_as_their_kind():
    environment = env.read_environment(GOOD)
    assert environment.number("SWARM_PORT") == 9000
    assert environment.number("SWARM_HEARTBEAT_SECONDS") == 2.5
    assert environment.words("SWARM_ALLOWED_HOSTS") == ("a.example", "b.example")
    assert environment.flag("SWARM_DEBUG") is True
    assert environment.text("SWARM_LOG_LEVEL") == "DEBUG"


def test_every_default_is_valid():
    environment = env.read_environment({})
    assert set(environment.values) == {variable.name for variable in env.VARIABLES}


def test_an_empty_variable_means_its_default():
    assert env.read_environment({"SWARM_PORT": " "}).number("SWARM_PORT") == 8000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SWARM_PORT", "http"),
        ("SWARM_PORT", "0"),
        ("SWARM_PORT", "65536"),
        ("SWARM_PORT", "80.5"),
        ("SWARM_DEBUG", "maybe"),
        ("SWARM_LOG_JSON", "2"),
        ("SWARM_LOG_LEVEL", "LOUD"),
        ("SWARM_WEB_THREADS", "3"),
        ("SWARM_HEARTBEAT_SECONDS", "1"),
        ("SWARM_HEARTBEAT_SECONDS", "nan"),
        ("SWARM_HEARTBEAT_SECONDS", "soon"),
        ("SWARM_HORIZON_SECONDS", "1e9"),
        ("SWARM_BASE_URL", "example.org"),
        ("DATABASE_URL", "mysql://x"),
        ("REDIS_URL", "http://x"),
        ("DEFAULT_TEST_DURATION", "0"),
        ("DEFAULT_TEST_INTERVAL", "-1"),
        ("SWARM_SECRET_KEY", "short"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, text):
    with pytest.raises(env.WrongSettingError) as caught:
        env.read_environment({name: text})
    assert str(caught.value).startswith(name)


def test_debugging_in_public_is_refused():
    with pytest.raises(env.WrongSettingError, match="SWARM_DEBUG"):
        env.read_environment({"SWARM_DEBUG": "1", "SWARM_HOST": "192.0.2.1"})


def test_an_older_name_is_understood_but_never_wins():
    assert env.read_environment({"SERVER_PORT": "1234"}).number("SWARM_PORT") == 1234
    both = {"SERVER_PORT": "1234", "SWARM_PORT": "4321"}
    assert env.read_environment(both).number("SWARM_PORT") == 4321
    with pytest.raises(env.WrongSettingError, match="SERVER_PORT"):
        env.read_environment({"SERVER_PORT": "x"})


def test_a_value_read_as_another_kind_is_a_fault_of_the_program():
    environment = env.read_environment({})
    with pytest.raises(TypeError, match="SWARM_PORT"):
        environment.text("SWARM_PORT")


def test_the_signing_key_is_made_once_for_its_owner_alone(tmp_path):
    environment = env.read_environment({"SWARM_VAR_DIR": str(tmp_path / "var")})
    key = env.load_secret_key(environment)
    assert len(key) >= env.MINIMUM_SECRET_LENGTH
    assert env.load_secret_key(environment) == key
    path = tmp_path / "var" / "secret_key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_signing_key_that_was_given_is_written_nowhere(tmp_path):
    given = "x" * 40
    source = {"SWARM_VAR_DIR": str(tmp_path / "var"), "SWARM_SECRET_KEY": given}
    assert env.load_secret_key(env.read_environment(source)) == given
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://ann:s%40fe@db.example:5433/swarm?sslmode=require",
            {
                "NAME": "swarm",
                "USER": "ann",
                "PASSWORD": "s@fe",
                "HOST": "db.example",
                "PORT": "5433",
                "OPTIONS": {**env.PATIENCE, "sslmode": "require"},
            },
        ),
        (
            "postgres:///swarm?host=/run/pg&connect_timeout=3",
            {
                "NAME": "swarm",
                "HOST": "/run/pg",
                "OPTIONS": {**env.PATIENCE, "connect_timeout": "3"},
            },
        ),
        ("sqlite:////srv/swarm.sqlite3", {"NAME": "/srv/swarm.sqlite3"}),
    ],
)
def test_a_database_url_is_understood(url, expected):
    described = env.describe_database(env.read_environment({"DATABASE_URL": url}))
    assert {name: described[name] for name in expected} == expected


def test_redis_is_the_embedded_one_unless_said_otherwise(tmp_path):
    embedded = env.read_environment({"SWARM_VAR_DIR": str(tmp_path)})
    url = env.locate_redis(embedded)
    assert url == f"unix://{tmp_path}/redis/redis.sock"
    assert env.broker_url(url) == f"redis+socket://{tmp_path}/redis/redis.sock"
    other = env.read_environment({"REDIS_URL": "redis://r.example:6379/0"})
    assert env.broker_url(env.locate_redis(other)) == "redis://r.example:6379/0"
