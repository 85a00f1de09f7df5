"""What FID-mini compares with: the painter's own pictures of the general captions."""

from __future__ import annotations

from functools import partial

from erasebench.files.source import source_digest
from erasebench.identity import digest, file_digest
from erasebench.judges.references import PairedReferences, ReferenceImage

from . import concept_lists, general, painter


def painted_references() -> PairedReferences:
    """One picture for each general caption and seed, painted when it is asked for: N are compared with their own N."""
    source = source_digest([painter.__name__, concept_lists.__name__, general.__name__])
    painted = digest([source, file_digest(concept_lists.LISTS_FILE), file_digest(general.GENERAL_FILE)])
    images = {
        (row.prompt, row.seed): ReferenceImage(digest([painted, at]), partial(general.reference_image, at))
        for at, row in enumerate(general.general_rows())
    }
    return PairedReferences(images, {"references": "painted", "sha256": painted})
