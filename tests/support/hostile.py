"""Input that costs far more than its size."""

# 180 kB when a form carries it. Normalising sorts these marks, whose classes alternate, in quadratic time.
HOSTILE = "a" + "\u0301\u0323" * 15_000
