"""Fourier transforms of real tensors with real results, by NumPy, with gradients.

There are no complex tensors: a transform with complex results is left out, and its name says why.
Names are imported when they are first used.
"""

from ..lazy import names_of

# After a change run tools/names.py, which writes `__init__.pyi` and `docs/names.md`.
HOMES = {
    ".tensors.fourier": (
        "fftfreq", "fftshift", "hfft", "hfft2", "hfftn", "ifftshift", "irfft", "irfft2", "irfftn",
        "rfftfreq",
    ),
}  # fmt: skip

REASON = "its results are complex, which tensors are not: use numpy.fft on x.numpy()"
COMPLEX = (
    "fft", "fft2", "fftn", "ifft", "ifft2", "ifftn", "ihfft", "ihfft2", "ihfftn", "rfft", "rfft2",
    "rfftn",
)  # fmt: skip

__all__, __getattr__, __dir__ = names_of(globals(), HOMES, instead=dict.fromkeys(COMPLEX, REASON))
