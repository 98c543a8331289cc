"""Options that several commands share, as dataclasses: each field is an option."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Annotated, Any, get_args, get_type_hints

_EMPTY = inspect.Parameter.empty


def default_of(owner: str, parameter: str) -> Callable[[], Any]:
    """Make a function that reads the default of an argument of ``ldosml.<owner>``, which takes the library's import."""

    def read() -> Any:
        import ldosml

        return inspect.signature(getattr(ldosml, owner)).parameters[parameter].default

    return read


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace arguments of a command that are dataclasses by one option for each field, also of nested ones.

    An argument of the command, or a field of the outer dataclass, takes the place of an inner field of its name, which
    keeps its default.
    """
    arguments = inspect.signature(command, eval_str=True).parameters
    groups = {name: one.annotation for name, one in arguments.items() if dataclasses.is_dataclass(one.annotation)}
    own = {name: _keyword(name, one.annotation, one.default) for name, one in arguments.items() if name not in groups}
    shared: dict[str, inspect.Parameter] = {}
    for group in groups.values():
        shared |= {one.name: one for one in _options(group, own.keys() | shared.keys())}

    @wraps(command)
    def run(**given: Any) -> None:
        chosen = {name: given[name] for name in own}
        fields = {name: given[name] for name in shared}
        command(**chosen, **{name: _assembled(group, fields) for name, group in groups.items()})

    parameters = [*own.values(), *shared.values()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _fields(group: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields that are options, and dataclasses that are fields, by name."""
    hints = get_type_hints(group, include_extras=True)
    nested = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    return {field.name: field for field in dataclasses.fields(group) if field.name not in nested}, nested


def _options(group: Any, taken: set[str]) -> Iterator[inspect.Parameter]:
    fields, nested = _fields(group)
    for name, hint in get_type_hints(group, include_extras=True).items():
        if name in nested:
            yield from _options(hint, taken | fields.keys())
        if name in nested or name in taken:
            continue
        field = fields[name]
        if field.default_factory is not dataclasses.MISSING:
            kind, option = get_args(hint)
            option = copy.copy(option)
            option.default_factory = field.default_factory
            hint = Annotated[kind, option]
        yield _keyword(name, hint, _EMPTY if field.default is dataclasses.MISSING else field.default)


def _assembled(group: Any, given: Mapping[str, Any]) -> Any:
    fields, nested = _fields(group)
    inner = {name: value for name, value in given.items() if name not in fields}
    own = {name: given[name] for name in fields if name in given}
    return group(**own, **{name: _assembled(kind, inner) for name, kind in nested.items()})


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
