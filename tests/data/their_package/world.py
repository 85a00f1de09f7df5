"""Somebody else's world: three names, and a model in Stable Diffusion's format."""

from pathlib import Path

from erasebench.api.world import ConceptLists, GeneralRow, SamplingDefaults, World
from erasebench.files.weights import files_digest


class TheirWorld(World):
    name = "their-world"
    judges = frozenset()
    sampling = SamplingDefaults(steps=2, guidance=3.0, width=16, height=16, batch_size=4)
    concept_lists = ConceptLists(
        {("person", "erase"): ("Ann Ash", "Bob Bell"), ("person", "retain"): ("Eve East", "Fay Ford")}
    )

    def __init__(self, folder):
        self.folder = folder

    @classmethod
    def open(cls, model=None):
        return cls(Path(model))

    def weights_digest(self):
        return files_digest(self.folder.rglob("*.safetensors"), self.folder)

    def pipeline(self, device="cpu", dtype=None):
        from erasebench.families.loading import load_pipeline

        return load_pipeline(self.folder, device, dtype)

    def segmenter(self, device="cpu"):
        raise NotImplementedError

    def segmenter_digest(self):
        return "none"

    def judge(self, name, device="cpu"):
        raise NotImplementedError

    def prior_captions(self):
        return ("a red ball", "two blue boxes")

    def general_prompts(self):
        return [GeneralRow("a ball at sea", 7), GeneralRow("a box in the snow", 7)]
