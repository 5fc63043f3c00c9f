"""Action: what people are told, and that it does not change between being seen and being done."""

from __future__ import annotations

import copy
import sys
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, SecretStr

from hitl import Action
from hitl.definition import action as module
from hitl.definition.action import Args, find_model, from_json, model_schema, schema_of, to_json
from hitl.exceptions import InvalidAction, NotCanonical

TOLD = {"title": "Send 5 to X", "impact": "Money leaves"}


class Receiver(BaseModel):
    name: str
    country: str = "NL"


class SendWire(BaseModel):
    amount: float
    to: Receiver = Field(default_factory=lambda: Receiver(name="X"))


class Open(BaseModel):
    model_config = {"extra": "allow"}
    n: int


@pytest.fixture
def later() -> Any:
    """A module of the author's whose model can be changed or taken away between two deployments."""
    name = "tests_author_models"
    sys.modules[name] = ModuleType(name)

    def deploy(model: type[BaseModel] | None) -> None:
        module._models.pop(f"{name}:Wire", None)
        if model is None:
            del sys.modules[name].Wire
            return
        model.__module__, model.__qualname__ = name, "Wire"
        sys.modules[name].Wire = model  # type: ignore[attr-defined]

    yield deploy
    module._models.pop(f"{name}:Wire", None)
    del sys.modules[name]


def wire(later: Any) -> Action:
    """An action with a model, as it was stored."""

    class Wire(BaseModel):
        amount: int

    later(Wire)
    return Action(Wire(amount=5), **TOLD)


# -- making one ---------------------------------------------------------------------------------------


def test_a_model_gives_type_arguments_and_a_way_back() -> None:
    action = Action(SendWire(amount=5), **TOLD)
    assert (action.type, action.args) == ("send_wire", {"amount": 5.0, "to": {"name": "X", "country": "NL"}})
    assert action.typed() == SendWire(amount=5)
    assert (action.description, action.target, action.reversible) == ("", "", False)


def test_a_type_of_its_own_wins_over_the_name_of_the_model() -> None:
    assert Action(SendWire(amount=5), type="wire", **TOLD).type == "wire"


def test_a_dict_needs_a_type_and_comes_back_as_attributes() -> None:
    action = Action({"order": "A-17"}, type="refund", **TOLD)
    assert isinstance(action.typed(), Args)
    assert action.typed().order == "A-17"
    with pytest.raises(AttributeError, match=r"^amount$"):
        _ = action.typed().amount


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"type": "", "title": "T", "impact": "I"}, "type"),
        ({"type": "do", "title": "", "impact": "I"}, "title"),
        ({"type": "do", "title": " \n", "impact": "I"}, "title"),
        ({"type": "do", "title": "T", "impact": ""}, "impact"),
        ({"type": "do", "title": None, "impact": "I"}, "title"),
        ({"type": "do", "title": "T", "impact": 5}, "impact"),
    ],
)
def test_what_people_decide_by_must_be_there(given: dict[str, Any], missing: str) -> None:
    with pytest.raises(InvalidAction) as error:
        Action({"n": 1}, **given)
    assert error.value.code == "invalid_action"
    assert error.value.message == f"an action needs a {missing}: people decide by it"


@pytest.mark.parametrize("args", ["text", 5, None, [1], SendWire])
def test_arguments_are_a_model_or_a_dict(args: Any) -> None:
    with pytest.raises(InvalidAction) as error:
        Action(args, type="do", **TOLD)
    assert "an action's arguments are a pydantic model or a dict" in error.value.message


def test_a_number_that_json_does_not_have_is_refused_with_its_path() -> None:
    with pytest.raises(NotCanonical) as error:
        Action(SendWire(amount=float("nan")), **TOLD)
    assert error.value.message == "action.args.amount is nan: JSON has no such number"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"x": [float("inf")]}, "args.x[0] is inf"),
        ({"x": "a\0"}, "args.x holds a NUL"),
        ({1: 2}, "args has the key 1"),
        ({"x": object()}, "args.x is a object"),
    ],
)
def test_arguments_that_are_not_json_are_refused_with_their_path(args: Any, message: str) -> None:
    with pytest.raises(NotCanonical) as error:
        Action(args, type="do", **TOLD)
    assert message in error.value.message


def test_words_that_are_not_text_for_both_databases_are_refused() -> None:
    with pytest.raises(NotCanonical) as error:
        Action({}, type="do", title="half \ud800", impact="I")
    assert error.value.message == "action.$action.title holds a lone surrogate at 5"


def test_what_the_model_would_have_refused_is_refused() -> None:
    with pytest.raises(InvalidAction) as error:
        Action(SendWire.model_construct(amount="much"), **TOLD)
    assert error.value.message.startswith("SendWire refuses these arguments")
    assert "amount" in error.value.message


def test_what_was_changed_after_validation_is_refused() -> None:
    args = SendWire(amount=5)
    args.to.name = 5  # type: ignore[assignment]
    with pytest.raises(InvalidAction) as error:
        Action(args, **TOLD)
    assert "to.name" in error.value.message


def test_an_action_is_frozen() -> None:
    action = Action({"n": 1}, type="do", **TOLD)
    with pytest.raises(AttributeError):
        action.title = "Something else"  # type: ignore[misc]


# -- keeping it and reading it ------------------------------------------------------------------------


@pytest.mark.parametrize("args", [{"n": 1}, SendWire(amount=0.1)])
def test_an_action_survives_being_stored(args: Any) -> None:
    action = Action(args, type="do", description="d", target="t", reversible=True, **TOLD)
    stored = copy.deepcopy(to_json(action))
    read = from_json(stored)
    assert read == action
    assert (read.model, read.typed()) == (action.model, action.typed())


@pytest.mark.parametrize("value", [None, 5, "x", [1], {"a": 1}])
def test_other_values_stay_what_they_are(value: Any) -> None:
    assert from_json(to_json(value)) == value


@pytest.mark.parametrize("value", [{"$action": {"bogus": 1}}, {"$action": 5}, {"$action": {}, "more": 1}])
def test_a_plain_value_cannot_pose_as_an_action(value: Any) -> None:
    with pytest.raises(InvalidAction, match="return an Action"):
        to_json(value)


def test_what_json_would_mask_is_refused() -> None:
    class Login(BaseModel):
        password: SecretStr

    with pytest.raises(InvalidAction, match="does not survive JSON"):
        Action(Login(password=SecretStr("s3cret")), **TOLD)


def test_aliases_are_kept() -> None:
    class Aliased(BaseModel):
        n: int = Field(alias="N")

    assert Action(Aliased(N=1), **TOLD).args == {"N": 1}


def test_the_arguments_are_a_copy() -> None:
    args = {"n": [1]}
    action = Action(args, type="do", **TOLD)
    args["n"].append(2)
    assert action.args == {"n": [1]}


@pytest.mark.parametrize(
    ("name", "most"), [("type", 200), ("title", 500), ("impact", 5000), ("description", 20_000), ("target", 1000)]
)
def test_texts_have_a_length_both_databases_take(name: str, most: int) -> None:
    texts = {"type": "do", **TOLD, name: "x" * (most + 1)}
    with pytest.raises(InvalidAction, match=f"{name} is a text of at most {most} characters"):
        Action({}, **texts)
    with pytest.raises(InvalidAction):
        Action({}, **{**texts, name: 5})


def test_a_model_that_is_no_action_becomes_json() -> None:
    assert to_json(Receiver(name="X")) == {"name": "X", "country": "NL"}


def test_other_arguments_leave_the_rest_alone() -> None:
    action = Action(SendWire(amount=5), target="t", **TOLD)
    edited = action.with_args({"amount": 4.0, "to": {"name": "X", "country": "NL"}})
    assert edited.typed() == SendWire(amount=4)
    assert action.args["amount"] == 5.0
    assert (edited.type, edited.title, edited.target, edited.model) == (
        action.type,
        action.title,
        "t",
        action.model,
    )


def test_arguments_are_read_without_the_class_when_it_is_gone(later: Any) -> None:
    stored = wire(later).envelope()
    later(None)
    typed = from_json(stored).typed()
    assert isinstance(typed, Args)
    assert typed == {"amount": 5}


def test_a_class_that_refuses_approved_arguments_stops_them(later: Any) -> None:
    stored = wire(later).envelope()

    class Wire(BaseModel):
        amount: int = Field(lt=5)

    later(Wire)
    with pytest.raises(InvalidAction) as error:
        from_json(stored).typed()
    assert error.value.message.startswith("Wire refuses the approved arguments")


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": (int, ...), "urgent": (bool, True)},  # adds what nobody saw
        {"total": (int, 0)},  # drops what was approved
        {"amount": (str, ...)},  # would read it as something else
    ],
)
def test_a_class_that_would_change_approved_arguments_stops_them(fields: dict[str, Any], later: Any) -> None:
    from pydantic import create_model

    stored = wire(later).envelope()
    later(create_model("Wire", __config__={"coerce_numbers_to_str": True}, **fields))
    with pytest.raises(InvalidAction) as error:
        from_json(stored).typed()
    assert error.value.message == "Wire would change the approved arguments; ask again with the new model"


@pytest.mark.parametrize(
    "path", ["", "no.such.module:X", "json:nothing", "json:dumps", "builtins:dict", f"{__name__}:TOLD"]
)
def test_only_models_are_found(path: str) -> None:
    assert find_model(path) is None


# -- its schema ---------------------------------------------------------------------------------------


def errors(schema: dict[str, Any], value: Any) -> list[str]:
    Draft202012Validator.check_schema(schema)
    return [error.validator for error in Draft202012Validator(schema).iter_errors(value)]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"amount": 1, "to": {"name": "X"}}, []),
        ({"amount": 1, "to": {"name": "X"}, "memo": "hidden"}, ["additionalProperties"]),
        ({"amount": 1, "to": {"name": "X", "iban": "hidden"}}, ["additionalProperties"]),
        ({"amount": "much"}, ["type"]),
        ({}, ["required"]),
    ],
)
def test_the_schema_of_a_model_is_closed_at_every_depth(value: Any, found: list[str]) -> None:
    assert errors(Action(SendWire(amount=1), **TOLD).schema(), value) == found


def test_a_model_that_is_open_on_purpose_stays_open() -> None:
    assert errors(model_schema(Open), {"n": 1, "more": 2}) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"n": 2, "who": {"name": "Y"}, "tags": [], "on": False, "none": "any"}, []),
        ({"n": 2.5, "who": {"name": "Y"}, "tags": ["x"], "on": True, "none": None}, []),
        ({"n": True, "who": {"name": "Y"}, "tags": [], "on": False, "none": 1}, ["type"]),
        ({"n": 2, "who": {"name": "Y", "more": 1}, "tags": [], "on": False, "none": 1}, ["additionalProperties"]),
        ({"n": 2, "tags": [], "on": False, "none": 1}, ["required"]),
    ],
)
def test_the_schema_of_a_dict_takes_the_same_shape_only(value: Any, found: list[str]) -> None:
    args = {"n": 1, "who": {"name": "X"}, "tags": ["a"], "on": True, "none": None}
    assert errors(Action(args, type="do", **TOLD).schema(), value) == found
    assert schema_of(args)["additionalProperties"] is False
