"""The expressions of VolumeLocators: a running Mooring could not use a locator of which one does not compile."""

from collections.abc import Iterator

from mooring.api import locator
from mooring.api.locator import InvalidLocatorError, parse_locator
from mooring.lint.documents import Manifest
from mooring.lint.findings import Finding
from mooring.locate.expressions import InvalidExpressionError
from mooring.locate.reading import Reader


def check_expressions(manifest: Manifest) -> Iterator[Finding]:
    """Which expressions of a VolumeLocator do not compile; one that the API server would refuse is passed over."""
    if manifest.value["kind"] != locator.KIND:
        return
    try:
        Reader(parse_locator(manifest.value).spec)
    except InvalidExpressionError as error:
        for failure in error.failures:
            yield manifest.finding(tuple(failure.field.split(".")), failure.message)
    except InvalidLocatorError:
        return
