"""A recorded run as of any moment. Hands out what a live one hands out; knows no widget."""
