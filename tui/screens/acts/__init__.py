"""What the keys of the cockpit do, a group a file. Ask through the session; read no files."""
