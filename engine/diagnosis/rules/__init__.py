"""The rules, one family a file. Every module here is imported by the catalogue; pure functions of evidence."""
