"""The paper's tables, measured again."""

from taplab.evaluation.tables.contents import TABLES
from taplab.evaluation.tables.markdown import as_json, as_markdown
from taplab.evaluation.tables.table import Row, Table

__all__ = ["TABLES", "Row", "Table", "as_json", "as_markdown"]
