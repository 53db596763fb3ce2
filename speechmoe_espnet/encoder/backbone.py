"""What every backbone is: features in, encoder frames and routing out."""

from abc import abstractmethod

from torch import Tensor, nn

from speechmoe_espnet.moe import Routing


class Backbone(nn.Module):
    """A stack of blocks. The embedding network is one, and so is what follows the routers."""

    @property
    @abstractmethod
    def subsampling(self) -> int:
        """Input frames per output frame."""

    @abstractmethod
    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames that come out of `lengths` frames (B,); 0 where an utterance is too short."""

    @abstractmethod
    def forward(
        self, x: Tensor, lengths: Tensor, embedding: Tensor | None
    ) -> tuple[Tensor, Tensor, list[Routing]]:
        """Encode.

        Args:
            x: Features (B, T, F).
            lengths: Valid frames (B,).
            embedding: What the routers see of the embedding network (B, T', De), or None.

        Returns:
            Output (B, T', D), its lengths (B,) and the routing of each MoE layer.
        """
