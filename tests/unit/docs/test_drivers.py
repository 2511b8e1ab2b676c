"""The table of drivers is what the catalogue of drivers says."""

from pathlib import Path

import pytest
from tests.catalogue import located_drivers, plain_drivers
from tests.drivers_table import main, table, with_table
from tests.unit.docs.markdown import DOCS, read, rows

_PAGE = DOCS / "drivers.md"


def test_the_page_has_the_table() -> None:
    """`docs/drivers.md` is partly generated; after a change of a driver run `make generate`."""
    assert read(_PAGE) == with_table(read(_PAGE))


def test_the_command_writes_the_table(tmp_path: Path) -> None:
    """`python -m tests.drivers_table PAGE` writes it in its place, and leaves the rest of the page."""
    page = tmp_path / "page.md"
    page.write_text(read(_PAGE).replace("Longhorn (`driver.longhorn.io`)", "somebody else"), encoding="utf-8")

    main([str(page)])

    assert read(page) == read(_PAGE)


def test_a_page_without_the_table_is_refused() -> None:
    """Nothing is written where it is not clear where the table belongs."""
    with pytest.raises(ValueError, match="no place for the table"):
        with_table("# Drivers\n")


def test_there_is_a_row_for_each_driver() -> None:
    """Each says something in every column."""
    drivers = located_drivers() + plain_drivers()
    heading, _, *found = rows(table(drivers))

    assert [row[0].partition(" (`")[0] for row in found] == [driver.expectation.title for driver in drivers]
    assert all(len(row) == len(heading) and all(row) for row in found)
