"""Formats of chat, preference and text data: detection, reading, writing, chat templates."""
