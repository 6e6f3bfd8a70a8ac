"""Tables of data sets, line by line."""
from __future__ import annotations

import csv
from pathlib import Path
from typing import Callable, Iterator

from prepare.mistake import Mistake

csv.field_size_limit(1 << 24)


def read_table(path: Path, columns: list[str], reject: Callable[..., None], tabs: bool = False) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, {column: text}) of a table with a header. `tabs`: separated by tabs, no quotes, backslash escapes, as Common
    Voice and CoVoST have them. A line with another number of fields goes to reject(place, reason); a header without one of
    `columns`, a table without rows and text that is not UTF-8 are Mistakes."""
    style = {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "escapechar": "\\"} if tabs else {"strict": True}
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, **style)
        try:
            header = next(rows, [])
            absent = [name for name in columns if name not in header]
            if absent:
                raise Mistake(f"{path}: the first line has no column '{absent[0]}'; its columns are: {', '.join(header) or 'none'}.")
            count = 0
            while True:
                begins = rows.line_num + 1
                try:
                    row = next(rows)
                except StopIteration:
                    break
                except csv.Error as error:
                    reject(f"{path.name}:{begins}", f"the line is broken ({error})")
                    continue
                if not row:
                    continue
                count += 1
                if len(row) != len(header):
                    reject(f"{path.name}:{begins}", f"the line has {len(row)} fields where the header has {len(header)}")
                    continue
                yield begins, dict(zip(header, row))
        except UnicodeDecodeError as error:
            raise Mistake(f"{path}: it is not UTF-8 text ({error.reason} near line {rows.line_num + 1}).") from error
        if not count:
            raise Mistake(f"{path}: there is no row below its first line.")
