from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0003_deletion_and_heartbeats"),
    ]

    operations = [
        migrations.AddField(
            model_name="maintenancewindow",
            name="ended_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="ended by hand"),
        ),
    ]
