"""Models and trainings as somebody may see them."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from apps.accounts.policy import AnyUser, Permission, require
from apps.clients.models import Client
from apps.clients.selectors import list_clients
from apps.core.errors import NotFound
from apps.ml.algorithms.scopes import Scope, parse_scope
from apps.ml.models import ModelVersion, Training
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Test
from apps.tests.selectors import list_tests

# Between the name of a test and that of a client.
JOINT = " · "


def match_visible(user: AnyUser) -> Q:
    """What is about a client or test is for who may see that; the rest for who may see any."""
    clients = list_clients(user).order_by().values("id")
    tests = list_tests(user).order_by().values("id")
    is_of_client = Q(client__in=clients)
    is_of_test = Q(client=None) & (Q(test=None) | Q(test__in=tests))
    return is_of_client | is_of_test


def list_models(user: AnyUser) -> QuerySet[ModelVersion]:
    """All versions by kind and scope, the newest first.

    Raises: NotAuthenticated, Refused.
    """
    require(user, Permission.VIEW)
    rows = ModelVersion.objects.filter(match_visible(user))
    return rows.select_related("client", "test", "parent", "trained_by")


def get_model(user: AnyUser, version_id: UUID) -> ModelVersion:
    """Raises: NotAuthenticated, Refused, NotFound."""
    version = list_models(user).filter(id=version_id).first()
    if version is None:
        raise NotFound("model_unknown", "There is no such model.")
    return version


def list_trainings(user: AnyUser) -> QuerySet[Training]:
    """All trainings, the newest first.

    Raises: NotAuthenticated, Refused.
    """
    require(user, Permission.VIEW)
    rows = Training.objects.filter(match_visible(user))
    return rows.select_related("client", "test", "job", "result", "requested_by")


def get_training(user: AnyUser, training_id: UUID) -> Training:
    """Raises: NotAuthenticated, Refused, NotFound."""
    training = list_trainings(user).filter(id=training_id).first()
    if training is None:
        raise NotFound("training_unknown", "There is no such training.")
    return training


def find_champion(kind: str, scope: str) -> ModelVersion | None:
    """The version that is used now."""
    champions = ModelVersion.objects.filter(state=ModelVersion.State.CHAMPION)
    return champions.filter(kind=kind, scope=scope).first()


def find_predecessor(champion: ModelVersion) -> ModelVersion | None:
    """The version that was champion before this one and may be it again."""
    former = ModelVersion.objects.filter(
        kind=champion.kind,
        scope=champion.scope,
        state=ModelVersion.State.RETIRED,
        promoted_at__isnull=False,
    )
    return former.exclude(id=champion.id).order_by("-promoted_at").first()


def name_scope(row: ModelVersion | Training) -> str:
    """What it is about in the words of pages; of loaded rows, without a query."""
    names = [one.name for one in (row.test, row.client) if one is not None]
    return JOINT.join(names) or name_plain(parse_scope(row.scope))


def name_plain(scope: Scope) -> str:
    """The name of a scope that is no row, or whose row is gone."""
    if scope.word == "kind":
        kind = KINDS.get(scope.subject)
        return str(kind.title) if kind else scope.subject
    return scope.text if scope.subject else _("Everything")


def name_scopes(scopes: Collection[Scope]) -> dict[Scope, str]:
    """What people call each of them; three queries for any number."""
    ids = {
        word: [scope.subject for scope in scopes if scope.word == word]
        for word in ("client", "test", "assignment")
    }
    clients = Client.objects.filter(id__in=ids["client"]).values_list("id", "name")
    tests = Test.objects.filter(id__in=ids["test"]).values_list("id", "name")
    given = Assignment.objects.filter(id__in=ids["assignment"])
    pairs = given.values_list("id", "test__name", "client__name")
    names = {
        **{f"client:{id}": name for id, name in clients},
        **{f"test:{id}": name for id, name in tests},
        **{f"assignment:{id}": JOINT.join([test, client]) for id, test, client in pairs},
    }
    return {scope: names.get(scope.text) or name_plain(scope) for scope in scopes}


def place_scope(scope: Scope) -> dict[str, UUID | str | None]:
    """The `client_id` and `test_id` of what a scope is about, as rows repeat them.

    Raises: NotFound for an assignment that is gone.
    """
    if scope.word != "assignment":
        return {
            "client_id": scope.subject if scope.word == "client" else None,
            "test_id": scope.subject if scope.word == "test" else None,
        }
    assignment = Assignment.objects.filter(id=scope.subject).first()
    if assignment is None:
        raise NotFound("assignment_unknown", "There is no such assignment.")
    return {"client_id": assignment.client_id, "test_id": assignment.test_id}
