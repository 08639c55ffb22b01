//! A process that writes into the outbox of a SQLite file, for tests that kill it. `outbox_writer FILE FIRST COUNT SEED`
//! runs transactions with the numbers from FIRST on. Each has 1 to 3 rows of data, each row with its event. A third of the
//! transactions is rolled back. It prints the number of each transaction that has ended.
#![allow(clippy::print_stdout, reason = "the test reads it")]

use std::{
    env,
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, TransactionBehavior, params};
use tidings_tests::Random;

fn main() -> Result<(), Box<dyn Error>> {
    let [file, first, count, seed] =
        env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "4 arguments")?;
    let mut database = Connection::open(file)?;
    database.busy_timeout(Duration::from_secs(15))?;
    let (mut number, mut random) = (first.parse::<u64>()?, Random::new(seed.parse()?));
    for transaction_number in 0..count.parse::<usize>()? {
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for _ in 0..=random.below(3) {
            let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
            let event =
                format!(r#"{{"domain":"clock","event":"ticked","payload":{{"number":{number},"at":{at}}}}}"#);
            transaction.execute("INSERT INTO data VALUES (?1)", [number.cast_signed()])?;
            let insert = "INSERT INTO tidings_outbox(event, topics) VALUES (?1, '[\"clock\"]')";
            transaction.execute(insert, params![event])?;
            number += 1;
        }
        match random.below(3) {
            0 => transaction.rollback()?,
            _ => transaction.commit()?,
        }
        println!("{transaction_number}");
    }
    Ok(())
}
