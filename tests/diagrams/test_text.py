"""Text that is too long is broken between its parts, or cut, and says so."""

from __future__ import annotations

from authflow.diagrams.text import cut, fixed_width, width, wrap_fixed


def test_wide_letters_are_wider_than_narrow_ones() -> None:
    assert width("mmm", 10) > width("iii", 10)
    assert width("abc", 20) == 2 * width("abc", 10)
    assert width("abc", 10, bold=True) > width("abc", 10)


def test_what_fits_stays_whole() -> None:
    assert cut("short", 100, 12) == "short"
    assert wrap_fixed(["a", "b"], 200, 11) == ("a · b",)


def test_what_is_cut_fits_and_says_so() -> None:
    short = cut("a very long message indeed", 80, 12)

    assert short.endswith("…")
    assert width(short, 12) <= 80


def test_lines_break_between_parts() -> None:
    lines = wrap_fixed(["response_type=code", "client_id=abc", "scope=openid"], 200, 11)

    assert lines == ("response_type=code", "client_id=abc · scope=openid")
    assert all(fixed_width(line, 11) <= 200 for line in lines)


def test_what_does_not_fit_into_the_lines_is_told_by_dots() -> None:
    lines = wrap_fixed([f"parameter_{i}=value" for i in range(9)], 160, 11, most=2)

    assert len(lines) == 2
    assert lines[-1].endswith("…")
