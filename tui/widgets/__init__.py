"""Panels and their parts, one a file. Are given what they show; read no files."""
