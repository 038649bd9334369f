"""Which metrics of the catalogue really came out of a probe or a collector in a run of the tests.

`--emitted` wraps the probes and collectors of the agent themselves, whoever runs them and with
whatever sockets or recorded trees, and reads what agents of the laboratory print: a metric counts
when an object they handed over holds a finite number, words or buckets under its key. A fake of a
test is none of them, and a value that is only absent does not count. Live is what a collector read
off this very host and what a probe measured with its own sockets by this host's clock; the rest
came off recorded hosts or over counterfeit sockets. The closing report names what nobody emitted
and who should, and the run fails when fewer than LEAST_EMITTED came, when a key is not in the
catalogue, or when the catalogue does not know of its emitter.
"""

import inspect
import json
import math
import time
import weakref
from collections import defaultdict
from collections.abc import Mapping
from functools import wraps
from types import SimpleNamespace

import pytest

# As many as agent/tests alone emitted when this was written last, since the laboratory needs root;
# it only ever rises.
LEAST_EMITTED = 330
STASHED_LEDGER = pytest.StashKey["Ledger"]()
OUTPUT_NAME = "emitted"
# What the executor of a run adds to the outcome of its probe.
RUN_PREFIX = "agent.run."
# What leaves a probe as it is in the field: a certificate authority of the tests is no counterfeit.
FIELD_ARGUMENTS = frozenset({"clock", "resolver", "make_tls"})
CLOCK_TOLERANCE_SECONDS = 1.0
NUMBER, TEXT, HISTOGRAM = ("gauge", "counter"), ("text",), ("histogram",)


class Ledger:
    """The emitters of each metric; `live` and `recorded` are how it was measured, maybe both."""

    def __init__(self, catalogue):
        self.catalogue = catalogue
        self.emitters = defaultdict(set)
        self.live = set()
        self.recorded = set()
        self.problems = set()

    def note(self, emitter, kinds, keys, *, is_live=False):
        for key in keys:
            name = key.partition("{")[0]
            row = self.catalogue.get(name)
            if row is None or row["kind"] not in kinds:
                self.problems.add(
                    f"{emitter} sent {name}, which the catalogue does not have as a {kinds[0]}"
                )
                continue
            if emitter not in row["emitted_by"]:
                self.problems.add(f"{emitter} sent {name}, whose emitted_by does not name it")
            self.emitters[name].add(emitter)
            (self.live if is_live else self.recorded).add(name)

    def note_numbers(self, emitter, values, *, is_live=False):
        numbers = {key for key, value in values.items() if math.isfinite(value)}
        self.note(emitter, NUMBER, numbers, is_live=is_live)

    def note_outcome(self, emitter, outcome, *, is_live):
        self.note_numbers(emitter, outcome.values, is_live=is_live)
        words = [key for key, text in outcome.facts.items() if text]
        self.note(emitter, TEXT, words, is_live=is_live)
        histograms = [
            key
            for key, part in outcome.document.items()
            if key in self.catalogue and isinstance(part, Mapping) and part.get("counts")
        ]
        self.note(emitter, HISTOGRAM, histograms, is_live=is_live)

    def note_collection(self, emitter, collection, *, is_live):
        for frame in collection.frames:
            self.note_numbers(emitter, frame.values, is_live=is_live)
        words = [fact.key for fact in collection.facts if fact.value]
        self.note(emitter, TEXT, words, is_live=is_live)

    def as_output(self):
        """What a worker of a parallel run tells the process that started it."""
        return {
            "emitters": {name: sorted(found) for name, found in self.emitters.items()},
            "live": sorted(self.live),
            "recorded": sorted(self.recorded),
            "problems": sorted(self.problems),
        }

    def add(self, output):
        for name, found in output["emitters"].items():
            self.emitters[name].update(found)
        self.live.update(output["live"])
        self.recorded.update(output["recorded"])
        self.problems.update(output["problems"])


def pytest_addoption(parser):
    parser.getgroup("streamswarm").addoption(
        "--emitted", action="store_true", help="say which metrics were really emitted"
    )


def pytest_configure(config):
    if not config.getoption("--emitted"):
        return
    from streamswarm_agent.wire.files import load_wire_file

    rows = {row["name"]: row for row in load_wire_file("metrics.json")["metrics"]}
    ledger = config.stash[STASHED_LEDGER] = Ledger(rows)
    watch_probes(ledger)
    watch_collectors(ledger)
    watch_runs(ledger)
    watch_laboratory(ledger)


def watch_probes(ledger):
    from streamswarm_agent.probes import OWN_PROBES

    for kind, probe in OWN_PROBES.items():
        probe.run = wrap_run(probe.run, kind, ledger, watch_made(probe, is_as_in_the_field))


def is_as_in_the_field(given):
    """Whether a probe that was given this uses its own sockets, and the time of this host."""
    wanted = {name.lstrip("_") for name in given} <= FIELD_ARGUMENTS
    lag_seconds = abs(given["clock"].monotonic() - time.monotonic())
    return wanted and lag_seconds < CLOCK_TOLERANCE_SECONDS


def wrap_run(run, kind, ledger, untouched):
    """`untouched` are the instances that measure as they do in the field."""

    @wraps(run)
    async def watched(self, request, emit):
        is_live = self in untouched

        async def note_and_emit(sample):
            ledger.note_numbers(kind, sample.values, is_live=is_live)
            await emit(sample)

        outcome = await run(self, request, note_and_emit)
        ledger.note_outcome(kind, outcome, is_live=is_live)
        return outcome

    assert inspect.iscoroutinefunction(run)
    return watched


def watch_collectors(ledger):
    from streamswarm_agent.collectors import OWN_COLLECTORS
    from streamswarm_agent.runtime.self_metrics import SelfCollector

    for name, collector in OWN_COLLECTORS.items():
        untouched = watch_made(collector, lambda given: not given)
        collector.collect = wrap_collect(collector.collect, name, ledger, untouched)
    SelfCollector.collect = wrap_collect(SelfCollector.collect, "agent", ledger, None)


def watch_made(maker, is_untouched):
    """The instances that were given, by argument, what is untouched."""
    untouched = weakref.WeakSet()
    make = maker.__init__
    parameters = inspect.signature(make)

    @wraps(make)
    def watched(self, *arguments, **named):
        make(self, *arguments, **named)
        given = dict(parameters.bind(self, *arguments, **named).arguments)
        del given["self"]
        if is_untouched(given):
            untouched.add(self)

    maker.__init__ = watched
    return untouched


def wrap_collect(collect, name, ledger, untouched):
    """`untouched` are the instances whose figures are this host's; None when all are."""

    @wraps(collect)
    def watched(self):
        collection = collect(self)
        is_live = untouched is None or self in untouched
        ledger.note_collection(name, collection, is_live=is_live)
        return collection

    return watched


def watch_runs(ledger):
    from streamswarm_agent.runtime.recorder import Recorder

    finish_run = Recorder.finish_run

    @wraps(finish_run)
    async def watched(self, started, finding):
        own = {key: value for key, value in finding.values.items() if key.startswith(RUN_PREFIX)}
        ledger.note_numbers("agent", own)
        await finish_run(self, started, finding)

    Recorder.finish_run = watched


def watch_laboratory(ledger):
    """What real agents in namespaces of their own print."""
    from streamswarm_agent.laboratory.namespaces import Namespace

    run = Namespace.run

    @wraps(run)
    def watched(self, argv, **options):
        printed = run(self, argv, **options)
        note_printed(ledger, list(argv), printed)
        return printed

    Namespace.run = watched


def note_printed(ledger, argv, printed):
    """`streamswarm_agent test KIND ... --json` prints an outcome; other commands do not count."""
    if "streamswarm_agent" not in argv or "--json" not in argv:
        return
    command, kind, *_ = [*argv[argv.index("streamswarm_agent") + 1 :], "", ""]
    if command == "test":
        outcome = json.loads(printed)["outcome"]
        ledger.note_outcome(kind, SimpleNamespace(**outcome), is_live=True)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A worker of a parallel run is done."""
    ledger = node.config.stash.get(STASHED_LEDGER, None)
    output = getattr(node, "workeroutput", {}).get(OUTPUT_NAME)
    if ledger is not None and output is not None:
        ledger.add(output)


def pytest_sessionfinish(session, exitstatus):
    ledger = session.config.stash.get(STASHED_LEDGER, None)
    if ledger is None:
        return
    worker_output = getattr(session.config, "workeroutput", None)
    if worker_output is not None:
        worker_output[OUTPUT_NAME] = ledger.as_output()
    elif exitstatus == pytest.ExitCode.OK and list_faults(ledger):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def list_faults(ledger):
    """Why the run is not good, as sentences."""
    faults = sorted(ledger.problems)
    if len(ledger.emitters) < LEAST_EMITTED:
        faults.append(f"only {len(ledger.emitters)} metrics were emitted, not {LEAST_EMITTED}")
    return faults


def pytest_terminal_summary(terminalreporter, config):
    ledger = config.stash.get(STASHED_LEDGER, None)
    if ledger is None:
        return
    terminalreporter.section("metrics really emitted")
    for line in describe_ledger(ledger):
        terminalreporter.write_line(line)


def describe_ledger(ledger):
    emitted = ledger.emitters.keys()
    servers = {name for name, row in ledger.catalogue.items() if row["emitted_by"] == ["server"]}
    missing = defaultdict(list)
    for name, row in ledger.catalogue.items():
        if name not in emitted and name not in servers:
            missing[row["group"]].append(name)
    only_recorded = ledger.recorded - ledger.live
    yield f"{len(emitted)} of {len(ledger.catalogue)} metrics of the catalogue were emitted"
    yield f"  {len(ledger.live)} live: off this very host, or over real sockets"
    yield f"  {len(ledger.recorded)} off recorded hosts or over counterfeit sockets,"
    yield f"  {len(only_recorded)} of them in no other way"
    yield f"  {len(servers)} are computed by the server and not counted"
    for group, names in missing.items():
        wanted = (f"{name} ({' or '.join(ledger.catalogue[name]['emitted_by'])})" for name in names)
        yield f"nobody emitted, of {group} ({len(names)}): {', '.join(wanted)}"
    yield from list_faults(ledger)
