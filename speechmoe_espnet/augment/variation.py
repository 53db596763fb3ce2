"""`specaug: vary`: another speaker, room, noise and microphone each time an utterance is read.

Shapes: B utterances, T frames before and U after a change of tempo, F mel bins.
"""

from typing import Any

import torch
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from torch import Tensor

from speechmoe_espnet.augment.draws import Draws, MaskDraws, draw
from speechmoe_espnet.augment.masks import fill_with_mean, masked_places
from speechmoe_espnet.augment.mel_axis import MelAxis, smooth_basis, warp_frequency
from speechmoe_espnet.augment.power import (
    fluctuations,
    noise_rows,
    num_doublings,
    reverberate,
    scaled_noise,
)
from speechmoe_espnet.augment.tempo import repeat_last_frame, resample_time, resampled_lengths
from speechmoe_espnet.augment.variation_options import VariationOptions


class FeatureVariation(AbsSpecAug):
    """Random variation of log-mel features, in the order of the physical signal path.

    Tempo and vocal tract (the speaker), reverberation, noise, frequency response and level (the
    microphone), then SpecAugment's masks; each is off unless `specaug_conf` sets it.

    Args:
        conf: `specaug_conf`: see VariationOptions.

    Raises:
        ValueError: Where an option is unknown or its value is not allowed.
    """

    def __init__(self, **conf: Any) -> None:
        super().__init__()
        self.options = options = VariationOptions.from_conf(conf)
        self.axis = MelAxis(options.num_mel_bins, options.low_freq, options.high_freq)
        self.doublings = 0
        if options.reverb_time:
            self.doublings = num_doublings(options.reverb_time[1], options.frame_shift)
        self.basis: Tensor
        self.centres: Tensor
        self.bandwidths: Tensor
        self.table: Tensor
        # Not part of checkpoints: all of them follow from the options.
        for name, value in (
            ("basis", smooth_basis(options.num_mel_bins)),
            ("centres", self.axis.centres),
            ("bandwidths", self.axis.bandwidths),
            ("table", fluctuations(self.axis.bandwidths)),
        ):
            self.register_buffer(name, value, persistent=False)

    def extra_repr(self) -> str:
        """Options that are not at their defaults."""
        default = VariationOptions()
        return ", ".join(
            f"{name}={value}"
            for name, value in vars(self.options).items()
            if value != getattr(default, name)
        )

    def shortest_lengths(self, lengths: Tensor) -> Tensor:
        """Number of frames that the strongest speed-up leaves of `lengths` (B,) frames."""
        if self.options.speed is None:
            return lengths
        return resampled_lengths(lengths, torch.tensor(self.options.fastest))

    def forward(self, x: Tensor, x_lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Vary a batch.

        Args:
            x: Natural logarithms of mel energies (B, T, F).
            x_lengths: Valid frames (B,); None is T for all.

        Returns:
            (B, U, F), float32, and lengths (B,), None only where nothing changed and none were
            given. Padding repeats an utterance's last frame and is varied with it.

        Raises:
            ValueError: Where the features have another size than num_mel_bins, or are trained
                themselves.
        """
        if x.size(2) != self.options.num_mel_bins:
            raise ValueError(
                f"specaug: vary is for {self.options.num_mel_bins} log-mel values a frame, got "
                f"features of {x.size(2)}; set specaug_conf: num_mel_bins, and leave deltas "
                "to the encoder"
            )
        if x.requires_grad:
            raise ValueError(
                "specaug: vary changes features that are data, but these come from a frontend "
                "that is trained; use ESPnet's specaug: specaug"
            )
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            return self.vary(x, x_lengths, self.draw(len(x)))

    def draw(self, num_utterances: int) -> Draws:
        """Draw the variation of a batch, from torch's generator of this module's device."""
        return draw(self.options, self.basis, self.centres, self.bandwidths, num_utterances)

    def vary(
        self, x: Tensor, x_lengths: Tensor | None, draws: Draws
    ) -> tuple[Tensor, Tensor | None]:
        """Apply the draws to a batch; arguments and result are those of `forward`."""
        if draws.empty:
            return x, x_lengths
        lengths = torch.full((len(x),), x.size(1), device=x.device)
        if x_lengths is not None:
            lengths = x_lengths
        x = x.float()
        if draws.speed is None:
            x = repeat_last_frame(x, lengths)
        else:
            before, lengths = lengths, resampled_lengths(lengths, draws.speed)
            x = resample_time(x, before, draws.speed, int(lengths.max()))
        if draws.warp is not None:
            x = warp_frequency(x, self.axis.warped_positions(draws.warp))
        frames = torch.arange(x.size(1), device=x.device)
        weights = (frames < lengths.unsqueeze(1)) / lengths.clamp(min=1).unsqueeze(1)
        if draws.reverb is not None or draws.noise is not None:
            x = self._vary_power(x, lengths, weights, draws)
        if draws.response is not None:
            x.add_(draws.response.unsqueeze(1))
        times = self._times(draws.time_masks, lengths, x.size(1))
        bins = self._bins(draws.freq_masks, len(x))
        return fill_with_mean(x, weights, times, bins), lengths

    def _vary_power(self, x: Tensor, lengths: Tensor, weights: Tensor, draws: Draws) -> Tensor:
        rows = x.new_empty(len(x) * x.size(1) + len(self.table), x.size(2))
        power = torch.exp(x, out=rows[: -len(self.table)].view_as(x))
        if draws.reverb is not None:
            decay, level = draws.reverb.decay, draws.reverb.level
            some = level.nonzero().squeeze(1)
            dry = power.index_select(0, some)
            wet = reverberate(dry, decay[some], level[some], self.doublings)
            power.index_copy_(0, some, wet)
        if draws.noise is not None:
            rows[-len(self.table) :] = self.table
            noise, some = draws.noise, draws.noise.ratio.nonzero().squeeze(1)
            where = noise_rows(lengths, x.size(1), noise.speech, noise.shift, noise.offset)[some]
            added = rows.index_select(0, where.flatten()).view(len(some), *x.shape[1:])
            spectrum, ratio = noise.spectrum[some], noise.ratio[some]
            clean = power.index_select(0, some)
            added = scaled_noise(clean, added, spectrum, ratio, weights[some])
            power.index_add_(0, some, added)
        return power.clamp_(min=torch.finfo(power.dtype).tiny).log_()

    def _times(self, masks: MaskDraws | None, lengths: Tensor, num_frames: int) -> Tensor | None:
        if masks is None:
            return None
        widest = (lengths * self.options.time_mask_ratio).clamp(max=self.options.time_mask_width)
        return masked_places(masks.start, masks.width, widest, lengths, num_frames)

    def _bins(self, masks: MaskDraws | None, num_utterances: int) -> Tensor | None:
        if masks is None:
            return None
        widest = masks.start.new_full((num_utterances,), self.options.freq_mask_width)
        extent = torch.full_like(widest, self.options.num_mel_bins)
        return masked_places(masks.start, masks.width, widest, extent, self.options.num_mel_bins)
