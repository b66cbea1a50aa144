"""The project as a whole: its processes, its commands, its packaging and its documents."""
