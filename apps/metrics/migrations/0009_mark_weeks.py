"""Have the weeks laid out of all hours that are kept already, by and by."""

from django.db import migrations

MARK_WEEKS_POSTGRESQL = """
INSERT INTO metrics_dirtybucket (source_id, step, at, due_at, claimed_until, revision)
SELECT source_id, 604800, week, now(), now(), 0
FROM (
  SELECT DISTINCT source_id, date_bin('7 days', at, TIMESTAMPTZ '1970-01-01 00:00:00Z') AS week
  FROM metrics_rollup WHERE step = 3600
) AS weeks
ON CONFLICT DO NOTHING
"""
MARK_WEEKS_SQLITE = """
INSERT OR IGNORE INTO metrics_dirtybucket (source_id, step, at, due_at, claimed_until, revision)
SELECT source_id, 604800, week, moment, moment, 0
FROM (
  SELECT DISTINCT source_id,
    datetime(CAST(strftime('%s', at) AS INTEGER) / 604800 * 604800, 'unixepoch') AS week,
    datetime('now') AS moment
  FROM metrics_rollup WHERE step = 3600
)
"""


def mark_weeks(_apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(MARK_WEEKS_POSTGRESQL if is_postgresql else MARK_WEEKS_SQLITE)


class Migration(migrations.Migration):
    dependencies = [("metrics", "0008_hour_strips")]

    operations = [migrations.RunPython(mark_weeks, migrations.RunPython.noop)]
