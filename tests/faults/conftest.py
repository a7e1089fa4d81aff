"""Each test of this folder is a row, or a part of one, in the table of docs/reliability.md; `experiments.fault_drill` makes it.

A test names its fault, `@pytest.mark.fault("...")`, and may tell `record_property("tried", N)` (1), `"survived"` (as many as were
tried, where the test passes) and `"lost"` (nothing): pytest --junitxml keeps them.
"""

import pytest


@pytest.fixture(autouse=True)
def _row(request, record_property):
    marker = request.node.get_closest_marker("fault")
    assert marker is not None, "which fault is this? see conftest.py"
    record_property("fault", marker.args[0])
