//! A writer that uses sqlx, with the arguments of psql: `--quiet --no-psqlrc URL --command SQL…`. The first command begins a
//! transaction, and the last one ends it.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

#[tokio::main]
async fn main() -> Result<(), sqlx::Error> {
    let arguments: Vec<String> = std::env::args().collect();
    let url = arguments.iter().find(|argument| argument.starts_with("postgres://")).expect("a URL");
    let commands: Vec<&String> =
        arguments.windows(2).filter(|pair| pair[0] == "--command").map(|pair| &pair[1]).collect();
    let [_, work @ .., end] = &commands[..] else { panic!("no transaction: {arguments:?}") };
    let mut connection = PgConnection::connect(url).await?;
    let mut transaction = connection.begin().await?;
    for statement in work {
        // As an application does it: a prepared statement with a parameter.
        let (event, rest) = statement
            .split_once("publish('")
            .and_then(|(_, rest)| rest.rsplit_once("', "))
            .expect("an event");
        let sql = format!("SELECT tidings.publish($1, {rest}");
        sqlx::query(AssertSqlSafe(sql)).bind(event).execute(&mut *transaction).await?;
    }
    match end.as_str() {
        "COMMIT" => transaction.commit().await,
        _ => transaction.rollback().await,
    }
}
