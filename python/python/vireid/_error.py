from __future__ import annotations


class VireidError(ValueError):
    """An argument, a file or a network that can't be used: what is wrong, and what to do about it.

    >>> try:
    ...     raise VireidError("VR0201", "k = 0 is out of range: at least 1")
    ... except VireidError as error:
    ...     print(error.code)
    VR0201
    """

    def __init__(self, code: str, message: str):
        super().__init__(code, message)
        #: Six characters that never change their meaning, such as ``VR0201``.
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def explain(code: str) -> str:
    """What an error code means and what to do about it.

    >>> explain("VR0205").splitlines()[0]
    '## VR0205'
    """
    from . import _vireid

    text = _vireid.explain(code)
    if text is None:
        raise ValueError(f"there is no error code {code}")
    return text.rstrip()


def out_of_range(name: str, value: object, expected: str) -> VireidError:
    """An argument that is not what it must be."""
    return VireidError("VR0201", f"{name} = {value} is out of range: {expected}")


def unequal(what: str, left: int, right: int) -> VireidError:
    """Two lengths that must agree and do not."""
    return VireidError("VR0202", f"{what}: {left} against {right}")
