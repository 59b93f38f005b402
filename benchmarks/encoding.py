"""Pictures a second of an encoder, against the same network driven by a plain PyTorch loop over a DataLoader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.program import save, start
from multiturn.settings import at_least

if TYPE_CHECKING:
    from torch import Tensor

    from multiturn.encoders.timm_backbone import TimmEncoder

EXAMPLES = """examples:
  python -m benchmarks.encoding
  python -m benchmarks.encoding --network resnet50 --size 224 --workers 2
  python -m benchmarks.encoding --pictures 24 --network test_resnet --rounds 2 --output runs/bench
"""


def encoding(
    network: str = "resnet18",
    size: int = 224,
    pictures: int = 256,
    batch_size: int = 32,
    workers: int = 0,
    rounds: int = 5,
    seed: int = 0,
    output: Path | None = None,
) -> dict[str, Any]:
    """Time `TimmEncoder` and a plain loop on the same JPEG files and weights, in alternation in one process.

    The weights are random: they change no time. Beside both stands the network alone, on pixels that are decoded
    and on the device already.

    Args:
        network: backbone of timm.
        size: of its input in pixels, height and width; the files are a fourth larger.
        pictures: files that are encoded in a round.
        batch_size: pictures at once.
        workers: processes that decode, in both ways.
        rounds: repetitions of each way, in alternation; the median counts.
        seed: of weights and pictures.
        output: folder for encoding.json; benchmarks/results if not given.
    """
    for name, value, least in (("pictures", pictures, 2), ("batch_size", batch_size, 1), ("rounds", rounds, 1)):
        at_least(name, value, least)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        seconds, difference = measure(Path(folder), network, size, pictures, batch_size, workers, rounds, seed)
    ways = {
        name: {"seconds": times, "median": median(times), "pictures_per_second": pictures / median(times)}
        for name, times in seconds.items()
    }
    share = median(plain / ours for ours, plain in zip(seconds["encoder"], seconds["plain loop"], strict=True))
    alone = ways["network alone"]["median"] / ways["encoder"]["median"]
    rates = ", ".join(f"{name} {way['pictures_per_second']:.1f} pictures/s" for name, way in ways.items())
    print(f"{rates}; the encoder reaches {share:.3f} of the plain loop and {alone:.3f} of the network alone")
    settings = {"network": network, "size": size, "pictures": pictures, "batch_size": batch_size, "workers": workers}
    measured = {"ways": ways, "share_of_plain_loop": share, "share_of_network": alone, "largest_difference": difference}
    return save("encoding", settings | {"rounds": rounds, "seed": seed}, measured, output)


def measure(
    folder: Path, network: str, size: int, pictures: int, batch_size: int, workers: int, rounds: int, seed: int
) -> tuple[dict[str, list[float]], float]:
    """Seconds of each way and round, and the largest difference between the two ways' vectors."""
    import time

    import torch
    from accelerate import PartialState
    from datasets import Dataset, Features, Image

    files = drawn_files(folder, pictures, size, seed)
    encoder = random_encoder(folder, network, size, workers, PartialState().device, seed)
    rows = Dataset.from_dict({"image": files}, features=Features({"image": Image()}))
    wait = torch.cuda.synchronize if encoder.device.type == "cuda" else lambda: None
    plain, alone = plain_loop(encoder, files, size, batch_size, workers), network_alone(encoder, size, batch_size)
    ways: dict[str, Callable[[], Any]] = {
        "encoder": lambda: encoder.encode(rows, batch_size),
        "plain loop": plain,
        "network alone": lambda: [alone(min(batch_size, pictures - row)) for row in range(0, pictures, batch_size)],
    }
    ours, theirs = ways["encoder"](), plain()  # Also warms both up.
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            wait()
            begun = time.perf_counter()
            way()
            wait()
            seconds[name].append(time.perf_counter() - begun)
    return seconds, float((ours - theirs).abs().max())


def drawn_files(folder: Path, pictures: int, size: int, seed: int) -> list[str]:
    """Smooth coloured noise as JPEG files, which decodes about as fast as photographs do."""
    import numpy as np
    from PIL import Image

    draw, side = np.random.default_rng(seed), size * 5 // 4
    files = [folder / f"{number:06d}.jpg" for number in range(pictures)]
    for file in files:
        coarse = Image.fromarray(draw.integers(0, 256, (side // 8 + 1, side // 8 + 1, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(file, quality=90)
    return [str(file) for file in files]


def random_encoder(folder: Path, network: str, size: int, workers: int, device: Any, seed: int) -> TimmEncoder:
    """The encoder on random weights."""
    import timm
    import torch

    from multiturn.encoders.timm_backbone import TimmEncoder

    torch.manual_seed(seed)
    torch.save(timm.create_model(network).state_dict(), folder / "weights.pth")
    return TimmEncoder(network, str(folder / "weights.pth"), size, size, device, workers=workers)


def plain_loop(
    encoder: TimmEncoder, files: list[str], size: int, batch_size: int, workers: int
) -> Callable[[], Tensor]:
    """What one would write by hand: torchvision transforms, a DataLoader, and the same network."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader
    from torch.utils.data import Dataset as TorchDataset
    from torchvision.transforms import v2

    mean, std = ((value.flatten().cpu() / 255).tolist() for value in (encoder._mean, encoder._std))
    steps = [v2.Resize((size, size)), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    transform = v2.Compose(steps)

    class Files(TorchDataset[Any]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, row: int) -> Any:
            with Image.open(files[row]) as image:
                return transform(image.convert("RGB"))

    loader = DataLoader(Files(), batch_size, num_workers=workers, pin_memory=encoder.device.type == "cuda")

    @torch.no_grad()
    def loop() -> Tensor:
        return torch.cat([encoder._network(batch.to(encoder.device, non_blocking=True)) for batch in loader]).cpu()

    return loop


def network_alone(encoder: TimmEncoder, size: int, batch_size: int) -> Callable[[int], object]:
    """The network on a part of one batch that lies on its device."""
    import torch

    batch = torch.zeros(batch_size, 3, size, size, device=encoder.device)

    @torch.no_grad()
    def forward(count: int) -> object:
        return encoder._network(batch[:count])

    return forward


if __name__ == "__main__":
    start(encoding, "encoding", EXAMPLES)
