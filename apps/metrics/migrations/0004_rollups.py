import django.db.models.deletion
from django.db import migrations, models

import apps.metrics.fields

# Rows of six arrays stay whole, so that one number costs no detour through TOAST.
KEEP_ROWS_WHOLE = "ALTER TABLE metrics_rollup SET (toast_tuple_target = 8160)"


def keep_rows_whole(_apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(KEEP_ROWS_WHOLE)


class Migration(migrations.Migration):
    dependencies = [("metrics", "0003_documents")]

    operations = [
        migrations.CreateModel(
            name="Arrival",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("slots", models.JSONField()),
            ],
        ),
        migrations.CreateModel(
            name="DirtyBucket",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("step", models.IntegerField()),
                ("at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("claimed_until", models.DateTimeField()),
                ("revision", models.PositiveIntegerField(default=0)),
                (
                    "source",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="metrics.source",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["step", "due_at"], name="dirty_bucket_due")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("source", "step", "at"), name="dirty_bucket_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "source_id",
                        "step",
                        "at",
                        "layout_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("step", models.IntegerField()),
                ("at", models.DateTimeField(verbose_name="begin")),
                ("count", apps.metrics.fields.FloatArray()),
                ("minimum", apps.metrics.fields.FloatArray()),
                ("mean", apps.metrics.fields.FloatArray()),
                ("maximum", apps.metrics.fields.FloatArray()),
                ("p50", apps.metrics.fields.FloatArray()),
                ("p95", apps.metrics.fields.FloatArray()),
                (
                    "layout",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="metrics.layout",
                    ),
                ),
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
            options={"indexes": [models.Index(fields=["step", "at"], name="rollup_by_age")]},
        ),
        migrations.RunPython(keep_rows_whole, migrations.RunPython.noop),
    ]
