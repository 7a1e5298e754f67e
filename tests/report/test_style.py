from __future__ import annotations

import pytest

from cape_fed.report.style import legend_below, new_figure


@pytest.mark.parametrize(("width", "columns"), [(7.6, 3), (4.0, 2), (1.0, 1)])
def test_a_legend_has_the_columns_for_which_there_is_room(width: float, columns: int) -> None:
    figure = new_figure(width, 2.0)
    axes = figure.subplots()
    for number in range(5):
        axes.plot([0, 1], label=f"a method's name {number}")
    legend_below(figure, axes, 3)
    (legend,) = figure.legends
    assert legend._ncols == columns
    assert [text.get_text() for text in legend.get_texts()] == [f"a method's name {number}" for number in range(5)]
    if columns > 1:
        assert legend.get_window_extent().width <= figure.bbox.width


def test_there_are_no_more_columns_than_names() -> None:
    figure = new_figure(7.6, 2.0)
    axes = figure.subplots()
    axes.plot([0, 1], label="one")
    legend_below(figure, axes, 3)
    assert figure.legends[0]._ncols == 1
