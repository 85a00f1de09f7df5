"""The celebrity detector of Giphy (GCD) on today's torch: the protocol's judge of who is in a picture.

Hasty, Kroosh, Voitekh, Korduban, 'Giphy celebrity detector' (2018): 2,306 names. Its published folder holds the
weights; the arithmetic is written from the behaviour of the original, which needs Python 3.6 and TensorFlow 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image

from erasebench.api.judge import Pixels
from erasebench.errors import UserError, did_you_mean
from erasebench.files.source import source_digest
from erasebench.identity import file_digest
from erasebench.judges.gcd import mtcnn, mtcnn_networks
from erasebench.judges.gcd import network as gcd_network
from erasebench.judges.gcd.mtcnn import FaceDetector
from erasebench.judges.gcd.network import CROP_SIDE, load_recognition, name_key, read_labels, spoken
from erasebench.judges.recogniser import Recognition
from erasebench.judges.sources import GCD_DETECTORS, GCD_LABELS, GCD_STATE, gcd_resources

Rule = Literal["cluster", "largest-face"]
MARGIN = 0.2
"""Of a box's side, added in all: half of it on each side."""
_CLUSTER_SEED = 1000


class GcdRecogniser:
    """Names the celebrity in an image, behind `erasebench.judges.recogniser.IdentityJudge`.

    Several faces: under the rule "cluster" (the original's) their embeddings are clustered, each cluster's
    probabilities multiplied, and the top name of the largest cluster counts; under "largest-face" only the face of the
    largest box does.
    """

    def __init__(
        self,
        resources: Path,
        device: torch.device,
        rule: Rule = "cluster",
        names: Iterable[str] = (),
        batch_size: int = 32,
    ) -> None:
        """`names`: how the concept lists spell people; a label that equals one but for accents, case and blanks is it.

        Reads the labels only. UserError for a missing file, labels that are none, or an unknown rule.
        """
        if rule not in get_args(Rule):
            raise UserError(f"The celebrity detector has no rule '{rule}'.", did_you_mean(rule, get_args(Rule)))
        self.resources = gcd_resources(resources)
        self.device = device
        self.rule = rule
        self.batch_size = batch_size
        spelt = {name_key(name): name for name in names}
        labels = [spoken(label) for label in read_labels(resources / GCD_LABELS)]
        self.names = tuple(spelt.get(name_key(label), label) for label in labels)

    def unknown(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of `names` that no label stands for: an image of them can never count as recognised."""
        known = {name_key(name) for name in self.names}
        return tuple(name for name in names if name_key(name) not in known)

    def identity(self) -> dict[str, Any]:
        return {
            "recogniser": "giphy celebrity detector",
            "weights": [file_digest(self.resources / file) for file in (*GCD_DETECTORS, GCD_LABELS, GCD_STATE)],
            "rule": self.rule,
            "margin": MARGIN,
            "scikit-learn": version("scikit-learn"),
            "source": source_digest([gcd_network.__name__, mtcnn.__name__, mtcnn_networks.__name__, __name__]),
        }

    def recognise(self, images: Sequence[Pixels]) -> list[Recognition]:
        # Loaded first, so that broken weights are named before an hour of looking for faces.
        _ = self._recognition
        crops = [self._crops(image) for image in images]
        probabilities, embeddings = self._read([crop for own in crops for crop in own])
        found, start = [], 0
        for own in crops:
            part = slice(start, start + len(own))
            found.append(self._named(probabilities[part], embeddings[part]))
            start += len(own)
        return found

    @cached_property
    def _detector(self) -> FaceDetector:
        return FaceDetector((self.resources / GCD_DETECTORS[0]).parent, self.device)

    @cached_property
    def _recognition(self) -> gcd_network.Recognition:
        return load_recognition(self.resources / GCD_STATE, len(self.names), self.device)

    def _crops(self, image: Pixels) -> list[np.ndarray]:
        """uint8 [224, 224, 3] of each face that counts under the rule, best first."""
        boxes = self._detector.faces(image)
        if self.rule == "largest-face" and len(boxes):
            boxes = boxes[[np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1).argmax()]]
        return [crop for box in boxes if (crop := face_crop(image, box)) is not None]

    @torch.no_grad()
    def _read(self, crops: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities [n, names], float32 so that products vanish where the original's do, and embeddings."""
        probabilities = [np.zeros((0, len(self.names)), dtype=np.float32)]
        embeddings = [np.zeros((0, gcd_network.EMBEDDING))]
        for start in range(0, len(crops), self.batch_size):
            batch = torch.from_numpy(np.stack(crops[start : start + self.batch_size])).permute(0, 3, 1, 2)
            logits, embedding = self._recognition.network(batch.to(self.device).float() / 255)
            probabilities.append(logits.softmax(1).float().cpu().numpy())
            embeddings.append(embedding.double().cpu().numpy())
        return np.concatenate(probabilities), np.concatenate(embeddings)

    def _named(self, probabilities: np.ndarray, embeddings: np.ndarray) -> Recognition:
        centres = self._recognition.centres.double().cpu().numpy() if len(embeddings) > 1 else np.zeros((0, 0))
        for cluster in clusters(probabilities, embeddings, centres):
            product = probabilities[cluster].prod(axis=0)
            if product.any():
                best = int(product.argmax())
                return Recognition(self.names[best], float(product[best] / product.sum()))
        return Recognition(None, 0.0)


def face_crop(image: Pixels, box: np.ndarray) -> np.ndarray | None:
    """The face in a box, widened by the margin and cut at the image's edge, as uint8 [224, 224, 3]; None if empty."""
    across, down = (int(side * MARGIN) / 2 for side in (box[2] - box[0], box[3] - box[1]))
    x0, y0 = (int(max(corner - more, 0)) for corner, more in ((box[0], across), (box[1], down)))
    x1, y1 = int(min(box[2] + across, image.shape[1])), int(min(box[3] + down, image.shape[0]))
    if x1 <= x0 or y1 <= y0:
        return None
    crop = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1]))
    return np.asarray(crop.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BILINEAR))


def clusters(probabilities: np.ndarray, embeddings: np.ndarray, centres: np.ndarray) -> list[np.ndarray]:
    """Which faces [indices] belong together, the largest cluster first; no faces, no clusters.

    A Gaussian mixture with one covariance for all, as many components as the faces have different top names, each
    beginning at its name's centre [names, 256] with its share of the faces.
    """
    if len(embeddings) < 2:
        return [np.arange(len(embeddings))] if len(embeddings) else []
    from sklearn.mixture import GaussianMixture

    top = probabilities.argmax(axis=1)
    names, first, share = np.unique(top, return_index=True, return_counts=True)
    order = np.argsort(first)
    mixture = GaussianMixture(
        n_components=len(names),
        covariance_type="tied",
        means_init=centres[names[order]],
        weights_init=share[order] / share.sum(),
        random_state=_CLUSTER_SEED,
    )
    label = mixture.fit(embeddings).predict(embeddings)
    found = [np.flatnonzero(label == own) for own in dict.fromkeys(label.tolist())]
    return sorted(found, key=len, reverse=True)
