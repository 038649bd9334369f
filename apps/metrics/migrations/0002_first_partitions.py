from datetime import timedelta

from django.db import migrations
from django.utils import timezone

DAYS_AROUND_TODAY = range(-8, 4)


def create_partitions(_apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    today = timezone.now().date()
    for number in DAYS_AROUND_TODAY:
        day = today + timedelta(days=number)
        schema_editor.execute(
            f"CREATE TABLE IF NOT EXISTS metrics_frame_{day:%Y%m%d} PARTITION OF metrics_frame"
            f" FOR VALUES FROM ('{day}T00:00:00Z') TO ('{day + timedelta(days=1)}T00:00:00Z')"
        )


class Migration(migrations.Migration):
    dependencies = [("metrics", "0001_initial")]

    operations = [migrations.RunPython(create_partitions, migrations.RunPython.noop)]
