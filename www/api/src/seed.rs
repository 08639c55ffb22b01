//! The data of a new database: a small company that makes electronics for bicycles.

use rusqlite::{Connection, Result, ToSql, params};
use uuid::Uuid;

/// Fills the empty tables.
///
/// # Errors
/// An error of the database.
pub(crate) fn fill(db: &Connection) -> Result<()> {
    let people = staff(db)?;
    projects(db, &people)?;
    catalogue(db)?;
    crm(db)
}

/// The links. A file of an older version gets them, too.
pub(crate) const LINKS: &str = "
    INSERT INTO links (title, url, note, tags, votes) VALUES
        ('How SQLite is tested', 'https://www.sqlite.org/testing.html',
         'Worth an hour before the next firmware release.', '[\"software\", \"tests\"]', 12),
        ('Hub dynamo', 'https://en.wikipedia.org/wiki/Hub_dynamo',
         'What feeds Lamp 3.', '[\"hardware\", \"power\"]', 7),
        ('IP code', 'https://en.wikipedia.org/wiki/IP_code',
         'How tight a housing must be. We promise IP66.', '[\"hardware\", \"rules\"]', 5),
        ('Lithium-ion battery', 'https://en.wikipedia.org/wiki/Lithium-ion_battery',
         '', '[\"power\"]', 3),
        ('CAN bus', 'https://en.wikipedia.org/wiki/CAN_bus',
         'How the lock may talk to the motor.', '[\"hardware\", \"software\"]', 9);
";

/// Inserts a row with a new uuid and returns the uuid.
fn insert(db: &Connection, table: &str, columns: &str, values: &[&dyn ToSql]) -> Result<Uuid> {
    let uuid = Uuid::now_v7();
    let marks = ", ?".repeat(values.len());
    let values = [&[&uuid as &dyn ToSql], values].concat();
    db.prepare_cached(&format!("INSERT INTO {table} (uuid, {columns}) VALUES (?{marks})"))?
        .execute(&values[..])?;
    Ok(uuid)
}

fn staff(db: &Connection) -> Result<Vec<Uuid>> {
    let department = |name, about| insert(db, "departments", "name, description", params![name, about]);
    let engineering = department("Engineering", "Hardware and firmware of every lamp, lock and computer.")?;
    let operations = department("Operations", "Buys, builds and ships.")?;
    let customers = department("Customers", "Everyone who talks with the people who ride.")?;

    let team = |name, purpose, department: Uuid| {
        insert(db, "teams", "name, purpose, department_uuid", params![name, purpose, department])
    };
    let firmware = team("Firmware", "What runs on the devices.", engineering)?;
    let hardware = team("Hardware", "Boards, housings, batteries.", engineering)?;
    let supply = team("Supply", "Parts in time, at a price that holds.", operations)?;
    let support = team("Support", "Answers on the day they are asked.", customers)?;
    let sales = team("Sales", "Shops and makers of bicycles.", customers)?;

    let mut people = Vec::new();
    for (name, role, teams) in [
        ("Amara Okafor", "Head of engineering", vec![firmware, hardware]),
        ("Jonas Lindqvist", "Firmware engineer", vec![firmware]),
        ("Mei Tanaka", "Electronics engineer", vec![hardware]),
        ("Rafael Duarte", "Buyer", vec![supply]),
        ("Ingrid Solberg", "Head of operations", vec![supply]),
        ("Tomasz Wójcik", "Support lead", vec![support]),
        ("Leïla Benali", "Account manager", vec![sales]),
        ("Noor van Dijk", "Account manager", vec![sales, support]),
    ] {
        let email = format!("{}@example.com", name.split(' ').next().unwrap_or(name).to_lowercase());
        let person = insert(db, "people", "name, role, email", params![name, role, email.replace('ï', "i")])?;
        for team in teams {
            insert(db, "memberships", "team_uuid, person_uuid", params![team, person])?;
        }
        people.push(person);
    }
    Ok(people)
}

fn projects(db: &Connection, people: &[Uuid]) -> Result<()> {
    let task = |title, notes| insert(db, "tasks", "title, notes", params![title, notes]);
    let brief = task("Write the brief", "One page: for whom, why, and how we will know.")?;
    let parts = task("Order the parts", "Two suppliers at least for everything that can stop the line.")?;
    let prototype = task("Build a prototype", "Ten units, ridden by people who do not work here.")?;
    let test = task("Test in the field", "Rain, frost, cobbles.")?;
    let release = task("Release", "Notes, photographs, shops told a week before.")?;

    let project = |name, summary, lead: usize, status, is_template: bool| {
        let values = params![name, summary, people[lead], status, is_template];
        insert(db, "projects", "name, summary, lead_uuid, status, is_template", values)
    };
    let lamp =
        project("Lamp 3", "A front lamp that sees the road before the rider does.", 0, "active", false)?;
    let lock = project("Quiet lock", "Opens as you arrive and never beeps.", 2, "planned", false)?;
    project("Spring price list", "New prices for shops, agreed by March.", 6, "completed", false)?;
    let template = project("New product", "The steps that each product takes.", 0, "planned", true)?;

    for (project, steps) in [
        (
            lamp,
            vec![
                (brief, Some(0), true),
                (parts, Some(3), true),
                (prototype, Some(2), false),
                (test, None, false),
            ],
        ),
        (lock, vec![(brief, Some(2), false), (parts, None, false)]),
        (template, [brief, parts, prototype, test, release].map(|task| (task, None, false)).to_vec()),
    ] {
        for (place, (task, person, is_done)) in (0_i64..).zip(steps) {
            let person = person.map(|index: usize| people[index]);
            let values = params![project, task, person, place, is_done];
            insert(db, "assignments", "project_uuid, task_uuid, person_uuid, place, is_done", values)?;
        }
    }
    Ok(())
}

fn catalogue(db: &Connection) -> Result<()> {
    let catalogue = |name, about| insert(db, "catalogues", "name, description", params![name, about]);
    let shop = catalogue("Shop", "What riders buy from us.")?;
    let spares = catalogue("Spare parts", "What workshops order.")?;

    let category =
        |name, catalogue: Uuid| insert(db, "categories", "name, catalogue_uuid", params![name, catalogue]);
    let lamps = category("Lamps", shop)?;
    let locks = category("Locks", shop)?;
    let batteries = category("Batteries", spares)?;

    let manufacturer = |name| insert(db, "manufacturers", "name", params![name]);
    let own = manufacturer("Our own")?;
    let nordcell = manufacturer("Nordcell")?;

    for (name, sku, cents, stock, catalogue, category, manufacturer) in [
        ("Lamp 2", "LMP-2", 8_900_i64, 140_i64, shop, lamps, own),
        ("Rear lamp mini", "LMP-R1", 3_450, 310, shop, lamps, own),
        ("Frame lock", "LCK-1", 12_900, 44, shop, locks, own),
        ("Battery 18 Wh", "BAT-18", 2_900, 75, spares, batteries, nordcell),
        ("Battery 36 Wh", "BAT-36", 4_700, 12, spares, batteries, nordcell),
    ] {
        let columns = "name, sku, price_cents, stock, catalogue_uuid, category_uuid, manufacturer_uuid";
        let values = params![name, sku, cents, stock, catalogue, category, manufacturer];
        insert(db, "items", columns, values)?;
    }
    Ok(())
}

fn crm(db: &Connection) -> Result<()> {
    let contact = |name, company, email, phone| {
        insert(db, "contacts", "name, company, email, phone", params![name, company, email, phone])
    };
    let elena = contact("Elena Rossi", "Ruota Libera", "elena@example.org", "+39 055 0100 12")?;
    let samuel = contact("Samuel Adeyemi", "Pedal & Co", "samuel@example.org", "+44 20 7946 0018")?;
    let yuki = contact("Yuki Mori", "Mori Cycles", "yuki@example.org", "+81 3 5550 0123")?;

    for (subject, kind, summary, happened_at, parties) in [
        (
            elena,
            "meeting",
            "Wants forty Lamp 2 before the season, and a window display.",
            1_789_200_000_000_i64,
            vec![samuel],
        ),
        (elena, "call", "Two lamps came without brackets; sent the same day.", 1_789_718_400_000, vec![]),
        (samuel, "email", "Asked for the spring price list.", 1_790_323_200_000, vec![yuki]),
    ] {
        let columns = "subject_uuid, kind, summary, happened_at";
        let uuid = insert(db, "interactions", columns, params![subject, kind, summary, happened_at])?;
        for party in parties {
            db.execute("INSERT INTO interaction_parties VALUES (?, ?)", params![uuid, party])?;
        }
    }
    Ok(())
}
