"""A sandbox for chat templates that come from strangers: no files, no Python, bounded work.

Jinja's own sandbox keeps templates away from Python's insides. On top of that, templates get no
loader, only the filters, tests and methods that chat templates use, and a budget: every turn of a
loop, call and joined text costs steps, and no value grows beyond a limit. What a row spends depends
on the row alone; a clock is only the last resort.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_CHARACTERS = 16 << 20
MAX_STEPS = 200_000
MAX_DEPTH = 32  # of macros that call each other
MAX_SECONDS = 20.0
_CLOCK_STEPS = 4096
_CHARACTERS_A_STEP = 256
BEGIN, END = "\ufdd0", "\ufdd1"  # noncharacters: no text may hold them

_FILTERS = (
    "abs", "capitalize", "d", "default", "dictsort", "e", "escape", "first", "float",
    "int", "items", "join", "last", "length", "count", "list", "lower", "map", "max", "min",
    "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "string",
    "title", "trim", "unique", "upper",
)  # fmt: skip
_METHODS = frozenset(
    {
        "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith",
        "upper", "lower", "title", "capitalize", "replace", "find", "rfind", "count", "index",
        "join", "get", "items", "keys", "values", "isdigit", "isalpha", "isspace", "partition",
        "rpartition", "removeprefix", "removesuffix",
    }
)  # fmt: skip


class TemplateRefused(Exception):
    """The template does what no chat template does; it is refused as a whole."""


class Spent(Exception):
    """A row used up its budget."""


class Budget:
    """The steps that rendering one row may take."""

    def __init__(self) -> None:
        self._steps = 0
        self.depth = 0
        self._next_look = _CLOCK_STEPS
        self._deadline = time.monotonic() + MAX_SECONDS

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            Spent: There are none left.
        """
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise Spent(f"the template takes more than {MAX_STEPS} steps")
        if self._steps >= self._next_look:
            self._next_look = self._steps + _CLOCK_STEPS
            if time.monotonic() > self._deadline:
                raise Spent(f"the template takes more than {MAX_SECONDS:.0f} seconds")

    def measure(self, value: Any) -> Any:
        """Charge for a value by its size, and pass it on."""
        size = len(value) if isinstance(value, str | list | tuple | dict) else 0
        if size > MAX_CHARACTERS:
            raise Spent(f"the template makes more than {MAX_CHARACTERS} characters")
        self.spend(1 + size // _CHARACTERS_A_STEP)
        return value


class GenerationBlocks(Extension):
    """`{% generation %}...{% endgeneration %}`: what the model is to learn."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own attribute)

    def parse(self, parser: Parser) -> nodes.Node:
        """Put marks around the block."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        marks = [nodes.Output([nodes.TemplateData(mark)], lineno=line) for mark in (BEGIN, END)]
        return nodes.Scope([marks[0], *body, marks[1]], lineno=line)


class ChatSandbox(ImmutableSandboxedEnvironment):
    """The environment that templates are compiled in; one row is rendered at a time."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[GenerationBlocks, "jinja2.ext.loopcontrols"],
            finalize=self._finalize,
            optimized=False,
            cache_size=0,
        )
        self.budget = Budget()
        known = {name: self.filters[name] for name in _FILTERS if name in self.filters}
        self.filters = {name: self._bounded(f) for name, f in known.items()}
        self.filters["tojson"] = self._tojson
        self.filters["replace"] = self._replace
        self.globals = {
            "namespace": self.globals["namespace"],
            "dict": dict,
            "range": self._range,
            "raise_exception": _raise,
            "_tick": self._tick,
            "_concat": self._concat,
        }

    def compile_chat(self, source: str) -> Template:
        """Compile a template.

        Raises:
            TemplateRefused: It is no template, or wants to load others.
        """
        try:
            tree = self.parse(source)
            if any(True for _ in tree.find_all(_LOADING)):
                raise TemplateRefused("it wants to load other templates")
            part: Any
            for part in tree.find_all(_REPEATING):
                tick = nodes.Call(nodes.Name("_tick", "load"), [], [], None, None)
                part.body.insert(0, nodes.Output([tick], lineno=part.lineno))
            _Concatenations(self).visit(tree)
            tree.set_environment(self)
            return self.from_string(tree)
        except TemplateSyntaxError as error:
            raise TemplateRefused(f"line {error.lineno}: {error.message}") from error
        except RecursionError as error:
            raise TemplateRefused("it is nested too deep") from error

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow data and the methods that chat templates use."""
        if isinstance(obj, str | list | tuple | dict) and hasattr(type(obj), attr):
            return attr in _METHODS and super().is_safe_attribute(obj, attr, value)
        return bool(super().is_safe_attribute(obj, attr, value))

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
        """Refuse at once, also where the value would never be used.

        Raises:
            SecurityError: Always.
        """
        raise SecurityError(f"'{attribute}' of a {type(obj).__name__} is out of bounds")

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call within the budget; a `replace` may not blow a text up."""
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            self.budget.measure(owner)
            name = getattr(obj, "__name__", "")
            if name == "replace" and len(args) >= 2:
                return self._replace(owner, *args)
            if name == "join" and args:
                return self.filters["join"](list(args[0]), owner)
        self.budget.spend(1)
        self.budget.depth += 1
        if self.budget.depth > MAX_DEPTH:
            raise Spent(f"the template's macros call each other more than {MAX_DEPTH} deep")
        made = super().call(context, obj, *args, **kwargs)
        self.budget.depth -= 1
        return self.budget.measure(made)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers that stay small and texts that are not repeated."""
        self.budget.spend(1)
        if operator in ("*", "**", "%") and not all(
            isinstance(v, int | float) and abs(v) < 1e9 for v in (left, right)
        ):
            raise Spent(f"the template calculates with '{operator}' beyond small numbers")
        if operator == "**" and abs(right) > 64:
            raise Spent("the template calculates with large powers")
        self.budget.measure(left)
        self.budget.measure(right)
        return self.budget.measure(super().call_binop(context, operator, left, right))

    def _finalize(self, value: Any) -> Any:
        return self.budget.measure(value)

    def _tick(self) -> str:
        self.budget.spend(1)
        return ""

    def _concat(self, *values: Any) -> str:
        texts = [str(self.budget.measure(value)) for value in values]
        if sum(map(len, texts)) > MAX_CHARACTERS:
            raise Spent(f"the template makes more than {MAX_CHARACTERS} characters")
        return self.budget.measure("".join(texts))  # type: ignore[no-any-return]

    def _range(self, *bounds: int) -> list[int]:
        numbers = range(*bounds)
        self.budget.spend(len(numbers))
        return list(numbers)

    def _bounded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Charge for what a filter takes and gives; keep what Jinja notes on the function."""

        def call(*args: Any, **kwargs: Any) -> Any:
            for value in args:
                self.budget.measure(value)
            made = function(*args, **kwargs)
            if isinstance(made, Iterator):
                made = list(made)
            return self.budget.measure(made)

        for mark in ("jinja_pass_arg",):
            if hasattr(function, mark):
                setattr(call, mark, getattr(function, mark))
        return call

    def _replace(self, text: Any, old: str, new: str, count: int | None = None) -> str:
        source = str(text)
        times = source.count(old) if old else len(source) + 1
        if len(source) + times * len(new) > MAX_CHARACTERS:
            raise Spent(f"the template makes more than {MAX_CHARACTERS} characters")
        self.budget.measure(source)
        made = source.replace(old, new, -1 if count is None else count)
        return self.budget.measure(made)  # type: ignore[no-any-return]

    def _tojson(
        self, value: Any, ensure_ascii: bool = False, indent: int | None = None, **rest: Any
    ) -> str:
        if isinstance(indent, int) and indent > 8:
            raise Spent("the template indents JSON by more than 8")
        made = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
        return self.budget.measure(made)  # type: ignore[no-any-return]


_LOADING = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_REPEATING = (nodes.For, nodes.Macro, nodes.CallBlock)


class _Concatenations:
    """Replace `a ~ b` by a call that watches the size."""

    def __init__(self, environment: ChatSandbox) -> None:
        self._environment = environment

    def visit(self, node: nodes.Node) -> None:
        for field, value in node.iter_fields():
            if isinstance(value, nodes.Node):
                setattr(node, field, self._changed(value))
            elif isinstance(value, list):
                value[:] = [self._changed(v) if isinstance(v, nodes.Node) else v for v in value]

    def _changed(self, node: nodes.Node) -> nodes.Node:
        self.visit(node)
        if not isinstance(node, nodes.Concat):
            return node
        return nodes.Call(
            nodes.Name("_concat", "load"), node.nodes, [], None, None, lineno=node.lineno
        )


class TrustedChat(ImmutableSandboxedEnvironment):
    """The same for templates of our own: nothing is counted, so it is several times faster."""

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlocks])
        self.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
        self.budget = Budget()

    def compile_chat(self, source: str) -> Template:
        """Compile a template."""
        return self.from_string(source)


def _raise(message: object) -> None:
    raise TemplateError(str(message)[:200])


class TemplateError(Exception):
    """The template says that a row cannot be rendered."""
