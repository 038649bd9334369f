"""A PDF of each template, made of a month that simulated agents told the server through their API.

    python -m benchmarks.report_samples FOLDER [--language de]

prints one line a file; look at the pages, for instance with `pdftoppm -png`. The month stays in
the folder, so that a second call prints it again at once.
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine

from benchmarks.measuring.month import begin_month
from benchmarks.planner import prepare
from tests.servers.redis import run_redis


def judge(month: Any) -> None:
    """What people and the periodic tasks would have asked for at the end."""
    from apps.ml.services.diagnosing import diagnose_run
    from apps.ml.services.forecasting.making import make_forecasts
    from apps.tests.models import Run

    for place, run in enumerate(Run.objects.filter(result__is_success=False).order_by("start_at")):
        if place % 4 == 0:
            month.clock.shift(1)
            diagnose_run(run, asked_by=None)
    month.clock.move_to(month.end)
    for _made, _total in make_forecasts(now=month.end, since=month.end, client_id=None):
        pass


def print_templates(folder: Path, end: datetime, language: str) -> None:
    from apps.accounts.models import User
    from apps.clients.models import Client
    from apps.reports.models import ReportPlan
    from apps.reports.services.reports import ask_question, build_document
    from apps.reports.services.reports.document import render_html
    from apps.reports.writers.press import print_html
    from apps.tests.models import Test
    from tests.factories.accounts import make_user

    owner = User.objects.filter(username="boss").first() or make_user("boss", "admin")
    one = Client.objects.order_by("name").first()
    narrow = {"sites": [], "tags": [], "clients": [str(one.id) if one else ""]}
    shop = str(Test.objects.get(name__startswith="Order").id)
    folder.mkdir(parents=True, exist_ok=True)
    for template in ReportPlan.Template.values:
        plan = ReportPlan(
            name=f"Network of Example Ltd: {template}",
            owner=owner,
            template=template,
            period="30d",
            time_zone="Europe/Vienna",
            language=language,
            selector=narrow if template == "client" else {},
            tests=[shop] if template == "test" else [],
        )
        began = time.process_time()
        question = ask_question(plan, user=owner, now=end)
        html = render_html(build_document(plan, question, end))
        seconds = time.process_time() - began
        printed = print_html(html)
        (folder / f"{template}.html").write_text(html)
        (folder / f"{template}.pdf").write_bytes(printed.content)
        print(
            f"{template}: {printed.pages} pages, {len(printed.content)} B,"
            f" built in {seconds:.2f} s of processor time"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", default="en")
    arguments = parser.parse_args()
    kept = arguments.folder / "month"
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    is_new = not kept.exists()
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, run_redis(Path(name)) as redis_url:
        prepare(kept, redis_url)
        if is_new:
            live(end)
        print_templates(arguments.folder, end, arguments.language)


def live(end: datetime) -> None:
    with time_machine.travel(end - timedelta(days=31), tick=False) as clock:
        month = begin_month(clock, end)
        began = time.perf_counter()
        month.run()
        judge(month)
        print(f"the month took {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
