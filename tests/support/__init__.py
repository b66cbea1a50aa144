"""What the suites share: the clock, the databases, real servers, and how often a property is tried."""
