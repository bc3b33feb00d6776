"""Pure functions on arrays: no files, no engine, no clock."""
