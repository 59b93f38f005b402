"""One small task for all tests of it."""

import pytest

from drilldown.task import Drilldown
from tests.drilldown.small_task import small_task


@pytest.fixture(scope="package")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Drilldown:
    return small_task(tmp_path_factory.mktemp("task"))
