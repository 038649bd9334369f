from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0002_tag_trees_and_maintenance"),
    ]

    operations = [
        migrations.AddField(
            model_name="client",
            name="heartbeats",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="client",
            name="deleted_at",
            field=models.DateTimeField(
                blank=True, db_index=True, null=True, verbose_name="deleted"
            ),
        ),
    ]
