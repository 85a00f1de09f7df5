"""SLD: Safe Latent Diffusion (Schramowski et al., CVPR 2023, arXiv 2211.05105), at inference time alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import Method, MethodConfig, Workspace
from erasebench.api.sampling_change import Encode, SamplingChange, packed_phrases, require_guidance, watched_prompts
from erasebench.identity import identity_field

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline
    from torch import Tensor, nn

    from erasebench.api.erasure import Erasure

QUOTED_STEPS = 50
"""The sampling steps that the paper's warm-up and momentum are quoted for."""
SMALLEST_SCALE = 1.0
"""The release guides from this scale on."""


class SldConfig(MethodConfig):
    """The paper's constants; its four presets are the four methods below, and the defaults are Hyp-Medium."""

    warmup_share: float = identity_field(
        0.2,
        "delta: share of the sampling steps before guidance begins; 1 or more: it never does",
        source="paper, Hyp-Medium: 10 of 50 steps",
        ge=0,
    )
    step_rule: Literal["share", "count"] = identity_field(
        "share",
        "How delta and beta, which the paper gives for 50 steps, apply to n steps. share: a warm-up of that share "
        "of n, and beta^(50/n) at each step, so that SLD is as strong at any n; count: the warm-up's steps of 50 and "
        "beta at each step, whatever n",
        source="ours; 'count' in the released code",
    )
    scale: float = identity_field(
        1000.0,
        "s_S: scale of the safety guidance; below 1, SLD is off, as the release has it and the paper leaves open",
        source="paper, Hyp-Medium",
        ge=0,
    )
    threshold: float = identity_field(
        0.01,
        "lambda: guide where eps_prompt - eps_phrase is below this",
        source="paper, Hyp-Medium",
        unit="noise prediction",
    )
    momentum_scale: float = identity_field(0.3, "s_m: weight of the momentum", source="paper, Hyp-Medium", ge=0)
    momentum: float = identity_field(
        0.4, "beta: what the momentum keeps over one of 50 steps", source="paper, Hyp-Medium", ge=0, lt=1
    )

    @property
    def acts(self) -> bool:
        """Whether there is any guidance."""
        return self.scale >= SMALLEST_SCALE


class GuidanceState:
    """The momentum nu of one call of the pipeline, for all images of its batch."""

    def __init__(self, config: SldConfig, steps: int) -> None:
        """`steps`: sampling steps n of the call; `config.step_rule` says what they make of the warm-up and of beta."""
        self._config = config
        # By share, each of fewer than 50 steps does the work of several: it keeps beta^(50/n).
        steps_of_constants = steps if config.step_rule == "share" else QUOTED_STEPS
        self._warmup = round(config.warmup_share * steps_of_constants)
        self._beta = config.momentum ** (QUOTED_STEPS / steps_of_constants)
        self._momentum: Tensor | None = None
        self._step = 0

    def guidance(self, eps_prompt: Tensor, eps_phrase: Tensor, eps_none: Tensor) -> Tensor:
        """What to take from eps_prompt at this step, [batch, channels, h, w]; zero before the warm-up is over.

        mu = min(1, s_S |eps_p - eps_S|) where eps_p - eps_S < lambda, else 0; g = mu (eps_S - eps_none) + s_m nu;
        nu <- beta nu + (1 - beta) g. Element by element, so no image depends on another.
        """
        config, difference = self._config, eps_prompt - eps_phrase
        mu = (config.scale * difference.abs()).clamp(max=1.0) * (difference < config.threshold)
        before = eps_none.new_zeros(eps_none.shape) if self._momentum is None else self._momentum
        guidance = mu * (eps_phrase - eps_none) + config.momentum_scale * before
        self._momentum = self._beta * before + (1 - self._beta) * guidance
        self._step += 1
        return guidance if self._step > self._warmup else eps_none.new_zeros(eps_none.shape)


class Levels(NamedTuple):
    """sqrt(abar_t) and sqrt(1 - abar_t): how much of the image and of the noise is in x_t."""

    image: float
    noise: float

    @classmethod
    def of(cls, scheduler: Any, timestep: Any) -> Levels | None:
        """At a timestep of a scheduler whose model predicts v; None where it predicts the noise."""
        if scheduler.config.get("prediction_type", "epsilon") != "v_prediction":
            return None
        abar = float(scheduler.alphas_cumprod[round(float(timestep))])
        return cls(abar**0.5, (1 - abar) ** 0.5)


@contextmanager
def steered(
    unet: nn.Module,
    phrase_states: Tensor,
    config: SldConfig,
    steps: Callable[[], int],
    levels: Callable[[Any], Levels | None] = lambda timestep: None,
) -> Iterator[Callable[[], None]]:
    """Inside the block each call of `unet` on [nothing, prompt] predicts eps_p - g in the place of eps_p.

    `phrase_states` [1, positions, d] are the phrase's; `steps` is asked at the first step of a run, and calling what
    the block is given begins the next run, without momentum. Where `config` does not act, nothing changes. `levels`: of
    a timestep, where `unet` predicts v: g is computed of eps = sqrt(abar) v + sqrt(1 - abar) x, as the threshold is of
    noise predictions, and taken from eps, which takes g / sqrt(abar) from v.
    """
    import torch

    state: list[GuidanceState | None] = [None]

    def begin() -> None:
        state[0] = None

    def steer(unet: Any, args: tuple[Tensor, ...], kwargs: dict[str, Any], output: tuple[Tensor, ...]) -> Any:
        current = state[0] = state[0] or GuidanceState(config, steps())
        eps_none, eps_prompt = output[0].chunk(2)
        latents = args[0].chunk(2)[0]
        states = phrase_states.expand(len(latents), -1, -1)
        # `forward` by name: the call itself would come back to this hook.
        (eps_phrase,) = unet.forward(latents, args[1], encoder_hidden_states=states, return_dict=False)
        if (level := levels(args[1])) is None:
            return (torch.cat([eps_none, eps_prompt - current.guidance(eps_prompt, eps_phrase, eps_none)]),)
        noises = [level.image * v + level.noise * latents for v in (eps_prompt, eps_phrase, eps_none)]
        guidance = current.guidance(*noises)
        # Where x_t is noise alone (zero terminal SNR) every v stands for the same eps: there is nothing to steer.
        return (torch.cat([eps_none, eps_prompt - (guidance / level.image if level.image > 0 else 0)]),)

    if not config.acts:
        yield begin
        return
    handle = unet.register_forward_hook(steer, with_kwargs=True)
    try:
        yield begin
    finally:
        handle.remove()


class SafetyGuidance(SamplingChange):
    """A third noise prediction, for the phrases, steers each step away from them: eps_p becomes eps_p - g.

    The pipeline's own classifier-free guidance then gives the paper's eps_none + s_g (eps_p - eps_none - g).
    """

    kind: ClassVar[str] = "safety-guidance"

    phrases: tuple[str, ...]
    config: SldConfig

    @contextmanager
    def applied_to(self, pipeline: StableDiffusionPipeline) -> Iterator[None]:
        """See SamplingChange. UserError at a call without classifier-free guidance."""
        import torch

        from erasebench.editing.text_states import TextStates

        # More names than one context holds: their states side by side, for attention to choose among.
        phrase_states = torch.cat(list(TextStates(pipeline).encode(self.phrases)))[None]
        # The number of steps is known only once the pipeline has set its timesteps.
        with steered(
            pipeline.unet,
            phrase_states,
            self.config,
            lambda: pipeline.num_timesteps,
            lambda timestep: Levels.of(pipeline.scheduler, timestep),
        ) as begin_run:

            def begin(encode: Encode, arguments: Mapping[str, Any]) -> Any:
                require_guidance(arguments, "SLD")
                begin_run()
                return encode(**arguments)

            with watched_prompts(pipeline, begin):
                yield


class Sld(Method):
    """Steers away from the phrase made of all names; the subclasses are the paper's presets."""

    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    acts_in_network: ClassVar[bool] = True
    Config: ClassVar[type[MethodConfig]] = SldConfig
    preset: ClassVar[Mapping[str, float]]

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MethodConfig:
        """The preset, the same in every world: warm-up and momentum follow the world's steps by themselves.

        'as-released': they count steps, whatever their number.
        """
        cls.check_variant(variant, "as-released")
        return SldConfig(**cls.preset, step_rule="share" if variant == "default" else "count")

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """No changed weight. UserError for a name longer than the text encoder's context."""
        from erasebench.api.erasure import Erasure

        phrases = packed_phrases(pipeline.tokenizer, task.names)
        return Erasure(
            record={"unsafe_phrases": list(phrases)}, sampling=SafetyGuidance(phrases=phrases, config=self.config)
        )


def _preset(warmup: int, scale: float, threshold: float, momentum_scale: float, momentum: float) -> dict[str, float]:
    return {
        "warmup_share": warmup / QUOTED_STEPS,
        "scale": scale,
        "threshold": threshold,
        "momentum_scale": momentum_scale,
        "momentum": momentum,
    }


class SldWeak(Sld):
    """The paper's Hyp-Weak (diffusers' preset has a scale of 20)."""

    name: ClassVar[str] = "sld-weak"
    preset: ClassVar[Mapping[str, float]] = _preset(15, 200, 0.0, 0.0, 0.0)


class SldMedium(Sld):
    """The paper's Hyp-Medium."""

    name: ClassVar[str] = "sld-medium"
    preset: ClassVar[Mapping[str, float]] = _preset(10, 1000, 0.01, 0.3, 0.4)


class SldStrong(Sld):
    """The paper's Hyp-Strong."""

    name: ClassVar[str] = "sld-strong"
    preset: ClassVar[Mapping[str, float]] = _preset(7, 2000, 0.025, 0.5, 0.7)


class SldMax(Sld):
    """The paper's Hyp-Max."""

    name: ClassVar[str] = "sld-max"
    preset: ClassVar[Mapping[str, float]] = _preset(0, 5000, 1.0, 0.5, 0.7)
