"""The catalogues in `locale/`: whole, the same everywhere, and compiled from what one reads."""

import ast
import gettext
import re
from pathlib import Path

import pytest

from apps.metrics.catalogue import METRICS
from apps.ml.diagnosis.judges import JUDGES
from apps.ml.models import Forecast
from apps.ml.selectors.series import WATCHED_KEYS
from apps.reports.languages import CODES
from apps.reports.models import ReportPlan
from apps.reports.sections import words
from apps.tests.kinds import KINDS

LOCALE = Path(__file__).parents[2] / "locale"
OTHERS = [code for code in CODES if code != "en"]
GAP = re.compile(r"%\((\w+)\)[a-z]|%%")
CONTEXT_END = "\x04"


def read_entries(language):
    """The entries of a catalogue as it is written: key, and its words by their number."""
    text = (LOCALE / language / "LC_MESSAGES" / "django.po").read_text("utf-8")
    assert "#~" not in text, "words that nothing says any more"
    return [parse_entry(block) for block in text.split("\n\n") if "msgid" in block]


def parse_entry(block):
    """Of `msgctxt`, `msgid`, `msgid_plural` and `msgstr[n]`, each with the lines behind it."""
    fields, name = {}, ""
    for line in block.splitlines():
        if line.startswith("#,"):
            assert "fuzzy" not in line, block
        if line.startswith("#"):
            continue
        text = line
        if not line.startswith('"'):
            name, text = line.split(" ", 1)
        fields[name] = fields.get(name, "") + ast.literal_eval(text)
    return fields


def key_of(entry):
    context = entry["msgctxt"] + CONTEXT_END if "msgctxt" in entry else ""
    return context + entry["msgid"]


def list_words(entry):
    """The original and the words of each form."""
    if "msgid_plural" not in entry:
        return [(entry["msgid"], entry["msgstr"])]
    originals = (entry["msgid"], entry["msgid_plural"])
    return [(originals[place], entry[f"msgstr[{place}]"]) for place in (0, 1)]


def compile_entries(entries):
    """As gettext keeps them once it has read the compiled file."""
    known = {}
    for entry in entries:
        if "msgid_plural" in entry:
            for place, (_original, text) in enumerate(list_words(entry)):
                known[(key_of(entry), place)] = text
        else:
            known[key_of(entry)] = entry["msgstr"]
    # The compiler leaves out when the words were gathered.
    known[""] = re.sub(r"POT-Creation-Date: .*\n", "", known[""])
    return known


@pytest.fixture(params=OTHERS)
def language(request):
    return request.param


def test_there_is_a_folder_for_each_language_and_none_besides():
    assert sorted(path.name for path in LOCALE.iterdir()) == sorted(OTHERS)


def test_all_languages_have_the_same_messages_and_words_for_each(language):
    entries = read_entries(language)
    keys = [key_of(entry) for entry in entries]
    assert len(keys) == len(set(keys))
    assert set(keys) == {key_of(entry) for entry in read_entries(OTHERS[0])}
    assert [entry for entry in entries if not all(text for _one, text in list_words(entry))] == []


def test_the_gaps_of_each_translation_are_those_of_the_original(language):
    wrong = [
        (original, text)
        for entry in read_entries(language)
        for original, text in list_words(entry)
        if sorted(GAP.findall(original)) != sorted(GAP.findall(text))
    ]
    assert wrong == []


def test_what_is_compiled_is_what_is_written(language):
    with (LOCALE / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert compiled._catalog == compile_entries(read_entries(language))


def test_names_that_code_only_points_to_are_in_the_catalogues(language):
    known = {key_of(entry) for entry in read_entries(language)}
    watched = [key for keys in WATCHED_KEYS.values() for key in keys]
    watched += [key for kind in KINDS.values() for key in kind.headline]
    names = {kind.title for kind in KINDS.values()} | {judge.title for judge in JUDGES.values()}
    names |= {METRICS[key.split("{")[0]].description for key in watched}
    names |= {str(label) for label in (*ReportPlan.Template.labels, *Forecast.Verdict.labels)}
    assert names - known == set()


def test_no_name_is_kept_in_the_catalogues_that_nothing_has_any_more():
    assert set(words.KIND_TITLES) == {kind.title for kind in KINDS.values()}
    assert set(words.CAUSE_TITLES) == {judge.title for judge in JUDGES.values()}
    assert set(words.METRIC_DESCRIPTIONS) <= {one.description for one in METRICS.values()}
