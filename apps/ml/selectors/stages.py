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
    """In words, with what comes next: "learning 12/50: until then rules alone decide"."""
    if standing.stage == Stage.LEARNING and standing.count >= standing.needed:
        words = _("no model is in use, though there are %(count)d results: rules alone decide")
        return words % {"count": standing.count}
    if standing.stage == Stage.EARLY and standing.count >= standing.needed:
        words = _(
            "early, of %(count)d results in less than seven days: what it finds counts as "
            "information until then"
        )
        return words % {"count": standing.count}
    return {
        Stage.LEARNING: _("learning %(count)d/%(needed)d: until then rules alone decide"),
        Stage.PROVISIONAL: _(
            "provisional, learning %(count)d/%(needed)d: it may alert at %(needed)d results"
        ),
        Stage.EARLY: _(
            "early, %(count)d/%(needed)d: what it finds counts as information; it warns from "
            "%(needed)d results over seven days on"
        ),
        Stage.FULL: _("learned from %(count)d results"),
    }[standing.stage] % {"count": standing.count, "needed": standing.needed}
