//! Many small pictures on one canvas, as tiles: which of them was pointed at, and which the arrow keys lead to.

use super::canvas::place;
use leptos::prelude::*;
use web_sys::{KeyboardEvent, MouseEvent};

/// So many tiles, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    /// How many.
    pub(super) count: u32,
    /// In a row; not 0.
    pub(super) columns: u32,
}

impl Tiles {
    /// Rows, of which there is at least one.
    pub(super) fn rows(self) -> u32 {
        self.count.div_ceil(self.columns).max(1)
    }

    /// The tile under the pointer.
    pub(super) fn pointed(self, event: &MouseEvent) -> Option<u32> {
        let (x, y) = place(event, (event.client_x(), event.client_y()))?;
        let cell = |share: f64, cells: u32| (share.clamp(0.0, 0.9999) * f64::from(cells)) as u32;
        let tile = cell(y, self.rows()) * self.columns + cell(x, self.columns);
        (tile < self.count).then_some(tile)
    }

    /// The tile that an arrow key leads to from `now`; the first, if there is no now. `None` for other keys; the browser
    /// is kept from scrolling by those that are taken.
    pub(super) fn keyed(self, event: &KeyboardEvent, now: Option<u32>) -> Option<u32> {
        let by = match event.key().as_str() {
            "ArrowRight" => 1,
            "ArrowLeft" => -1,
            "ArrowDown" => i64::from(self.columns),
            "ArrowUp" => -i64::from(self.columns),
            _ => return None,
        };
        event.prevent_default();
        let last = i64::from(self.count.checked_sub(1)?);
        Some(now.map_or(0, |now| (i64::from(now) + by).clamp(0, last)) as u32)
    }

    /// A frame around a tile.
    pub(super) fn marker(self, tile: u32, class: &'static str) -> impl IntoView {
        let (columns, rows) = (self.columns, self.rows());
        let percent = |part: u32, of: u32| format!("{}%", 100.0 * f64::from(part) / f64::from(of));
        view! {
            <i
                class=class
                aria-hidden="true"
                style:left=percent(tile % columns, columns)
                style:top=percent(tile / columns, rows)
                style:width=percent(1, columns)
                style:height=percent(1, rows)
            ></i>
        }
    }
}
