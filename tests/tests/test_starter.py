import pytest

from apps.tests.models import Run, Test
from apps.tests.services import create_starter_tests
from apps.tests.services.starter import find_gateway, has_resolver
from tests.factories.clients import make_client
from tests.factories.tests import make_test

ROUTES = """Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
"""


def test_the_gateway_is_read_from_the_kernels_routes(tmp_path):
    path = tmp_path / "route"
    path.write_text(ROUTES)
    assert find_gateway(path) == "10.0.2.1"
    path.write_text("".join(ROUTES.splitlines(keepends=True)[:2]))
    assert find_gateway(path) is None
    assert find_gateway(tmp_path / "missing") is None


def test_a_resolver_is_one_that_is_named(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text("# nameserver 192.0.2.1\nsearch example.org\n")
    assert not has_resolver(path)
    path.write_text("nameserver 192.0.2.1\n")
    assert has_resolver(path)
    assert not has_resolver(tmp_path / "missing")


@pytest.mark.django_db
def test_a_fresh_server_gets_tests_that_run_at_once():
    probe = make_client()
    tests = create_starter_tests(client_id=probe.id, web_url="http://127.0.0.1:8000")
    names = {test.name for test in tests}
    assert {"Loopback", "This server's web page"} <= names
    assert Run.objects.filter(is_on_demand=True).count() == len(tests)
    assert {test.duration_seconds for test in tests} == {10.0}


@pytest.mark.django_db
def test_a_server_that_has_tests_keeps_them():
    make_test("mine")
    assert create_starter_tests(client_id=make_client().id, web_url="http://127.0.0.1") == []
    assert Test.objects.get().name == "mine"
