from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0004_maintenance_ended_by_hand"),
    ]

    operations = [
        migrations.AddField(
            model_name="client",
            name="boot_returned_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
