"""Differences as a person would name them, on letters."""

import pytest

from shared.proof.alignment import align

EXPECTED = "abcdefghij"
CASES = [
    ("abcdefghij", []),
    ("abcdefghijkl", []),
    ("abXdefghij", ["changed 2<2"]),
    ("abXdefghijkl", ["changed 2<2"]),
    ("abcdefghiX", ["changed 9<9"]),
    ("bcdefghij", ["dropped 0"]),
    ("abdefghij", ["dropped 2"]),
    ("abdefghijkl", ["dropped 2"]),
    ("ab-defghij", ["dropped 2"]),
    ("Xabcdefghij", ["inserted 0"]),
    ("abcXdefghij", ["inserted 3"]),
    ("abcXdefghijkl", ["inserted 3"]),
    ("abcdebfghij", ["inserted 5"]),
    ("bacdefghij", ["swapped 0<1"]),
    ("aecdbfghijk", ["swapped 1<4"]),
    ("ab-defgih", ["cut 9", "dropped 2", "swapped 7<8"]),
    ("acdefgbhij", ["swapped 6<1"]),
    ("abcdefgh", ["cut 8", "cut 9"]),
    ("", [f"cut {n}" for n in range(10)]),
    ("abXdeghYijZ", ["changed 2<2", "dropped 5", "inserted 7"]),
]


@pytest.mark.parametrize(("given", "named"), CASES, ids=[given or "nothing" for given, _ in CASES])
def test_each_difference_is_the_one_that_a_person_would_name(given: str, named: list[str]) -> None:
    letters = [None if letter == "-" else letter for letter in given]
    said = []
    for edit, at, expected in align(letters, EXPECTED):
        where = [] if at is None else [str(at)]
        said.append(f"{edit} {'<'.join([*where, *([] if expected is None else [str(expected)])])}")
    assert sorted(said) == named
