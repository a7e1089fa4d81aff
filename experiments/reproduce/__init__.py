"""Published tables, trained and evaluated anew: a script each, its rows as configs."""
