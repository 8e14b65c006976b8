//! A record of what a thread reads, for tests of how many statements a list takes and how they are
//! planned.

use std::cell::RefCell;

use crate::workspace::sql_value::{Param, Params};

thread_local! {
    static READS: RefCell<Option<Vec<(String, Params<'static>)>>> = const { RefCell::new(None) };
}

/// Records a read of this thread. All reads pass here.
pub(crate) fn record(sql: &str, params: &Params<'_>) {
    let owned = |param: &Param<'_>| Param {
        name: param.name,
        column_type: param.column_type,
        value: param.value.clone().into_owned(),
    };
    let params: Params<'static> = params.iter().map(owned).collect();
    READS.with_borrow_mut(|reads| reads.as_mut().map(|reads| reads.push((sql.to_owned(), params))));
}

/// What this thread has read since the last call; recording begins with the first call.
pub fn take_reads() -> Vec<(String, Params<'static>)> {
    READS.replace(Some(Vec::new())).unwrap_or_default()
}
