"""Every refusal looks the same, whoever raises it and wherever it is answered."""

import json

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DataError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions, serializers

from apps.core import errors
from apps.core.database import translate_faults
from apps.core.http import ErrorMiddleware, handle_exception


class Inner(serializers.Serializer):
    size = serializers.IntegerField(min_value=1)


class Outer(serializers.Serializer):
    name = serializers.CharField()
    inner = Inner()
    many = Inner(many=True)


def test_a_serializers_problems_become_a_flat_list_of_fields():
    serializer = Outer(data={"inner": {"size": 0}, "many": [{"size": 1}, {"size": "x"}]})
    with pytest.raises(exceptions.ValidationError) as caught:
        serializer.is_valid(raise_exception=True)
    answer = handle_exception(caught.value, {})
    assert answer.status_code == 400
    assert answer.data["code"] == "invalid"
    fields = {item["field"]: item["code"] for item in answer.data["data"]["errors"]}
    assert fields == {"name": "required", "inner.size": "min_value", "many.1.size": "invalid"}


def test_a_body_that_is_no_object_is_a_problem_of_the_body():
    serializer = Outer(data=[1])
    with pytest.raises(exceptions.ValidationError) as caught:
        serializer.is_valid(raise_exception=True)
    (problem,) = handle_exception(caught.value, {}).data["data"]["errors"]
    assert problem["field"] == "body"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.ParseError(), 400, "invalid"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (errors.NotFound("client_unknown", "There is none."), 404, "client_unknown"),
        (errors.Refused("refused", "No."), 403, "refused"),
        (errors.Conflict("name_taken", "Taken."), 409, "name_taken"),
        (errors.TooLarge("too_large", "No.", retry_after_seconds=3), 413, "too_large"),
        (errors.TooManyRequests("slow", "No.", retry_after_seconds=3), 429, "slow"),
        (errors.StorageFull("storage_full", "No.", retry_after_seconds=60), 507, "storage_full"),
    ],
)
def test_every_error_has_code_detail_and_data(error, status, code):
    answer = handle_exception(error, {})
    assert answer.status_code == status
    assert set(answer.data) == {"code", "detail", "data"}
    assert answer.data["code"] == code
    assert answer.data["detail"]


def test_whoever_is_to_come_back_is_told_when():
    error = errors.Unavailable("away", "Later.", retry_after_seconds=7)
    assert handle_exception(error, {})["Retry-After"] == "7"


def test_a_fault_of_the_program_is_not_made_pretty():
    assert handle_exception(RuntimeError("bug"), {}) is None


def test_an_invalid_names_all_fields_in_one_sentence():
    error = errors.Invalid(
        [errors.FieldError("a", "required", "is needed"), errors.FieldError("b", "x", "is odd")]
    )
    assert error.detail == "a: is needed; b: is odd"
    assert error.data["errors"][0] == {"field": "a", "code": "required", "detail": "is needed"}


def test_outside_the_api_views_programs_get_the_same_document(rf):
    middleware = ErrorMiddleware(lambda _request: HttpResponse())
    error = errors.Unavailable("away", "Come back later.", retry_after_seconds=7)
    answer = middleware.process_exception(rf.get("/api/v1/x/"), error)
    assert (answer.status_code, answer["Retry-After"]) == (503, "7")
    assert json.loads(answer.content)["code"] == "away"


def test_an_error_that_is_not_ours_is_left_to_django(rf):
    middleware = ErrorMiddleware(lambda _request: HttpResponse())
    assert middleware.process_exception(rf.get("/"), RuntimeError()) is None


def fail_with(error, cause=None):
    with translate_faults():
        raise error from cause


def test_a_database_that_is_away_says_when_to_come_back():
    with pytest.raises(errors.Unavailable) as caught:
        fail_with(OperationalError("could not connect to server"))
    assert (caught.value.http_status, caught.value.retry_after_seconds > 0) == (503, True)
    assert "could not connect" not in caught.value.detail


@pytest.mark.parametrize("text", ["database or disk is full", "x"])
def test_a_full_disk_is_told_apart(text):
    cause = RuntimeError()
    cause.pgcode = "53100"
    with pytest.raises(errors.StorageFull) as caught:
        fail_with(OperationalError(text), cause if text == "x" else None)
    assert caught.value.http_status == 507


def test_other_faults_of_the_database_stay_faults():
    with pytest.raises(DataError):
        fail_with(DataError("value too long"))
