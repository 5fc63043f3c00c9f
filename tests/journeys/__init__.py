"""One file a seed, one test a row of the seed map: each walks the examples through the public doors."""
