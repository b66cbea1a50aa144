"""Programs that print numbers, with the machine and the versions they were taken on; docs/performance.md keeps them."""
