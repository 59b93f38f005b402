"""Opens files of results, in every format, and names the file in every error; what they mean is in result_files.py."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pyarrow import Table

TABLES = (".parquet", ".csv", ".tsv", ".jsonl")
ARRAY = ".npy"
RUNS = (".trec", ".run", ".txt", "")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
NAMES = ("session", "target", "candidate")  # Text in every file: a number of 0017 is no number of 17.


def check_there(path: Path) -> None:
    """Raise FileNotFoundError or ValueError, with its name, if there is no such file or it holds nothing."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty; write it again")


def check_run(path: Path) -> None:
    """Raise ValueError, which names what can be read, if a file that is neither table nor array is no TREC run."""
    if path.suffix not in RUNS:
        raise ValueError(
            f"{path} ends with {path.suffix!r}, and files of results with {', '.join((*TABLES, ARRAY))} or, TREC runs, "
            f"with {', '.join(filter(None, RUNS))} or no suffix; convert it, or rename it"
        )


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """The columns of a table under their names.

    Args:
        path: .parquet, .csv with commas, .tsv with tabs, or .jsonl with an object a line.
    Raises:
        ValueError: the file cannot be read, has no row, or its columns stand apart by another mark.
        FileNotFoundError: there is no such file.
    """
    from pyarrow import ArrowException

    check_there(path)
    try:
        table = _table(path)
    except (ArrowException, UnicodeDecodeError) as reason:
        raise ValueError(f"{path} cannot be read as {path.suffix.removeprefix('.')}: {reason}") from reason
    header = "".join(table.column_names)
    if path.suffix in DELIMITERS and table.num_columns == 1 and (other := next(filter(header.count, ";\t,|"), "")):
        raise ValueError(
            f"{path} has one column, {header!r}: its columns stand apart by {other!r}; write commas in a .csv and tabs "
            "in a .tsv"
        )
    if not table.num_rows:
        raise ValueError(f"{path} has columns ({', '.join(table.column_names)}) and no row; write one a session a turn")
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _table(path: Path) -> "Table":
    if path.suffix == ".parquet":
        from pyarrow.parquet import read_table

        return read_table(path)
    if path.suffix == ".jsonl":
        from pyarrow.json import read_json

        return read_json(path)
    import pyarrow
    from pyarrow.csv import ConvertOptions, ParseOptions, read_csv

    as_text = ConvertOptions(column_types=dict.fromkeys(NAMES, pyarrow.string()))
    return read_csv(path, parse_options=ParseOptions(delimiter=DELIMITERS[path.suffix]), convert_options=as_text)


def column(columns: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """A column by its name; raises ValueError if it is not there."""
    if name not in columns:
        raise ValueError(f"{path} has no column {name!r}, only {', '.join(columns)}; name its columns so")
    return columns[name]


def check_numbers(values: np.ndarray, name: str, path: Path) -> None:
    """Raise ValueError, with the first value that is none, if a column does not hold numbers."""
    if np.issubdtype(values.dtype, np.number):
        return
    row = next((row for row, value in enumerate(values) if not _is_number(value)), 0)
    raise ValueError(
        f"{path}: column {name!r} holds {str(values[row])!r} in row {row + 1} below the header, which is no number"
    )


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def read_array(path: Path, dimensions: tuple[int, ...]) -> np.ndarray:
    """An array of numbers, read from the disk piece by piece.

    Raises:
        ValueError: it is no array of numbers of one of these numbers of dimensions.
        FileNotFoundError: there is no such file.
    """
    check_there(path)
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as reason:
        raise ValueError(f"{path} cannot be read as an array of numbers: {reason}") from reason
    if table.ndim not in dimensions or not np.issubdtype(table.dtype, np.number):
        wanted = " or ".join(str(one) for one in dimensions)
        raise ValueError(f"{path} holds {table.dtype} of shape {table.shape}, not numbers of {wanted} dimensions")
    return table
