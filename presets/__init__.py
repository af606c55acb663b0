"""The installed presets, `<task>/<name>.yaml`, as package data. A package only so that they can be read."""
