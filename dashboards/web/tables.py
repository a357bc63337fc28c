"""Tables: columns, cells that show times, and the buttons at the end of a row."""

from typing import Any

from nicegui import ui

TIME_CELL = """
<q-td :props="props"><span class="num" :title="props.row[props.col.name + '_utc']"
  >{{ props.value }}</span></q-td>
"""
SHORT_CELL = """
<q-td :props="props"><span class="why" :title="props.value">{{ props.value }}</span></q-td>
"""
WORDS_CELL = '<q-td :props="props"><span class="words">{{ props.value }}</span></q-td>'
STATUS_CELL = """
<q-td :props="props"><span :class="'status ' + props.value">{{ props.value }}</span></q-td>
"""


def column(
    name: str, label: str, *, right: bool = False, sort: bool = True, decimals: int | None = None
) -> dict[str, Any]:
    """A column; with decimals its raw numbers sort as numbers and show with so many places."""
    found: dict[str, Any] = {
        "name": name,
        "label": label,
        "field": name,
        "align": "right" if right or decimals is not None else "left",
        "sortable": sort,
    }
    if decimals is not None:
        found[":format"] = (
            "v => v == null ? '–' : v.toLocaleString('en-US', "
            f"{{minimumFractionDigits: {decimals}, maximumFractionDigits: {decimals}}})"
        )
    return found


def table(
    columns: list[dict[str, Any]],
    name: str,
    *,
    row_key: str = "id",
    times: tuple[str, ...] = (),
    sort_by: str | None = None,
    descending: bool = False,
    empty: str = "Nothing here yet.",
    page_rows: int = 0,
) -> ui.table:
    """A dense table; the columns in `times` show UTC on hover from their `_utc` twin.

    page_rows: rows on a page, 0 for all on one.
    """
    sorting = {"sortBy": sort_by, "descending": descending, "rowsPerPage": page_rows}
    made = ui.table(columns=columns, rows=[], row_key=row_key, pagination=sorting)
    made.classes(f"tight {name}").props(
        f'dense flat binary-state-sort no-data-label="{empty}" data-testid="{name}"'
    )
    made.props["hide-pagination"] = page_rows == 0
    for time_column in times:
        made.add_slot(f"body-cell-{time_column}", TIME_CELL)
    if any(found["name"] == "status" for found in columns):
        made.add_slot("body-cell-status", STATUS_CELL)
    return made


def row_button(event: str, label: str, shown_if: str = "true") -> str:
    """A button for a cell; the table emits `event` with the row's key."""
    return (
        f'<button v-if="{shown_if}" type="button" class="pill"'
        f" :data-testid=\"'{event}-' + props.key\" :aria-label=\"'{label} ' + props.key\""
        f" @click.stop=\"$parent.$emit('{event}', props.row)\">{label}</button>"
    )


def action_cell(*buttons: str) -> str:
    """A cell with the buttons that apply to its row."""
    return f'<q-td :props="props" class="row-actions">{"".join(buttons)}</q-td>'
