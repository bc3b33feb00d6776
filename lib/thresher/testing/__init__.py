"""What users need to test their own pipelines: seeded corpora with planted truth, chaos engines,
digests of results."""
