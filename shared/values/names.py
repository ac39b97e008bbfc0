"""People's names, as far as the project has to take them apart."""


def masked_name(name: str) -> str:
    """A name of which only the outer characters are shown: 李*明, 欧**文; of two characters the first, of one none.

    Counted in code points, so that a rare character of the CJK extensions is one.
    """
    if len(name) < 2:
        return "*"
    return name[0] + "*" if len(name) == 2 else name[0] + "*" * (len(name) - 2) + name[-1]
