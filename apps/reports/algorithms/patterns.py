"""Regular expressions of strangers, matched in time that grows with the text and nothing else."""

import string
from dataclasses import dataclass, field

LONGEST_PATTERN = 2_000
DEEPEST_GROUP = 20
MOST_REPETITIONS = 1_000
MOST_STATES = 20_000
# How many states of ways through patterns are remembered; more is forgotten and found again.
MOST_REMEMBERED = 400_000
# As many states as a remembered move takes the memory of by itself.
MOVE_WEIGHT = 10

Ranges = tuple[tuple[str, str], ...]
DIGITS: Ranges = (("0", "9"),)
WORDS: Ranges = (("0", "9"), ("A", "Z"), ("_", "_"), ("a", "z"))
SPACES: Ranges = (("\t", "\n"), ("\f", "\r"), (" ", " "))
CLASSES = {"d": DIGITS, "w": WORDS, "s": SPACES}
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
LINE_END: Ranges = (("\n", "\n"),)


@dataclass(frozen=True, slots=True)
class Characters:
    """One character out of the ranges, or with `is_negated` one out of none of them."""

    ranges: Ranges
    is_negated: bool = False

    def holds(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.is_negated


@dataclass(frozen=True, slots=True)
class Chain:
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    branches: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repetition:
    """`most` is None without an upper bound."""

    node: "Node"
    least: int
    most: int | None


Node = Characters | Chain | Choice | Repetition


class States:
    """The states of all patterns of a request, which share their limit and their memory."""

    def __init__(self) -> None:
        self._characters: list[Characters | None] = []
        self._targets: list[list[int]] = []
        self._moves: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._remembered = 0

    def add(self, characters: Characters | None, targets: list[int]) -> int:
        """The number of a new state.

        Raises: ValueError when there are more than 20,000.
        """
        if len(self._targets) >= MOST_STATES:
            raise ValueError(f"repeats too much: with it there are more than {MOST_STATES} states")
        self._characters.append(characters)
        self._targets.append(targets)
        return len(self._targets) - 1

    def lead(self, state: int, target: int) -> None:
        """Lets a state lead to one more."""
        self._targets[state].append(target)

    def move(self, current: frozenset[int], character: str) -> frozenset[int]:
        """The states that a character leads to."""
        found = self._moves.get((current, character))
        if found is None:
            reached = set()
            for state in current:
                wanted = self._characters[state]
                if wanted is not None and wanted.holds(character):
                    reached.update(self._targets[state])
            found = self.close(reached)
            self._remember(current, character, found)
        return found

    def close(self, states: set[int]) -> frozenset[int]:
        """The states, and all that is reached from them without a character."""
        found, waiting = set(states), list(states)
        while waiting:
            state = waiting.pop()
            if self._characters[state] is None:
                fresh = set(self._targets[state]) - found
                found |= fresh
                waiting += fresh
        return frozenset(found)

    def _remember(self, current: frozenset[int], character: str, found: frozenset[int]) -> None:
        weight = MOVE_WEIGHT + len(found)
        if self._remembered + weight > MOST_REMEMBERED:
            self._moves.clear()
            self._remembered = 0
        self._moves[current, character] = found
        self._remembered += weight


class Pattern:
    """A pattern that a whole text matches or not (Thompson's construction, remembered as a DFA).

    Takes the common part of RE2's syntax: literals, `.`, classes, groups, alternatives and
    repetitions; `^` at the begin and `$` at the end say what holds anyway. Patterns of one request
    are made with the same `states`.
    Raises: ValueError saying what is wrong or not taken, and where.
    """

    def __init__(self, text: str, states: States | None = None) -> None:
        if len(text) > LONGEST_PATTERN:
            raise ValueError(f"has more than {LONGEST_PATTERN} characters")
        self._states = States() if states is None else states
        self._end = self._states.add(None, [])
        start = self._build(Reader(text).read_whole(), self._end)
        self._start = self._states.close({start})

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        current = self._start
        for character in text:
            if not current:
                return False
            current = self._states.move(current, character)
        return self._end in current

    def _build(self, node: Node, after: int) -> int:
        """The state from which the node leads to `after`."""
        if isinstance(node, Characters):
            return self._states.add(node, [after])
        if isinstance(node, Choice):
            return self._states.add(None, [self._build(branch, after) for branch in node.branches])
        if isinstance(node, Repetition):
            return self._build_repetition(node, after)
        for part in reversed(node.parts):
            after = self._build(part, after)
        return after

    def _build_repetition(self, node: Repetition, after: int) -> int:
        if node.most is None:
            state = self._states.add(None, [after])
            self._states.lead(state, self._build(node.node, state))
        else:
            state = after
            for _number in range(node.most - node.least):
                state = self._states.add(None, [after, self._build(node.node, state)])
        for _number in range(node.least):
            before, state = state, self._build(node.node, state)
            if state == before:
                # Nothing is nothing however often, and is not to be nested without an end.
                break
        return state


@dataclass(slots=True)
class Reader:
    """Reads a pattern from left to right."""

    text: str
    place: int = 0
    depth: int = field(default=0)

    def read_whole(self) -> Node:
        if self.text.startswith("^"):
            self.place = 1
        node = self.read_choice()
        if self.place < len(self.text):
            raise self.refuse("has a ')' too many")
        return node

    def read_choice(self) -> Node:
        branches = [self.read_chain()]
        while self.peek() == "|":
            self.place += 1
            branches.append(self.read_chain())
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def read_chain(self) -> Node:
        parts = []
        while self.peek() not in {"", "|", ")"}:
            if self.peek() == "$" and self.place == len(self.text) - 1:
                self.place += 1
                break
            parts.append(self.read_repeated())
        return Chain(tuple(parts))

    def read_repeated(self) -> Node:
        node = self.read_atom()
        bounds = self.read_bounds()
        if bounds is None:
            return node
        # Which of several ways a text matches makes no difference to whether it does.
        if self.peek() == "?":
            self.place += 1
        if self.peek() in {"*", "+", "?"}:
            raise self.refuse("repeats a repetition")
        return Repetition(node, *bounds)

    def read_bounds(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        mark = self.peek()
        if mark in simple:
            self.place += 1
            return simple[mark]
        if mark != "{":
            return None
        inner, brace, _rest = self.text[self.place + 1 :].partition("}")
        low, comma, high = inner.partition(",")
        if not brace or not low.isdecimal() or not (high == "" or high.isdecimal()):
            raise self.refuse("has a '{' that is no repetition; write \\{ for the character")
        least = int(low)
        most = least if not comma else int(high) if high else None
        if max(least, most or 0) > MOST_REPETITIONS or (most is not None and most < least):
            raise self.refuse(f"must repeat from 0 to {MOST_REPETITIONS} times")
        self.place += len(inner) + 2
        return least, most

    def read_atom(self) -> Node:
        character = self.take()
        if character == "(":
            return self.read_group()
        if character == "[":
            return self.read_class()
        if character == ".":
            return Characters(LINE_END, is_negated=True)
        if character == "\\":
            return self.read_escape()
        if character in "*+?{^$":
            raise self.refuse(f"has a {character!r} that stands for nothing here")
        return Characters(((character, character),))

    def read_group(self) -> Node:
        if self.peek() == "?":
            if self.text[self.place : self.place + 2] != "?:":
                raise self.refuse("has a group of another kind than (...) and (?:...)")
            self.place += 2
        self.depth += 1
        if self.depth > DEEPEST_GROUP:
            raise self.refuse(f"nests more than {DEEPEST_GROUP} groups")
        node = self.read_choice()
        if self.peek() != ")":
            raise self.refuse("lacks a ')'")
        self.place += 1
        self.depth -= 1
        return node

    def read_class(self) -> Node:
        is_negated = self.peek() == "^"
        self.place += is_negated
        ranges: list[tuple[str, str]] = []
        is_first = True
        while is_first or self.peek() != "]":
            is_first = False
            low = self.read_member(ranges)
            if low is None:
                continue
            high = low
            if self.peek() == "-" and self.text[self.place + 1 : self.place + 2] not in {"]", ""}:
                self.place += 1
                high = self.read_member([]) or ""
            if high < low:
                raise self.refuse("has a range that ends before it begins")
            ranges.append((low, high))
        self.place += 1
        return Characters(tuple(ranges), is_negated)

    def read_member(self, ranges: list[tuple[str, str]]) -> str | None:
        """The next character of a class; None when it was a class itself, put into `ranges`."""
        character = self.take()
        if character == "[" and self.peek() == ":":
            raise self.refuse("has a class by name, which is not taken")
        if character != "\\":
            return character
        escaped = self.read_escape()
        if escaped.is_negated:
            raise self.refuse("has a negated class inside of a class")
        if len(escaped.ranges) == 1 and escaped.ranges[0][0] == escaped.ranges[0][1]:
            return escaped.ranges[0][0]
        ranges += escaped.ranges
        return None

    def read_escape(self) -> Characters:
        character = self.take()
        if character.lower() in CLASSES:
            return Characters(CLASSES[character.lower()], is_negated=character.isupper())
        if character in CONTROLS:
            character = CONTROLS[character]
        elif character in string.ascii_letters + string.digits:
            raise self.refuse(f"has an escape that is not taken: \\{character}")
        return Characters(((character, character),))

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.place : self.place + 1]

    def take(self) -> str:
        character = self.peek()
        if not character:
            raise self.refuse("ends too early")
        self.place += 1
        return character

    def refuse(self, problem: str) -> ValueError:
        return ValueError(f"{problem} (at character {self.place + 1})")
