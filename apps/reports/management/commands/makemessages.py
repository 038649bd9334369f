"""`manage.py makemessages`: gathers what reports and their mails say, and nothing else.

The pages speak English alone, so their words are in no catalogue.
"""

from typing import Any

from django.core.management.commands import makemessages

SPOKEN = (
    "apps/ml/selectors/forecasts.py",
    "apps/reports/sections/",
    "apps/reports/selectors/facts/",
    "apps/reports/services/reports/",
    "templates/emails/report.",
    "templates/reports/",
)


class Command(makemessages.Command):
    def find_files(self, root: str) -> list[Any]:
        """The files whose words a report may show."""
        return [
            one
            for one in super().find_files(root)
            if one.path.removeprefix("./").startswith(SPOKEN)
        ]
