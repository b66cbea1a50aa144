"""When two names look the same to a hurried reader."""

FOLDS = (("rn", "m"), ("vv", "w"), ("0", "o"), ("1", "l"), ("i", "l"))


def look_alike_key(local_part: str) -> str:
    """Return the form that look-alikes share: equal keys mean that one of the two must be refused.

    Shape:   "jan.kowalski", "jankowalski", "jan-kowa1ski" -> "jankowalskl"; "rnaria" -> "marla"
    Source:  docs/domain.md, mail names
    """
    key = local_part.lower().replace(".", "").replace("-", "")
    for seen, meant in FOLDS:
        key = key.replace(seen, meant)
    return key
