"""The names of `pymicrograd.fft`; written by tools/names.py."""

from ..tensors.fourier import (
    fftfreq as fftfreq,
    fftshift as fftshift,
    hfft as hfft,
    hfft2 as hfft2,
    hfftn as hfftn,
    ifftshift as ifftshift,
    irfft as irfft,
    irfft2 as irfft2,
    irfftn as irfftn,
    rfftfreq as rfftfreq,
)

HOMES: dict[str, tuple[str, ...]]
__all__ = [
    "fftfreq",
    "fftshift",
    "hfft",
    "hfft2",
    "hfftn",
    "ifftshift",
    "irfft",
    "irfft2",
    "irfftn",
    "rfftfreq",
]

def __dir__() -> list[str]: ...
