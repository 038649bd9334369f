from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tests", "0003_selection_clock"),
    ]

    operations = [
        migrations.AddField(
            model_name="assignment",
            name="plan_again_at",
            field=models.DateTimeField(db_index=True, null=True),
        ),
    ]
