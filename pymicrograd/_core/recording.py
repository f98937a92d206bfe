"""no_grad and its kin, entered and left in C, between two signals."""

from __future__ import annotations

from .. import recording
from ..recording import is_grad_enabled
from .library import EnableGrad, NoGrad, SetGradEnabled, Silence, keep_mode

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]

recording.silence = Silence
keep_mode(recording.mode, recording.Silence.was_made)


class no_grad(NoGrad, recording.no_grad):
    __doc__ = recording.no_grad.__doc__
    __slots__ = ()


class enable_grad(EnableGrad, recording.enable_grad):
    __doc__ = recording.enable_grad.__doc__
    __slots__ = ()


class set_grad_enabled(SetGradEnabled, recording.set_grad_enabled):
    __doc__ = recording.set_grad_enabled.__doc__
    __slots__ = ()
    scopes = no_grad, enable_grad


for scope in no_grad, enable_grad, set_grad_enabled:  # who asks recording.py gets these, too
    setattr(recording, scope.__name__, scope)
