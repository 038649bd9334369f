"""Have everything rolled up that was stored before there were rollups."""

from django.db import migrations

NOTE_FRAMES_POSTGRESQL = """
INSERT INTO metrics_arrival (slots)
SELECT jsonb_build_object(source_id::text, jsonb_agg(DISTINCT slot))
FROM (
  SELECT source_id, floor(extract(epoch FROM at) / 300)::bigint AS slot FROM metrics_frame
) AS frames
GROUP BY source_id, slot / 288
"""
NOTE_FRAMES_SQLITE = """
INSERT INTO metrics_arrival (slots)
SELECT json_object(CAST(source_id AS TEXT), json(json_group_array(DISTINCT slot)))
FROM (
  SELECT source_id, CAST(strftime('%s', at) AS INTEGER) / 300 AS slot FROM metrics_frame
)
GROUP BY source_id, slot / 288
"""
# Where any of these has a row, the frames have been noted: an earlier form of 0004 did so.
KNOWING = ("Arrival", "DirtyBucket", "Rollup")


def note_frames(apps, schema_editor):
    if any(apps.get_model("metrics", name).objects.exists() for name in KNOWING):
        return
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(NOTE_FRAMES_POSTGRESQL if is_postgresql else NOTE_FRAMES_SQLITE)


class Migration(migrations.Migration):
    dependencies = [("metrics", "0005_clock_mark")]

    operations = [migrations.RunPython(note_frames, migrations.RunPython.noop)]
