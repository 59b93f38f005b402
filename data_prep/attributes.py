"""The 40 face attributes of CelebA and the columns every face data set here shares; no data set's own files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset, Features

# The header of CelebA's list_attr_celeba.txt, in its order (Liu et al., ICCV 2015).
ATTRIBUTES: tuple[str, ...] = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)


def face_features() -> Features:
    """Columns of every face data set: `id`, `image`, `identity`, and one boolean column an attribute.

    `id` is the file name. `identity` is the person's number as the data set gives it, -1 where it is unknown.
    """
    from datasets import Features, Image, Value

    columns = {"id": Value("string"), "image": Image(), "identity": Value("int32")}
    return Features(columns | {name: Value("bool") for name in ATTRIBUTES})


def attribute_matrix(faces: Dataset) -> np.ndarray:
    """Read the attribute columns of a face data set as one matrix.

    Returns:
        int8, [face, 40], -1 for absent and +1 for present, columns in the order of `ATTRIBUTES`.
    """
    import numpy as np

    table = faces.select_columns(list(ATTRIBUTES)).with_format("numpy")[:]
    present = np.stack([table[name] for name in ATTRIBUTES], axis=1)
    return np.where(present, 1, -1).astype(np.int8)
