from typing import ClassVar

from django.db import models


class Sender(models.Model):
    digest = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.digest


class Sample(models.Model):
    sender = models.ForeignKey(Sender, on_delete=models.CASCADE)
    metric = models.CharField(max_length=200)
    at = models.DateTimeField()
    value = models.FloatField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sender", "metric", "at"], name="sample_once")
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.at.isoformat()}"
