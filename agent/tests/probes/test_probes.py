from pathlib import Path

from streamswarm_agent.probes import OWN_PROBES, build_probes

KINDS = Path(__file__).parents[2] / "wire" / "v1" / "kinds"


def test_there_is_a_probe_for_each_kind_of_the_wire(clock, resolver):
    probes = build_probes(clock=clock, resolver=resolver)
    assert set(probes) == set(OWN_PROBES) == {path.stem for path in KINDS.glob("*.json")}
    assert all(probe.kind == kind for kind, probe in probes.items())
