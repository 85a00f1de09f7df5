"""What the LoRAs minimise: masks on attention maps, tokens to suppress, the norm over all heads together."""

from __future__ import annotations

import pytest
import torch

from erasebench.errors import UserError
from erasebench.methods.mace.attention_loss import AttentionLoss, map_size, resize_mask


def test_the_loss_is_the_frobenius_norm_over_heads_region_and_tokens_summed_over_maps() -> None:
    maps = [torch.rand(2, 3, pixels, 5, generator=torch.Generator().manual_seed(pixels)) for pixels in (16, 4)]
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[0, :4, :4] = True
    masks[1] = True
    tokens = torch.tensor([[False, True, True, False, False], [False, False, False, True, True]])
    loss = AttentionLoss(masks, tokens, (4, 4))
    for probabilities in maps:
        loss.record("a block", probabilities)
    first = (maps[0][0][:, [0, 1, 4, 5]][..., [1, 2]].norm() + maps[1][0][:, [0]][..., [1, 2]].norm()).item()
    second = (maps[0][1][..., [3, 4]].norm() + maps[1][1][..., [3, 4]].norm()).item()
    assert loss.per_sample().tolist() == pytest.approx([first, second])


def test_no_attention_at_all_has_a_gradient_of_zero_not_nan() -> None:
    probabilities = torch.zeros(1, 2, 4, 3, requires_grad=True)
    loss = AttentionLoss(torch.ones(1, 4, 4, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool), (2, 2))
    loss.record("a block", probabilities)
    loss.per_sample().sum().backward()
    assert probabilities.grad is not None
    assert float(probabilities.grad.abs().sum()) == 0


@pytest.mark.parametrize(
    ("pixels", "latent", "size"),
    [
        (4096, (64, 64), (64, 64)),
        (64, (64, 64), (8, 8)),
        (16, (8, 8), (4, 4)),
        (48 * 32, (96, 64), (48, 32)),
        (13 * 9, (50, 36), (13, 9)),
    ],
)
def test_a_maps_size_follows_from_its_number_of_pixels(
    pixels: int, latent: tuple[int, int], size: tuple[int, int]
) -> None:
    assert map_size(pixels, *latent) == size


def test_a_map_of_no_possible_size_is_refused() -> None:
    with pytest.raises(UserError, match="100 pixels"):
        map_size(100, 64, 64)


def test_a_mask_is_resized_to_the_map_by_nearest() -> None:
    masks = torch.zeros(1, 8, 8, dtype=torch.bool)
    masks[0, 4:, :4] = True
    expected = torch.zeros(1, 4, 4, dtype=torch.bool)
    expected[0, 2:, :2] = True
    assert torch.equal(resize_mask(masks, (4, 4)), expected)
    assert torch.equal(resize_mask(masks, (8, 8)), masks)


def test_a_figure_between_the_samples_is_kept_by_max_pooling() -> None:
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[0, 3, 5] = True  # nearest samples rows and columns 0 and 4 alone
    masks[1, :4, :4] = True
    resized = resize_mask(masks, (2, 2))
    assert resized[0].tolist() == [[False, True], [False, False]]
    assert resized[1].tolist() == [[True, False], [False, False]]
