"""Fold mail names so that names that look alike compare equal."""

FOLDS = (("rn", "m"), ("vv", "w"), ("0", "o"), ("1", "l"), ("i", "l"))


def look_alike_key(local_part: str) -> str:
    """Return the key that look-alikes share. Of two names with one key, one must be refused.

    Shape:   "jan.kowalski", "jankowalski", "jan-kowa1ski" -> "jankowalskl"; "rnaria" -> "marla"
    Source:  docs/domain.md, mail names
    """
    key = local_part.lower().replace(".", "").replace("-", "")
    for look_alike, letter in FOLDS:
        key = key.replace(look_alike, letter)
    return key
