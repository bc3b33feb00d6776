"""Signals: figures about a row that rules decide by; pure functions on Arrow arrays."""
