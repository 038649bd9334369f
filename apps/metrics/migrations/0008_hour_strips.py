import django.db.models.deletion
from django.db import migrations, models

# Strips are just small enough to stay in their rows, so that one costs no detour through TOAST.
KEEP_ROWS_WHOLE = "ALTER TABLE metrics_hourstrip SET (toast_tuple_target = 8160)"


def keep_rows_whole(_apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(KEEP_ROWS_WHOLE)


class Migration(migrations.Migration):
    dependencies = [("metrics", "0007_layout_brought_by")]

    operations = [
        migrations.CreateModel(
            name="HourStrip",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "source_id",
                        "key",
                        "at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("key", models.CharField(blank=True, max_length=255)),
                ("at", models.DateTimeField(verbose_name="begin")),
                ("numbers", models.BinaryField()),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="metrics.source",
                    ),
                ),
            ],
            options={"indexes": [models.Index(fields=["at", "source"], name="strip_by_age")]},
        ),
        migrations.RunPython(keep_rows_whole, migrations.RunPython.noop),
    ]
