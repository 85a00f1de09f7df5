"""SPM: One-dimensional Adapter to Rule Them All (Lyu et al., CVPR 2024, arXiv 2312.16145), semi-permeable membranes.

in each step, for a concept c with anchor n and far states f, over c's membrane alone:
    minimise ||eps(x_t, c) - [eps_0(x_t, n) - eta (eps_0(x_t, c) - eps_0(x_t, n))]||^2
             + w mean over f of ||eps(x_t, f) - eps_0(x_t, f)||^2
while sampling: c's membrane is as open as the prompt is near c

objective.py has the training's formulas, gates.py the sampling, method.py the method.
"""

from .config import SpmConfig
from .gates import GatedAdapters
from .method import Spm

__all__ = ["GatedAdapters", "Spm", "SpmConfig"]
