"""The calendar of Lambda's runtimes."""

from datetime import date

import pytest

from labkit.packages import PackageError, refusal_for, runtimes, warning_for


def test_a_runtime_in_its_prime_needs_no_warning():
    assert warning_for("python3.14", date(2026, 11, 23)) is None
    assert refusal_for("python3.14", date(2026, 11, 23)) is None


def test_the_original_s_runtime_is_deprecated_with_its_dates():
    said = warning_for("python3.9", date(2026, 11, 23))
    assert "deprecated since 2025-12-15" in said
    assert "new functions are refused from 2027-02-01" in said
    assert "updates from 2027-03-03" in said
    assert "as of 2026-11-23" in said
    assert warning_for("python3.9", date(2025, 12, 14)) is None


@pytest.mark.parametrize(("day", "refused"), [(date(2027, 1, 31), False), (date(2027, 2, 1), True)])
def test_it_is_refused_from_its_day_on(day, refused):
    assert (refusal_for("python3.9", day) is not None) == refused


def test_a_runtime_without_announced_blocks_is_never_refused():
    assert refusal_for("python3.11", date(2099, 1, 1)) is None
    assert warning_for("python3.11", date(2099, 1, 1)).startswith("python3.11 is deprecated since 2027-06-30 (dates")


def test_an_unknown_runtime_is_refused_with_the_known_ones():
    with pytest.raises(PackageError, match=r"no runtime 'python2\.7'") as caught:
        warning_for("python2.7")
    assert "python3.14" in caught.value.hint()


def test_the_table_holds_together():
    for runtime in runtimes.RUNTIMES:
        assert runtime.name == "python{}.{}".format(*runtime.python)
        assert (runtime.create_blocked is None) == (runtime.update_blocked is None)
        if runtime.create_blocked and runtime.update_blocked:
            assert runtime.deprecated < runtime.create_blocked < runtime.update_blocked
    assert runtimes.RUNTIMES[-1].name == runtimes.NEWEST
