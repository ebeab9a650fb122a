"""What every platform has to keep to. Each check raises AssertionError with what is wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import attrs

from ..accounts import Account
from ..addresses import address_of, locate
from ..engine.reading import read
from ..platform import RateSignal, Reading, Reply
from ..values import FIGURE_NAMES, Failure, Figure
from .hostile import HANDLES, JUNK, LIMIT_HEADERS, STATUSES, URLS, bodies, replaced, without_numbers
from .samples import Played, Sample, credentials_of, played, reply_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..platform import Call, Platform, Target

__all__ = [
    "check_addresses",
    "check_batches",
    "check_declaration",
    "check_figures",
    "check_handles",
    "check_hostile_numbers",
    "check_hostile_replies",
    "check_limits",
    "check_requests",
    "check_samples",
    "check_statuses",
]

# What the engine takes for "this reply cannot be read"; anything else is a fault of the plugin.
_READABLE: Final = (ValueError, KeyError, TypeError, LookupError, AttributeError)
# Credentials that tell who asks, and prove nothing.
_WHO: Final = ("id", "user")
_OTHERS: Final = ("https://example.com/", "https://example.com/somebody", "https://example.org/a/b")
_BLANK: Final = frozenset(map(chr, [*range(33), 127]))


def check_declaration(platform: Platform) -> None:
    """Demand a title, figures and HTTPS, and of each credential where to get it."""
    _hold(platform.title.strip() != "", "title is empty")
    _hold(platform.figures != (), "figures names none")
    parts = urlsplit(platform.base_url)
    _hold(parts.scheme == "https", f"base_url is not https: {platform.base_url}")
    _hold(not parts.query and not parts.fragment, "base_url has a query or a fragment")
    for each in platform.credentials:
        _hold(each.how.strip() != "", f"credential {each.name} does not say how to get it")
        variable = each.variable(platform.name)
        _hold(variable.replace("_", "").isalnum(), f"{variable} is no name of a variable")


def check_samples(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand a sample that has figures, for most rules are tried with it."""
    good = [each for each in samples if not isinstance(each.expected, str)]
    _hold(good != [], f"no sample with figures; name them by --hhs-perf-samples ({platform.name})")


def check_addresses(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand the sample's handle of its address, however that is written."""
    for sample in samples:
        for url in _spellings(sample.url):
            found = locate(Account(url=url, platform=platform.title), [platform])
            handle = None if found.target is None else found.target.handle
            _hold(handle == sample.handle, f"{url}: {handle!r}, not {sample.handle!r}")
    for url in (*_OTHERS, *URLS):
        try:
            address = address_of(url)
        except ValueError:
            continue
        try:
            handle = platform.match(address)
        except ValueError:
            continue  # a refusal with a reason
        _hold(handle is None or isinstance(handle, str), f"match gave {handle!r} for {url!r}")
        _hold(handle is None or url not in _OTHERS, f"match takes {url}, which is nobody's")


def check_handles(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand that a handle written one way stays so, and that no text makes it raise."""
    for text in (*HANDLES, *(each.handle for each in samples)):
        once = platform.normalise(text)
        _hold(isinstance(once, str), f"normalise gave {once!r} for {text!r}")
        twice = platform.normalise(once)
        _hold(once == twice, f"normalise({text!r}) is {once!r}, and of that {twice!r}")
    for sample in samples:
        kept = platform.normalise(sample.handle)
        _hold(kept == sample.handle, f"the sample's handle would be written {kept!r}")


def check_requests(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand requests to the platform's own host, without secrets where they could be seen."""
    for sample in samples:
        for text in (sample.handle, *HANDLES):
            handle = platform.normalise(text)
            if not handle:
                continue
            target = attrs.evolve(sample.target, handle=handle)
            for call in _calls(platform, target):
                _check_call(platform, call)
        for call in played(platform, sample).calls:
            _check_call(platform, call)


def check_batches(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand that a batch can be built, and that what is not in a reply is not made up."""
    for sample, found in _good(platform, samples):
        if found.resolves:
            continue  # resolvers are asked for one by one here
        several = tuple(
            attrs.evolve(found.target, handle=f"{found.target.handle}{number}")
            for number in range(platform.batch_size)
        )
        _check_call(platform, platform.build(several, credentials_of(platform)))
        if platform.batch_size == 1:
            continue
        known = found.target.account_id
        stranger = attrs.evolve(
            found.target,
            handle=f"{found.target.handle}x",
            account_id=None if known is None else f"{known[:-1]}{'1' if known[-1] != '1' else '2'}",
        )
        answer = read(platform, platform.parse, found.reply, (found.target, stranger))
        given = answer.found.get(stranger)
        what = f"{sample.url}: one that the reply does not name got {given}"
        _hold(isinstance(given, Failure), what)
        _hold(answer.found.get(found.target) == found.result, f"{sample.url}: a batch reads else")


def check_figures(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand of each sample what it expects, twice over, and figures that are declared."""
    for sample in samples:
        found = played(platform, sample)
        if isinstance(sample.expected, str):
            kind = found.result.kind if isinstance(found.result, Failure) else found.result
            _hold(kind == sample.expected, f"{sample.url}: {kind}, not {sample.expected}")
            continue
        _hold(isinstance(found.result, Reading), f"{sample.url}: {found.result}")
        figures = _figures(found.result)
        _hold(figures == sample.figures, f"{sample.url}: {figures}, not {sample.figures}")
        for name in figures:
            _hold(name in FIGURE_NAMES, f"{name} is no figure")
            _hold(name in platform.figures, f"{name} is not among what the platform declares")
        again = played(platform, sample).result
        _hold(again == found.result, f"{sample.url}: read twice, it says something else")


def check_hostile_replies(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand that pages, fragments and other JSON never give a figure, nor raise what they like."""
    for sample, found in _good(platform, samples):
        for what, headers, body in bodies(found.reply):
            reply = attrs.evolve(found.reply, headers=headers, body=body)
            figures = _read(platform, found, reply)
            valued = [name for name, each in figures.items() if each.value is not None]
            _hold(not valued, f"{sample.url}: {what} gave {', '.join(valued)}")


def check_hostile_numbers(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand that null is never 0 nor any number, a real 0 is 0, and no false number is taken."""
    for sample, found in _good(platform, samples):
        node = found.reply.json()
        wanted = {each.value for each in sample.figures.values() if each.value is not None}
        for what, put in JUNK:
            changed = reply_of(replaced(node, put, only=wanted))
            taken = [
                name
                for name, each in _read(platform, found, changed).items()
                if each.value is not None and _is_in(node, sample, name)
            ]
            _hold(not taken, f"{sample.url}: {what} for a number gave {', '.join(taken)}")
        _check_without_numbers(platform, sample, found, node)
        zeros = _read(platform, found, reply_of(replaced(node, lambda _: 0, only=wanted)))
        for name, each in zeros.items():
            is_it = each.value in (0, None) or not _is_in(node, sample, name)
            _hold(is_it, f"{sample.url}: {name} is {each} where the reply says 0")


def check_statuses(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand that a reply of a bad status is a failure, of the right kind where that is plain."""
    for _, found in _good(platform, samples):
        for status, kinds in STATUSES.items():
            for body in (b"", b"{}", b"[]", b"null", b"oops"):
                reply = attrs.evolve(reply_of(body, status=status), body=body)
                answer = read(platform, _way(platform, found).parse, reply, (found.target,))
                kind = None if answer.failure is None else answer.failure.kind
                _hold(kind in kinds, f"HTTP {status} with {body!r} is {kind}")


def check_limits(platform: Platform, samples: Sequence[Sample]) -> None:
    """Demand of the signals of limits that they are numbers, whatever the headers say."""
    for _, found in _good(platform, samples):
        _check_signal(platform, found.reply, "the sample's headers")
        for header in LIMIT_HEADERS:
            for value in ("", "abc", "-1", "0", "1e999", "nan", "9" * 40, "{}", "[1]", "\xff;w=3"):
                headers = {**found.reply.headers, header: value}
                for status in (200, 429):
                    reply = attrs.evolve(found.reply, headers=headers, status=status)
                    _check_signal(platform, reply, f"{header}: {value}")


def _check_without_numbers(platform: Platform, sample: Sample, found: Played, node: object) -> None:
    bare = _read(platform, found, reply_of(without_numbers(node)))
    valued = [name for name, each in bare.items() if each.value is not None]
    _hold(not valued, f"{sample.url}: a reply without any number gave {', '.join(valued)}")


def _check_signal(platform: Platform, reply: Reply, what: str) -> None:
    try:
        signal = platform.rate_signal(reply)
    except _READABLE:
        return  # the engine goes on without
    _hold(signal is None or isinstance(signal, RateSignal), f"{what}: rate_signal gave {signal!r}")
    if signal is None:
        return
    for name in ("wait", "remaining", "used"):
        value = getattr(signal, name)
        is_number = value is None or (math.isfinite(value) and value >= 0)
        _hold(is_number, f"{what}: {name} is {value!r}")


def _check_call(platform: Platform, call: Call) -> None:
    shown = repr(call)
    _hold(call.path.startswith("/"), f"the path does not begin with a slash: {shown}")
    _hold(not set(call.path) & (_BLANK | set("?#\\")), f"the path needs quoting: {shown}")
    _hold(".." not in call.path.split("/"), f"the path leads elsewhere: {shown}")
    _hold(call.host is None or platform.many_hosts, f"another host, without many_hosts: {shown}")
    for name, value in call.params:
        _hold(isinstance(name, str) and isinstance(value, str), f"a parameter is no text: {name}")
    for name, value in call.headers.items():
        _hold(not set(name + value) & set("\r\n\0"), f"a header has a line break: {name}")
    for name, secret in credentials_of(platform).items():
        if name in _WHO:
            continue
        _hold(secret not in call.path, f"a secret is in the path: {shown}")
        _hold(secret not in shown, "a secret is in the request's repr")


def _calls(platform: Platform, target: Target) -> Iterator[Call]:
    credentials = credentials_of(platform)
    resolver = platform.resolve
    if resolver is not None and resolver.needs(target):
        yield resolver.build((target,), credentials)
    else:
        yield platform.build((target,), credentials)


def _good(platform: Platform, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Played]]:
    for sample in samples:
        if not isinstance(sample.expected, str):
            yield sample, played(platform, sample)


def _way(platform: Platform, found: Played) -> Any:  # noqa: ANN401 - a platform or its resolver
    return platform.resolve if found.resolves else platform


def _read(platform: Platform, found: Played, reply: Reply) -> Mapping[str, Figure]:
    """Read a reply; what `parse` raises beyond what the engine expects, it raises here too."""
    answer = read(platform, _way(platform, found).parse, reply, (found.target,))
    return _figures(answer.found.get(found.target))


def _figures(result: object) -> dict[str, Figure]:
    if isinstance(result, Reading) and result.figures is not None:
        return {str(name): each for name, each in result.figures.items()}
    return {}


def _is_in(node: object, sample: Sample, name: str) -> bool:
    """Tell whether a figure is one number of the reply, and not made of several."""
    values = {each.value for known, each in sample.figures.items() if known == name}
    return replaced(node, lambda _: None, only=values) != node


def _spellings(url: str) -> Iterator[str]:
    yield url
    parts = urlsplit(url)
    yield urlunsplit(parts._replace(scheme="http"))
    yield urlunsplit(parts._replace(netloc=parts.netloc.upper()))
    yield urlunsplit(parts._replace(fragment="about"))
    tracked = f"{parts.query}&utm_source=list" if parts.query else "utm_source=list"
    yield urlunsplit(parts._replace(query=tracked))
    if parts.path.strip("/"):
        yield urlunsplit(parts._replace(path=parts.path.rstrip("/")))
        if not parts.path.endswith(".php"):
            yield urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/"))


def _hold(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - as in an assert
    if not is_so:
        raise AssertionError(otherwise)
