//! Opens the file of a journal, or refuses it and changes nothing.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    super::Synchronous,
    fault::{DAMAGED, Fault},
    file::JournalFile,
    pairing::{Pairing, cookie_of},
    paths::{OWNER_ONLY, Paths},
    schema::{self, APPLICATION, VERSION},
};

/// Bytes of a database file's header.
const HEADER_BYTES: usize = 100;

/// The longest check for damage at the start. Half a gigabyte takes about a second. Of a larger file, a part is checked.
const CHECK_TIME: Duration = Duration::from_secs(2);

/// The longest wait for a lock of another program, for example of a reader that makes a copy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns whether there is a journal at the path. `false` means that there is nothing yet. It opens the file, so the
/// process must have no connection to it: to close a file gives up SQLite's locks on it.
///
/// # Errors
/// There is something else, or it can't be written.
pub(super) fn check(path: &Path) -> Result<bool, Fault> {
    let folder = path.parent().unwrap_or(path);
    if !folder.is_dir() {
        return Err(Fault::Said(format!("its folder {} does not exist; make the folder", folder.display())));
    }
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        metadata => metadata?,
    };
    if metadata.is_dir() {
        return Err(Fault::said("it is a folder; name a file in it"));
    }
    if !metadata.is_file() {
        return Err(Fault::said("it is no regular file; name one, or a path where nothing is yet"));
    }
    let mut file = File::options().read(true).write(true).open(path)?;
    if metadata.len() == 0 {
        return Ok(false);
    }
    let mut header = [0; HEADER_BYTES];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") {
        return Err(Fault::said("it is no SQLite database; name another file, this one is left as it is"));
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    check_format(number(68), number(60))?;
    Ok(true)
}

fn check_format(application: u32, version: u32) -> Result<(), Fault> {
    if application != APPLICATION {
        let other = "it is the database of another application; name another file, this one is left as it is";
        return Err(Fault::said(other));
    }
    if version == VERSION {
        return Ok(());
    }
    Err(Fault::Said(format!(
        "it has the format {version}, of a newer Tidings, and this one knows the format {VERSION}; run the newer Tidings, or \
         name another file"
    )))
}

/// Opens the file, or makes it. The caller has the lock.
///
/// # Errors
/// It can't be a journal. Then nothing of it was changed.
pub(super) fn open(paths: &Paths, synchronous: Synchronous) -> Result<JournalFile, Fault> {
    let is_there = check(&paths.file)?;
    if !is_there {
        // A log without its file is worth nothing, and SQLite must not apply it to the new file.
        paths.remove_log();
    }
    let (had_file, had_log) = (paths.file.exists(), paths.log.exists());
    let opened = try_open(paths, synchronous, is_there);
    if opened.is_err() && !had_log {
        paths.remove_log();
    }
    if opened.is_err() && !had_file {
        let _ = fs::remove_file(&paths.file);
    }
    opened
}

fn try_open(paths: &Paths, synchronous: Synchronous, is_there: bool) -> Result<JournalFile, Fault> {
    let stored = if is_there && paths.has_log() { generation_without_log(&paths.file) } else { None };
    // The file must stay open for as long as the connection: see `check`.
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_ONLY)
        .open(&paths.file)?;
    let mut db = connect(&paths.file)?;
    if let Some(generation) = stored {
        let cookie = cookie_of(&file)?;
        let pairing = Pairing::read(&db).ok().flatten();
        if !pairing.is_some_and(|pairing| pairing.fits(generation, cookie)) {
            tracing::warn!(
                log = %paths.log.display(),
                "the write-ahead log belongs to another state of the journal's file: an old copy was put back; the log is \
                 removed"
            );
            drop(db);
            paths.remove_log();
            db = connect(&paths.file)?;
        }
    }
    if is_there {
        check_for_damage(&db)?;
    }
    let (application, version) = format_of(&db)?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 || application != 0 {
        check_format(application, version)?;
        check_tables(&db)?;
    } else {
        schema::create(&mut db)?;
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    // Checkpoints are the journal's own: between them nobody writes to the database file.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.set_prepared_statement_cache_capacity(64);
    let pairing = Pairing::read(&db)?.ok_or_else(|| Fault::said(DAMAGED))?;
    JournalFile::begin(db, file, paths.clone(), pairing, synchronous)
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    // Whatever happens, closing writes nothing: only the journal's own checkpoints do.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    Ok(db)
}

/// Returns the generation that the database file has by itself. `None` if it can't be read.
fn generation_without_log(path: &Path) -> Option<i64> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // SQLite reads no log of an immutable file.
    let escaped: String = path
        .to_str()?
        .chars()
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            other => other.to_string(),
        })
        .collect();
    let db = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).ok()?;
    Some(Pairing::read(&db).ok()??.generation)
}

fn format_of(db: &Connection) -> rusqlite::Result<(u32, u32)> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get(0));
    Ok((number("application_id")?, number("user_version")?))
}

/// Checks that each table is there.
fn check_tables(db: &Connection) -> Result<(), Fault> {
    let has = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    for table in ["tenant", "entry", "key", "revocation", "paired"] {
        if !db.query_row(has, [table], |row| row.get::<_, bool>(0))? {
            return Err(Fault::Said(format!("{DAMAGED}: it has no table {table}")));
        }
    }
    Ok(())
}

fn check_for_damage(db: &Connection) -> Result<(), Fault> {
    let handle = db.get_interrupt_handle();
    let (done, is_done) = mpsc::channel::<()>();
    let timer = thread::spawn(move || {
        if is_done.recv_timeout(CHECK_TIME) == Err(RecvTimeoutError::Timeout) {
            handle.interrupt();
        }
    });
    let found = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    drop(done);
    let _ = timer.join();
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(Fault::Said(format!("{DAMAGED}: {found}"))),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
