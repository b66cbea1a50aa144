"""The demo: everything on one machine, with sample people, in var/demo/. Nothing of it is meant for real people."""
