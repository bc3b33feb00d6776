"""The jobs: one file each, and the command line."""
