"""Formulas as MathML, made from the plain text of a derivation. No torch.

The text is the one form of a formula: ``(224 - 11 + 2*2)/4 + 1 = 55.25 -> 55``. It is read by a
small parser (sums, products, quotients, powers, functions, relations); what is no formula stays
text. Browsers draw MathML themselves: no script, no font, and screen readers read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<sign>->|<=|>=|[-+*/^=(),<>]|\.\.\.))"
)
_RELATIONS = {"=": "=", "->": "→", "<": "<", ">": ">", "<=": "≤", ">=": "≥"}
_FUNCTIONS = frozenset({"exp", "log", "max", "min", "floor", "ceil", "sqrt", "relu", "tanh"})
_BRACKETS = {"floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}


class _NotAFormulaError(Exception):
    """The text is no formula."""


@dataclass
class _Part:
    """MathML of a part, and whether it is a sum in brackets (a fraction needs none)."""

    markup: str
    inside: str | None = None


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        place = 0
        text = text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _NotAFormulaError(text)
            kind = match.lastgroup or ""
            self.tokens.append((kind, match.group(kind)))
            place = match.end()
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place][1] if self.place < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        found = self.peek()
        if not found or (wanted and found not in wanted):
            raise _NotAFormulaError(found)
        self.place += 1
        return found

    def relation(self) -> str:
        parts = [self.sum()]
        while self.peek() in _RELATIONS:
            sign = _RELATIONS[self.take()]
            parts += [f"<mo>{escape(sign)}</mo>", self.sum()]
        if self.place < len(self.tokens):
            raise _NotAFormulaError(self.peek())
        return "".join(parts)

    def sum(self) -> str:
        parts = []
        if self.peek() in ("-", "+"):
            parts.append(_operator(self.take(), ' form="prefix"'))
        parts.append(self.product())
        while self.peek() in ("+", "-"):
            parts.append(_operator(self.take()))
            parts.append(self.product())
        return "".join(parts)

    def product(self) -> str:
        found = self.power()
        while self.peek() in ("*", "/") or self._beside():
            if self.peek() == "*":
                self.take()
                found = _Part(f"{found.markup}<mo>×</mo>{self.power().markup}")
            elif self.peek() == "/":
                self.take()
                below = self.power()
                found = _Part(f"<mfrac>{_row(found)}{_row(below)}</mfrac>")
            else:  # letters side by side are a product: 2p, d(k - 1)
                found = _Part(f"{found.markup}<mo>&#8290;</mo>{self.power().markup}")
        return found.markup

    def _beside(self) -> bool:
        """Whether a factor follows without a sign, as in ``2p`` or ``(n - 1)s``."""
        if self.place >= len(self.tokens) or self.place == 0:
            return False
        kind, text = self.tokens[self.place]
        before_kind, before = self.tokens[self.place - 1]
        after_factor = before_kind in ("number", "name") or before == ")"
        short = kind == "name" and len(text) <= 2
        return after_factor and (short or (text == "(" and before_kind == "name"))

    def power(self) -> _Part:
        base = self.atom()
        if self.peek() == "^":
            self.take()
            return _Part(f"<msup>{_row(base, brackets=True)}{_row(self.atom())}</msup>")
        return base

    def atom(self) -> _Part:
        if self.place >= len(self.tokens):
            raise _NotAFormulaError("")
        kind, text = self.tokens[self.place]
        if kind == "number":
            self.place += 1
            return _Part(f"<mn>{text}</mn>")
        if text == "...":
            self.place += 1
            return _Part("<mo>…</mo>")
        if kind == "name":
            self.place += 1
            if text in _FUNCTIONS and self.peek() == "(":
                return self.function(text)
            return _Part(_name(text))
        if text == "(":
            self.take("(")
            inside = self.sum()
            self.take(")")
            return _Part(f"<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>", inside)
        if text == "-":
            self.take("-")
            sign = _operator("-", ' form="prefix"')
            return _Part(f"<mrow>{sign}{self.atom().markup}</mrow>")
        raise _NotAFormulaError(text)

    def function(self, name: str) -> _Part:
        self.take("(")
        inside = [self.sum()]
        while self.peek() == ",":
            self.take(",")
            inside.append(self.sum())
        self.take(")")
        arguments = "<mo>,</mo>".join(inside)
        if name == "sqrt":
            return _Part(f"<msqrt><mrow>{arguments}</mrow></msqrt>")
        left, right = _BRACKETS.get(name, ("(", ")"))
        head = "" if name in _BRACKETS else f"<mi>{name}</mi><mo>&#8289;</mo>"
        return _Part(f"<mrow>{head}<mo>{left}</mo>{arguments}<mo>{right}</mo></mrow>")


def _operator(sign: str, form: str = "") -> str:
    return f"<mo{form}>{'−' if sign == '-' else sign}</mo>"


def _name(text: str) -> str:
    head, _, rest = text.partition("_")
    if head and rest:
        return f"<msub><mi>{escape(head)}</mi><mi>{escape(rest)}</mi></msub>"
    return f"<mi>{escape(text)}</mi>"


def _row(part: _Part, *, brackets: bool = False) -> str:
    """Return one element; a bracketed sum above or below a bar needs no brackets."""
    inside = part.inside if part.inside is not None and not brackets else part.markup
    return f"<mrow>{inside}</mrow>"


def formula(text: str) -> str | None:
    """Return the MathML of a formula without its ``math`` element, or None when it is none.

    A remark in brackets behind the formula, ``(each kernel reads 3 of 6 channels)``, stays text.
    """
    text, remark = _remark(text.strip())
    try:
        parsed = _Parser(text)
        markup = parsed.relation()
    except _NotAFormulaError:
        return None
    # A single word, or words beside each other, are a text rather than a formula.
    if not any(kind == "sign" for kind, _ in parsed.tokens) and not text[:1].isdigit():
        return None
    return markup + (f"<mtext>&#160;{escape(remark)}</mtext>" if remark else "")


def _remark(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.*\d)\s+(\([^()=]*[A-Za-z]{3,}[^()=]*\)|[a-z]{3,}(?: [a-z]+)*)", text)
    return (match.group(1), match.group(2)) if match else (text, "")


def to_mathml(text: str) -> str:
    """Return a derivation as HTML: formulas as MathML, everything else as escaped text.

    Parts separated by ``; `` are drawn one by one; a name before a formula stays text.
    """
    return "; ".join(_part(part) for part in text.split("; "))


def _part(text: str) -> str:
    found = formula(text)
    if found is not None:
        return _math(found)
    match = re.match(r"((?:[a-z]+ )+|[^:=]*: )(?=[\d(])", text)
    if match is not None:
        found = formula(text[match.end() :])
        if found is not None:
            return escape(match.group(1)) + _math(found)
    return escape(text)


def _math(markup: str) -> str:
    head = 'xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true"'
    return f"<math {head}>{markup}</math>"
