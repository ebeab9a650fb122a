"""Functions that answer hits in L1, written with the parameters of what they stand for.

To a wrapper that takes `*args, **kwargs` a call is a tuple and a dict whose meaning it has to work
out, which takes longer than the hit itself. Named parameters Python binds by itself; so the text
of the wrapper is put together for each list of them, as `dataclasses` does for `__init__`.
`benchmarks/test_cache_l1.py` measures both.
"""

from __future__ import annotations

import inspect
from keyword import iskeyword
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from .store.entry import HIT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .memory import Memory

__all__ = ["answering_hits"]

_OURS: Final = "_hhs_"
_TEXT: Final = """
{begin}def cached({parameters}):
    try:
        _hhs_entry = _hhs_held[_hhs_keys[{kinds}][{values}]]
        if (
            _hhs_entry.expires > _hhs_now()
            and _hhs_entry.group.epoch == _hhs_marks.quick
        ):
            _hhs_entry.hits += {hit}
            return _hhs_entry.value
    except (_hhs_KeyError, _hhs_TypeError, _hhs_AttributeError):
        pass
    return {wait}_hhs_otherwise({arguments})
"""


def answering_hits(
    function: Callable[..., Any],
    otherwise: Callable[..., Any],
    memory: Memory,
    *,
    told_by: Sequence[str],
    keys: dict[object, dict[object, str]],
) -> Callable[..., Any]:
    """Give what answers hits, and calls `otherwise` with the same arguments for all else.

    `told_by` are the parameters, or attributes of them such as `self.id`, of which keys are made;
    `keys` holds known keys by the types of those, then by their values. Gives `otherwise` itself
    where the parameters are not all named, or L1 is no dict.
    """
    held = getattr(memory.find, "__self__", None)
    parameters = _parameters(function)
    if parameters is None or type(held) is not dict:
        return otherwise
    is_async = inspect.iscoroutinefunction(function)
    text = _TEXT.format(
        begin="async " if is_async else "",
        wait="await " if is_async else "",
        parameters=", ".join(_declared(parameters)),
        arguments=", ".join(_passed(parameters)),
        kinds=_alone_or_tuple([f"_hhs_type({each})" for each in told_by]),
        values=_alone_or_tuple(told_by),
        hit=HIT,
    )
    names = {
        "held": held,
        "keys": keys,
        "now": memory.now,
        "marks": memory.marks,
        "otherwise": otherwise,
        "type": type,
        "KeyError": KeyError,
        "TypeError": TypeError,
        "AttributeError": AttributeError,
        **{f"default_{each.name}": each.default for each in parameters},
    }
    namespace: dict[str, Any] = {_OURS + name: value for name, value in names.items()}
    exec(text, namespace)  # noqa: S102 - made of names alone, which `_parameters` has checked
    made: Callable[..., Any] = namespace["cached"]
    return made


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Give the parameters if all have names, and calls go by them and by nothing else."""
    if type(function) is not FunctionType:
        return None
    if hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return None
    parameters = list(inspect.signature(function).parameters.values())
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            return None
        if not each.name.isidentifier() or iskeyword(each.name) or each.name.startswith(_OURS):
            return None
    return parameters


def _declared(parameters: list[inspect.Parameter]) -> list[str]:
    texts: list[str] = []
    kinds = [each.kind for each in parameters]
    for place, each in enumerate(parameters):
        if each.kind is each.KEYWORD_ONLY and each.kind not in kinds[:place]:
            texts.append("*")
        is_required = each.default is each.empty
        texts.append(each.name if is_required else f"{each.name}={_OURS}default_{each.name}")
        if each.kind is each.POSITIONAL_ONLY and each.kind not in kinds[place + 1 :]:
            texts.append("/")
    return texts


def _passed(parameters: list[inspect.Parameter]) -> list[str]:
    return [
        f"{each.name}={each.name}" if each.kind is each.KEYWORD_ONLY else each.name
        for each in parameters
    ]


def _alone_or_tuple(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
