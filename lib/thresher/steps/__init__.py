"""Stage functions: the glue between readers, transforms and writers, shared by the jobs."""
