"""The rules, one family a file. Every module below is imported by the catalogue; pure functions of facts."""
