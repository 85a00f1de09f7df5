"""How the miniature world is trained, stage by stage: ``python -m erasebench.worlds.miniature.lab.train --help``."""
