//! Processes with a bridge, and their database, die and hang while others write: a page has the table, and hears of each change
//! once.

mod postgres;
mod sqlite;
