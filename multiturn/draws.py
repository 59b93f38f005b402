"""Random draws that depend on what they are for (seed, session, turn) and never on the batch they fall into."""

from jaxtyping import Float, Int
from torch import Tensor, arange

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
_MIX_2 = 0x94D049BB133111EB - 2**64


def mix(words: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Scramble 64-bit words: one output of the SplitMix64 generator for each state in `words`.

    Source:
        Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; the constants are
        those of java.util.SplittableRandom. The arithmetic wraps modulo 2**64 on int64 tensors.
    Example:
        >>> from torch import tensor
        >>> mix(tensor([0])).item() % 2**64 == 0xE220A8397B1DCDAF   # first output for seed 0
        True
    """
    words = words + _GOLDEN
    words = (words ^ _shift(words, 30)) * _MIX_1
    words = (words ^ _shift(words, 27)) * _MIX_2
    return words ^ _shift(words, 31)


def uniform(seed: int, sessions: Int[Tensor, " session"], turn: int, width: int) -> Float[Tensor, "session draw"]:
    """Draw `width` numbers in [0, 1) for each session.

    The draws of a session are a function of `seed`, its number, `turn` and the column alone: the same in a batch
    of one and of a thousand, on CPU and GPU, in one process and in several, before and after a resume.

    Args:
        seed: of the experiment; different uses in one experiment take different seeds.
        sessions: the sessions' own numbers, not their place in the batch.
        turn: counted from 0.
        width: draws a session.
    """
    sessions = sessions.long()
    key = mix(mix(sessions * 0 + seed) ^ sessions)
    key = mix(key + turn)
    columns = arange(1, width + 1, device=sessions.device, dtype=sessions.dtype)
    words = mix(key[:, None] + columns * _GOLDEN)
    return _shift(words, 11).double() / 2.0**53


def _shift(words: Int[Tensor, "*shape"], bits: int) -> Int[Tensor, "*shape"]:
    """Shift right and fill with zeros; torch's own >> repeats the sign."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)
