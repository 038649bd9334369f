from django.db import migrations

from apps.core.clock import read_now
from apps.metrics.writers import ensure_partitions


def create_partitions(_apps, _schema_editor):
    ensure_partitions(read_now())


class Migration(migrations.Migration):
    dependencies = [("metrics", "0001_initial")]

    operations = [migrations.RunPython(create_partitions, migrations.RunPython.noop)]
