from streamswarm_agent.collectors import COLLECTORS, build_collectors


def test_each_collector_is_listed_under_its_own_name(collect):
    collectors = build_collectors()
    assert list(collectors) == list(COLLECTORS)
    assert all(collector.name == name for name, collector in collectors.items())
    for collector in collectors.values():
        collect(collector)
