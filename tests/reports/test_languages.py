"""Reports in other languages: nothing stays English but names, and numbers are as people write."""

import base64
import gettext
import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client as Browser
from django.urls import reverse
from django.utils import translation
from django.utils.translation import trans_real
from drf_spectacular.generators import SchemaGenerator

from apps.ml.diagnosis.ranking import diagnose
from apps.reports.languages import CODES
from apps.reports.models import ReportPlan
from apps.reports.sections.sentences import say_advice, say_reason
from apps.reports.sections.wording import write_count, write_seconds, write_share, write_span
from apps.reports.services.reports import create_plan
from apps.reports.services.reports.document import render_html
from tests.factories.clients import make_client
from tests.factories.maintenance import select
from tests.factories.reports import define_plan, make_report
from tests.factories.tests import make_assignment
from tests.injection.cases import read_corpus
from tests.ml.test_corpus import CORPUS
from tests.reports.conftest import measure
from tests.reports.scenes import enrich
from tests.reports.test_catalogues import list_words, read_entries
from tests.reports.test_documents import build

# Of the scene, with what is the same word in some language; one advice is no judge's.
NAMES = {
    "Vienna",
    "vienna-1",
    "Edge",
    "Gateway",
    "Shop",
    "Gateway @ vienna-1",
    "Shop @ vienna-1",
    "127.0.0.1",
    "Check the cable.",
    "Link eth0",
    "1 client (vienna-1)",
    "\N{EM DASH}",
}
FIGURE = re.compile(r"[-+]?\d+(?: (?:%|d|h|min|s|ms|[kMG]?bit/s))?(?: \d+ (?:h|min|s))?")
OTHERS = [code for code in CODES if code != "en"]
WORDS = {"de": "Zusammenfassung", "es": "Resumen", "fr": "Synthèse"}


class Missed(gettext.NullTranslations):
    """Asked for what a catalogue does not have; remembers it."""

    def __init__(self):
        super().__init__()
        self.messages = set()

    def gettext(self, message):
        self.messages.add(message)
        return message

    def ngettext(self, one, many, count):
        self.messages.add(one)
        return super().ngettext(one, many, count)


@pytest.fixture(params=OTHERS)
def language(request):
    return request.param


@pytest.fixture
def missed(language, monkeypatch):
    """The messages that the language's catalogue was asked for in vain."""
    missed = Missed()
    monkeypatch.setattr(trans_real.translation(language), "_fallback", missed)
    return missed.messages


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.django_db
def test_no_report_asks_for_words_that_its_language_lacks(owner, network, now, language, missed):
    enrich(network, now)
    names = set()
    for template in ReportPlan.Template.values:
        document = build(owner, now, template=template, language=language)
        assert f'<html lang="{language}">' in render_html(document)
        names |= {section.name for section in document.sections}
    assert names >= {"summary", "incidents", "capacity", "diagnosis", "traffic", "tests", "clients"}
    for period in ("24h", "30d", "90d"):
        build(owner, now, period=period, language=language)
    tests = [str(network["good"].test_id)]
    assert "%" in build(owner, now, tests=tests, language=language).verdict
    assert build(owner, now, selector=select(sites=["nowhere"]), language=language).verdict
    assert missed == set()


def read_texts(html):
    """All that somebody may read or hear of a document, its charts included."""
    html = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    pictures = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", html)
    sources = [html, *(base64.b64decode(one).decode() for one in pictures)]
    texts = [text for one in sources for text in re.findall(r">([^<]+)<", one)]
    texts += re.findall(r'(?:alt|aria-label)="([^"]+)"', html)
    return {text.strip() for text in texts if text.strip()}


@pytest.mark.django_db
def test_nothing_is_said_alike_in_two_languages_but_names_and_figures(
    owner, network, now, language
):
    enrich(network, now)
    same = set()
    for template in ReportPlan.Template.values:
        ours, theirs = (
            read_texts(render_html(build(owner, now, template=template, language=code)))
            for code in ("en", language)
        )
        same |= ours & theirs
    alike = {entry["msgid"] for entry in read_entries(language) if is_alike(entry)}
    unsaid = {text for text in same - alike - NAMES if not FIGURE.fullmatch(plain(text))}
    assert unsaid == set()


def is_alike(entry):
    return all(original == text for original, text in list_words(entry))


@pytest.mark.django_db
def test_names_stay_as_they_are_also_where_they_are_words(owner, now, language):
    client = make_client("Memory", site="vienna", hostname="Availability")
    measure(make_assignment(client, "Packet loss"), now, [True, False, True, False])
    for template in ReportPlan.Template.values:
        html = render_html(build(owner, now, name="Summary", template=template, language=language))
        assert "<h1>Summary</h1>" in html
        if template != "capacity":
            assert "Packet loss" in html
            assert "Memory" in html


@pytest.mark.django_db(transaction=True)
def test_a_mail_is_in_the_language_of_its_document(owner, network, now, post, language, missed):
    from apps.reports.services.reports.delivering import mail

    document = build(owner, now, language=language)
    plan = create_plan(define_plan(language="en"), owner=owner)
    report = make_report(plan, verdict=document.verdict, summary=document.summary)
    mail(report.deliveries.get())
    message = post.wait_for("ann@example.org")
    parts = {one.get_content_type(): one for one in message.walk()}
    html = parts["text/html"].get_content()
    assert f'<html lang="{language}">' in html
    assert document.verdict in parts["text/plain"].get_content()
    assert "The whole report" not in html
    assert missed == set()


@pytest.mark.django_db
def test_the_pages_stay_english_around_a_preview_in_another_language(owner, network, now, language):
    form = {
        "name": "Vienna",
        "template": "executive",
        "period": "7d",
        "time_zone": "UTC",
        "language": language,
        "accent": "#123456",
        "cadence": "never",
        "hour": "7",
        "weekday": "4",
        "month_day": "1",
        "sites": ["vienna"],
    }
    headers = {"Accept-Language": language}
    # Facts count once their hour is over.
    with time_machine.travel(now + timedelta(hours=1), tick=False):
        browser = Browser()
        browser.force_login(owner)
        answer = browser.post(reverse("dashboard:preview-report"), form, headers=headers)
        page = browser.get(reverse("dashboard:new-report-plan"), headers=headers).content.decode()
    text = answer.content.decode()
    head = text.partition('<article class="report"')[2].partition(">")[0]
    assert f'lang="{language}"' in head
    assert WORDS[language] in text
    assert ">Contents<" not in text
    assert '<html lang="en"' in page
    assert WORDS[language] not in page


@pytest.mark.django_db
def test_the_api_names_the_languages_that_there_are(owner):
    browser = Browser()
    browser.force_login(owner)
    plan = {"name": "Vienna", "language": "xx"}
    answer = browser.post("/api/v1/report-plans/", plan, content_type="application/json")
    assert answer.status_code == 400
    assert "en, de, es, fr" in answer.content.decode()
    schema = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]
    assert "LanguageEnum" in schema["ReportPlan"]["properties"]["language"]["$ref"]
    assert schema["LanguageEnum"]["enum"] == list(CODES)
    plan["language"] = "de"
    answer = browser.post("/api/v1/report-plans/", plan, content_type="application/json")
    assert (answer.status_code, answer.json()["language"]) == (201, "de")


def test_numbers_are_as_the_language_writes_them():
    written = {}
    for code in CODES:
        with translation.override(code):
            figures = (
                write_seconds(0.01234),
                write_share(0.9995),
                write_count(12_345),
                write_span(90_000_000),
            )
        written[code] = [plain(one) for one in figures]
    assert written == {
        "en": ["12.3 ms", "99.950 %", "12,345", "1,041 d 16 h"],
        "de": ["12,3 ms", "99,950 %", "12.345", "1.041 d 16 h"],
        "es": ["12,3 ms", "99,950 %", "12 345", "1 041 d 16 h"],
        "fr": ["12,3 ms", "99,950 %", "12 345", "1 041 j 16 h"],
    }


@pytest.mark.django_db
def test_dates_and_figures_in_a_document_are_those_of_the_language(owner, network, now):
    enrich(network, now)
    html = plain(render_html(build(owner, now, language="de")))
    text = re.sub(r"data:[^\"']*|<style>.*?</style>", "", html, flags=re.DOTALL)
    assert re.search(r"\d{1,2}\. \w{3}\.? \d{4}, \d\d:\d\d \u2013 ", text)
    assert "10,0 ms" in text
    assert "192.0.2.1" in text
    assert not re.search(r"\d\.\d+ (?:%|ms|s|Mbit/s)(?![\w.])", text)


def test_all_advice_of_the_recorded_faults_is_known(language):
    advice = {
        verdict.recommendation
        for one in read_corpus(CORPUS)
        for verdict in diagnose(one.case).verdicts
    }
    assert len(advice) > 15
    with translation.override(language):
        assert [text for text in advice if say_advice(text) == text] == []


def test_what_stands_in_the_gaps_of_advice_is_kept(language):
    with translation.override(language):
        said = say_advice("Open a ticket with who runs hop 3 (192.0.2.1); attach the hop table.")
        rate = say_advice(
            "Shape below the contract's rate (85.3 Mbit/s), or ask the provider to shape instead "
            "of dropping."
        )
        both = say_advice(
            "Save what is on the disk and replace it. Free space or enlarge the file system."
        )
    assert "192.0.2.1" in said
    assert "85,3 Mbit/s" in rate
    assert both.count(". ") == 1


def test_reasons_keep_their_counts_and_unknown_ones_are_quoted(language):
    with translation.override(language):
        said = say_reason("no answer in time (12); Connection refused (3); frobnicated; ")
    assert re.fullmatch(r".+ \(12\); .+ \(3\); frobnicated; ", said)
    assert "no answer" not in said
    assert "refused" not in said
    assert say_reason("") == ""
