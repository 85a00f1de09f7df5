"""ca: Ablating Concepts in Text-to-Image Diffusion Models (Kumari et al., ICCV 2023, arXiv 2303.13516).

images <- the original model's, of the anchor in every template
in each step:
    c, x_t <- a concept at random, and a noised image of its anchor
    minimise ||eps(x_t, template of c) - stopgrad eps(x_t, template of its anchor)||^2, plus a prior for nudity

objective.py has the loss, rescaling.py and start_token.py what the release adds to the paper, method.py the method.
"""

from .config import ConceptAblationConfig
from .method import ConceptAblation

__all__ = ["ConceptAblation", "ConceptAblationConfig"]
