"""Published tables, reproduced: one script per table, with its rows as configs."""
