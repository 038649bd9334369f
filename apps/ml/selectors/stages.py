"""How far learning about a test on a client is."""

from django.utils.translation import gettext as _

from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.stages import LEAST_SHOWN, Stage, Standing, find_stage
from apps.ml.models import ModelVersion
from apps.ml.selectors.observations import count_judged_results
from apps.ml.selectors.registry import find_champion
from apps.tests.models import Assignment


def find_version_stage(version: ModelVersion) -> Standing:
    """The stage of a model, by what it was learned and judged from together."""
    span = version.held_until - version.data_from
    return find_stage(version.row_count + version.held_count, span)


def find_assignment_stage(kind: str, assignment: Assignment) -> Standing:
    """That of the model in use; without one it is learning, whatever there is. Two queries."""
    champion = find_champion(kind, Scope("assignment", str(assignment.id)).text)
    if champion is not None:
        return find_version_stage(champion)
    return Standing(Stage.LEARNING, count_judged_results(assignment), LEAST_SHOWN)


def describe_stage(standing: Standing) -> str:
    """In words: "learning 12/50"."""
    return {
        Stage.LEARNING: _("learning %(count)d/%(needed)d: until then rules alone decide"),
        Stage.PROVISIONAL: _("provisional, of %(count)d/%(needed)d results: it raises no alerts"),
        Stage.EARLY: _("early, of %(count)d results: what it finds counts as information"),
        Stage.FULL: _("learned from %(count)d results"),
    }[standing.stage] % {"count": standing.count, "needed": standing.needed}
