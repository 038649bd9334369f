"""The kinds of models there are; a new one is a module of this folder and a line of this table."""

from collections.abc import Mapping

from apps.ml.learners.base import Learner

LEARNERS: Mapping[str, Learner] = {}
