"""Sequential memory layer of a (deep) feed-forward sequential memory network."""

import torch.nn.functional as F
from torch import Tensor, nn

from speechmoe_espnet.encoder.options import LIMITS
from speechmoe_espnet.moe.routing_options import check_count


class SequentialMemory(nn.Module):
    """m_t = sum_{i=0..N1} a_i * x_{t - s1 i} + sum_{j=1..N2} c_j * x_{t + s2 j}.

    A learnt, per-channel weighted window over past and future frames: DFSMN
    (arXiv 1803.05030), equation 8, without its skip connection, which is the residual
    around this layer.

    Args:
        size: D.
        look_back: N1, past taps.
        look_ahead: N2, future taps.
        look_back_stride: s1, frames between past taps.
        look_ahead_stride: s2, frames between future taps.

    Raises:
        ValueError: Where an order or a stride is out of range.
    """

    def __init__(
        self,
        size: int,
        look_back: int = 10,
        look_ahead: int = 10,
        look_back_stride: int = 1,
        look_ahead_stride: int = 1,
    ) -> None:
        super().__init__()
        for name, value in (
            ("look_back", look_back),
            ("look_ahead", look_ahead),
            ("look_back_stride", look_back_stride),
            ("look_ahead_stride", look_ahead_stride),
        ):
            check_count(f"memory {name}", value, *LIMITS[name])
        self.left = look_back * look_back_stride
        self.right = look_ahead * look_ahead_stride
        self.one_filter = look_back_stride == look_ahead_stride or not (look_back and look_ahead)
        stride = look_back_stride if look_back else look_ahead_stride
        if self.one_filter:
            taps = look_back + 1 + look_ahead
            self.filter = nn.Conv1d(size, size, taps, dilation=stride, groups=size, bias=False)
        else:
            self.back = nn.Conv1d(
                size, size, look_back + 1, dilation=look_back_stride, groups=size, bias=False
            )
            self.ahead = nn.Conv1d(
                size, size, look_ahead, dilation=look_ahead_stride, groups=size, bias=False
            )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Filter along time.

        Args:
            x: (B, T, D).
            mask: Valid frames (B, T), bool; padding counts as silence (zeros).

        Returns:
            (B, T, D).
        """
        frames = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        if self.one_filter:
            return _filtered(self.filter, F.pad(frames, (0, 0, self.left, self.right)))
        past = _filtered(self.back, F.pad(frames, (0, 0, self.left, 0)))
        shift = self.ahead.dilation[0]
        return past + _filtered(self.ahead, F.pad(frames[:, shift:], (0, 0, 0, self.right)))


def _filtered(conv: nn.Conv1d, frames: Tensor) -> Tensor:
    """`conv` of frames (B, T, D) along T, without moving the channels, which are innermost.

    An image of one row in the layout that convolutions call channels-last: half the time of
    conv1d on a CPU, where that copies its input and output.
    """
    image = frames.unsqueeze(1).permute(0, 3, 1, 2)
    weight = conv.weight.unsqueeze(2)
    out = F.conv2d(image, weight, dilation=(1, conv.dilation[0]), groups=conv.groups)
    return out.permute(0, 2, 3, 1).squeeze(1)
