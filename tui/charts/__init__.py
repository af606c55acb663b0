"""Charts in character cells: series to points, points to cells. Know no run."""
